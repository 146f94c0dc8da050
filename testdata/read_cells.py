"""Reads the same events with every program that is installed, and compares every cell with what auditlake says.

Usage: read_cells.py tables ROWS_NDJSON TABLE_FOLDER      a Delta table in a folder, by programs that know Delta
       read_cells.py files ROWS_NDJSON FILE…               Parquet files, by programs that read Parquet
       read_cells.py lists ROWS_NDJSON FILE…               the same of a table's live files, by programs that read its encodings
ROWS_NDJSON has the events by column as `auditlake sql --format ndjson` prints them.
Prints an object of JSON: for each program the number of rows that it counts without asking for a column, how many rows it gives, and how
many cells differ, with the first of them; or that it is absent.
"""

import datetime
import glob
import json
import math
import os
import re
import shutil
import subprocess
import sys
import time


def plain(value):
    """A value in one form, whatever the program has for it."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if hasattr(value, "to_pydatetime"):
        value = value.to_pydatetime()
    if isinstance(value, datetime.datetime):
        zoned = value if value.tzinfo else value.replace(tzinfo=datetime.timezone.utc)
        return zoned.astimezone(datetime.timezone.utc).isoformat(timespec="microseconds")
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        # A column of numbers with nulls is one of floating point in pandas.
        return None if math.isnan(value) else int(value)
    return None if type(value).__name__ in ("NaTType", "NAType") else value


def ours(line):
    row = json.loads(line)
    for name in ("occurred_at", "received_at"):
        row[name] = plain(datetime.datetime.fromisoformat(row[name]))
    return row


def deltalake_engine(location):
    import pyarrow
    from deltalake import DeltaTable, QueryBuilder

    query = QueryBuilder().register("events", DeltaTable(location))
    asked = lambda sql: pyarrow.table(query.execute(sql).read_all())
    return asked("SELECT count(*) AS n FROM events")["n"][0].as_py(), asked("SELECT * FROM events").to_pylist()


def pyarrow_dataset(location):
    from deltalake import DeltaTable

    dataset = DeltaTable(location).to_pyarrow_dataset()
    return dataset.count_rows(), dataset.to_table().to_pylist()


def polars_own(location):
    import polars

    if "=" in os.path.basename(location):
        # A store from before: Polars' own reader refuses such a folder, and by pyarrow it counts only what it reads.
        frame = polars.scan_delta(location, use_pyarrow=True)
        return frame.select(polars.col("seq").count()).collect().item(), frame.collect().to_dicts()
    frame = polars.scan_delta(location, use_pyarrow=False)
    whole = polars.read_delta(location, use_pyarrow=False)
    assert whole.height == frame.select(polars.len()).collect().item()
    return frame.select(polars.len()).collect().item(), frame.collect().to_dicts()


def duckdb_of(source, extensions=()):
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET timezone = 'UTC'")
    for extension in extensions:
        package = __import__(f"duckdb_extension_{extension}")
        [file] = glob.glob(f"{package.__path__[0]}/**/*.duckdb_extension", recursive=True)
        connection.execute(f"INSTALL '{file}'")
        connection.execute(f"LOAD {extension}")
    count = connection.sql(f"SELECT count(*) FROM {source}").fetchone()[0]
    return count, connection.sql(f"SELECT * FROM {source}").to_arrow_table().to_pylist()


def duckdb_delta(location):
    return duckdb_of(f"delta_scan('{location}')", ["delta"])


def chdb_delta(location):
    import chdb

    # It reads below its working folder only.
    os.chdir(os.path.dirname(location))
    source = f"deltaLakeLocal('{location}')"
    count = int(str(chdb.query(f"SELECT count() FROM {source}")))
    lines = str(chdb.query(f"SELECT * FROM {source}", "JSONEachRow")).splitlines()
    rows = [json.loads(line) for line in lines]
    for row in rows:
        for name in ("occurred_at", "received_at"):
            row[name] = datetime.datetime.fromisoformat(row[name])
        row["seq"] = int(row["seq"])
        # It has no null lists.
        row["target_ids"] = row["target_ids"] or None
    return count, rows


def daft_delta(location):
    import daft

    frame = daft.read_deltalake(location)
    return frame.count_rows(), frame.to_arrow().to_pylist()


def datafusion_delta(location):
    import datafusion
    from deltalake import DeltaTable

    context = datafusion.SessionContext()
    context.register_dataset("events", DeltaTable(location).to_pyarrow_dataset())
    count = context.sql("SELECT count(*) AS n FROM events").to_pylist()[0]["n"]
    return count, context.sql("SELECT * FROM events").to_arrow_table().to_pylist()


def sail_delta(location):
    """Sail, which answers Spark's client, and knows Delta by itself."""
    from pysail.spark import SparkConnectServer
    from pyspark.sql import SparkSession

    server = SparkConnectServer(ip="127.0.0.1", port=0)
    server.start(background=True)
    session = SparkSession.builder.remote(f"sc://127.0.0.1:{server.listening_address[1]}").getOrCreate()
    frame = session.read.format("delta").load(f"file://{location}")
    return int(frame.count()), [row.asDict() for row in frame.collect()]


