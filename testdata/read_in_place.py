"""Reads Delta tables in place as anyone would who never heard of auditlake, as often as it is asked to.

Each line of the standard input is a question, an object of JSON; each line of the standard output is its answer.

{"location", "options", "version"?}   what deltalake and Polars see of a table, of that version or of the newest one; a version asked
                                      for before is read as it was opened then, from the files that it had
{"history", "options"}                the operations that the log of a table tells of, the newest first
{"polars"} {"duckdb"}                 what a snippet prints, or finds; DuckDB needs its extensions as packages
What is refused or fails answers {"error"}.
Needs the packages deltalake, pyarrow and polars. Credentials are in the environment.
"""

import contextlib
import glob
import io
import json
import sys

import polars
from deltalake import DeltaTable

opened = {}


def table_of(question):
    key = (question["location"], question.get("version"))
    if key in opened:
        return opened[key]
    table = DeltaTable(question["location"], version=key[1], storage_options=question["options"])
    if key[1] is not None:
        opened[key] = table
    return table


def column(field):
    kind = field.type
    name = kind.type if kind.__class__.__name__ == "PrimitiveType" else f"array<{kind.element_type.type}>"
    return {"name": field.name, "type": name, "nullable": field.nullable}


def seen(question):
    table = table_of(question)
    whole = table.to_pyarrow_table()
    # Of the same version, whatever has come since.
    frame = polars.scan_delta(
        question["location"], version=table.version(), storage_options=question["options"], use_pyarrow=False
    )
    by_polars = frame.select("seq", "id").collect().sort("seq")
    pairs = sorted(zip(whole["seq"].to_pylist(), whole["id"].to_pylist()))
    return {
        "version": table.version(),
        "files": len(table.file_uris()),
        "rows": whole.num_rows,
        "seqs": [seq for seq, _ in pairs],
        "ids": [id for _, id in pairs],
        "polars_sees_the_same": by_polars.rows() == pairs,
        "partition_columns": table.metadata().partition_columns,
        "schema": [column(field) for field in table.schema().fields],
    }


def history(question):
    table = DeltaTable(question["history"], storage_options=question["options"])
    return {"operations": [entry["operation"] for entry in table.history()]}


def run_polars(question):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(question["polars"], {})
    return {"printed": printed.getvalue()}


def run_duckdb(question):
    import duckdb

    connection = duckdb.connect()
    for extension in ["httpfs", "aws", "delta"]:
        package = __import__(f"duckdb_extension_{extension}")
        [file] = glob.glob(f"{package.__path__[0]}/**/*.duckdb_extension", recursive=True)
        connection.execute(f"INSTALL '{file}'")
    return {"found": [list(row) for row in connection.execute(question["duckdb"]).fetchall()]}


verbs = {"location": seen, "history": history, "polars": run_polars, "duckdb": run_duckdb}
for line in sys.stdin:
    question = json.loads(line)
    [verb] = [verb for name, verb in verbs.items() if name in question]
    try:
        answer = verb(question)
    except ImportError as error:
        answer = {"absent": str(error)}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
