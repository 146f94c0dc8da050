"""Reads an answer in its binary formats as anyone would who never heard of auditlake, and prints what it finds as one JSON object.

Usage: read_answer.py FOLDER
The folder has answer.parquet and answer.arrows of the same rows. Needs the package pyarrow; polars and duckdb read the Parquet file,
too, where they are installed.
"""

import json
import pathlib
import sys

import pyarrow
import pyarrow.compute
import pyarrow.ipc
import pyarrow.parquet

folder = pathlib.Path(sys.argv[1])
parquet = pyarrow.parquet.read_table(folder / "answer.parquet")
with pyarrow.ipc.open_stream(folder / "answer.arrows") as stream:
    arrow = stream.read_all()


def types(data_type):
    """The type and all types inside of it."""
    yield str(data_type)
    for number in range(data_type.num_fields):
        yield from types(data_type.field(number).type)


def texts(table):
    return json.loads(json.dumps(table.to_pylist(), default=str))


upper = pyarrow.compute.utf8_upper(pyarrow.compute.list_flatten(arrow["targets"]))
found = {
    "types": sorted({name for field in [*parquet.schema, *arrow.schema] for name in types(field.type)}),
    "parquet_units": sorted({str(column.logical_type) for column in pyarrow.parquet.ParquetFile(folder / "answer.parquet").schema}),
    "same": parquet.cast(arrow.schema).equals(arrow),
    "upper": upper.to_pylist(),
    "counted": arrow.group_by("id").aggregate([]).num_rows,
}
try:
    import polars

    found["polars"] = texts(polars.read_parquet(folder / "answer.parquet").select("id", "hour", "targets").to_arrow())
except ImportError:
    found["polars"] = None
try:
    import duckdb

    rows = duckdb.sql(f"SELECT id, hour::TIMESTAMP AS hour, targets FROM '{folder}/answer.parquet'").fetchall()
    found["duckdb"] = json.loads(json.dumps(rows, default=str))
except ImportError:
    found["duckdb"] = None
print(json.dumps(found))