def spark_files(files):
    """Apache Spark, which reads Parquet by itself, and Delta only with jars that are in no package of Python."""
    import pyspark.sql

    version = shutil.which("java") and subprocess.run(["java", "-version"], capture_output=True, text=True).stderr
    if not re.search(r'version "(1\.8|11|17)\b', version or ""):
        raise ImportError("Java 8, 11 or 17")
    builder = pyspark.sql.SparkSession.builder.master("local[1]")
    settings = {"spark.ui.enabled": "false", "spark.sql.session.timeZone": "UTC", "spark.driver.bindAddress": "127.0.0.1"}
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.config("spark.driver.host", "127.0.0.1").getOrCreate()
    table = os.path.dirname(os.path.dirname(files[0]))
    frame = session.read.option("basePath", table).parquet(*files)
    found = frame.count(), [row.asDict() for row in frame.collect()]
    session.stop()
    return found


def pyarrow_files(files):
    import pyarrow.dataset

    dataset = pyarrow.dataset.dataset(files, format="parquet", partitioning="hive")
    return dataset.count_rows(), dataset.to_table().to_pylist()


def polars_files(files):
    import polars

    frame = polars.scan_parquet(files, hive_partitioning=True)
    return frame.select(polars.len()).collect().item(), frame.collect().to_dicts()


def duckdb_files(files):
    return duckdb_of(f"read_parquet({files!r}, hive_partitioning = true)")


def fastparquet_files(files):
    import fastparquet

    frames = [fastparquet.ParquetFile(file).to_pandas() for file in files]
    count = sum(fastparquet.ParquetFile(file).count() for file in files)
    rows = [row for frame in frames for row in frame.to_dict("records")]
    for row in rows:
        # pandas has no days without a time.
        row["day"] = row["day"].date()
    return count, rows


OF_TABLES = {
    "deltalake": deltalake_engine,
    "pyarrow": pyarrow_dataset,
    "polars": polars_own,
    "duckdb": duckdb_delta,
    "chdb": chdb_delta,
    "daft": daft_delta,
    "datafusion": datafusion_delta,
    "sail": sail_delta,
}
OF_FILES = {"pyarrow": pyarrow_files, "polars": polars_files, "duckdb": duckdb_files, "fastparquet": fastparquet_files}
OF_LISTS = {"pyarrow": pyarrow_files, "polars": polars_files, "duckdb": duckdb_files, "spark": spark_files}


def compared(found, expected):
    """How many cells differ, and the first of them."""
    found = {int(row["seq"]): row for row in found}
    differing, first = 0, None
    for seq, row in expected.items():
        for name, value in row.items():
            theirs = plain(found.get(seq, {}).get(name, "(no such cell)"))
            if theirs != value:
                differing += 1
                first = first or {"seq": seq, "column": name, "auditlake": value, "theirs": repr(theirs)}
    return {"differing": differing, "first": first}


def report(read, source, expected):
    try:
        count, rows = read(source)
    except ImportError as error:
        return {"absent": str(error)}
    return {"count": count, "rows": len(rows)} | compared(rows, expected)


def main():
    kind, rows, *sources = sys.argv[1:]
    # Spark's client gives times by the clock of its process.
    os.environ["TZ"] = "UTC"
    time.tzset()
    with open(rows) as lines:
        expected = {row["seq"]: row for row in map(ours, lines)}
    readers = {"tables": OF_TABLES, "files": OF_FILES, "lists": OF_LISTS}[kind]
    source = sources[0] if kind == "tables" else sources
    print(json.dumps({name: report(read, source, expected) for name, read in readers.items()}, default=repr))


main()
sys.stdout.flush()
# Threads of the packages may still run, with which an orderly end of the interpreter now and then aborts.
os._exit(0)
