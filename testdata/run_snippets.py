"""Runs the snippets that the API gives for a table, as they stand, and prints as JSON what each of them prints or finds.

The standard input is the object `snippets` of an answer. What is not installed answers {"absent"}, what fails {"error"}.
Credentials are in the environment. A snippet for a folder is run where the table is below the working folder.
"""

import contextlib
import glob
import io
import json
import os
import re
import sys


def duckdb(text):
    import duckdb

    connection = duckdb.connect()
    for extension in ["httpfs", "aws", "delta"]:
        package = __import__(f"duckdb_extension_{extension}")
        [file] = glob.glob(f"{package.__path__[0]}/**/*.duckdb_extension", recursive=True)
        connection.execute(f"INSTALL '{file}'")
    return str(connection.execute(text).fetchall())


def clickhouse(text):
    import chdb

    return str(chdb.query(text))


def python(text, **there):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(text, there)
    return printed.getvalue()


def spark(text):
    """By Sail, a server of Spark Connect that knows Delta: Apache Spark needs jars that are in no package of Python."""
    from pysail.spark import SparkConnectServer
    from pyspark.sql import SparkSession

    # Sail takes from its environment what the snippet sets for Spark's own file system.
    for endpoint in re.findall(r'"fs.s3a.endpoint", ("[^"]*")', text):
        os.environ |= {"AWS_ENDPOINT_URL": json.loads(endpoint), "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1"}
    server = SparkConnectServer(ip="127.0.0.1", port=0)
    server.start(background=True)
    session = SparkSession.builder.remote(f"sc://127.0.0.1:{server.listening_address[1]}").getOrCreate()
    return python(text, spark=session)


verbs = {"duckdb": duckdb, "clickhouse": clickhouse, "spark": spark}
answers = {}
for name, text in json.load(sys.stdin).items():
    try:
        answers[name] = {"printed": verbs.get(name, python)(text)}
    except ImportError as error:
        answers[name] = {"absent": str(error)}
    except Exception as error:
        answers[name] = {"error": f"{type(error).__name__}: {error}"}
json.dump(answers, sys.stdout)
sys.stdout.flush()
# Threads of the packages may still run, with which an orderly end of the interpreter now and then aborts.
os._exit(0)
