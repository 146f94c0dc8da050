"""Reads export files as anyone would who never heard of auditlake, and prints what it finds as one JSON object.

Usage: read_export.py FOLDER
The folder has events.{parquet,arrows,csv.gz} and ocsf.{parquet,ndjson.gz} of the same events. Needs the package pyarrow; with the
packages ocsf-json-schema and jsonschema each OCSF event is held against the published schema, too.
"""

import collections
import csv
import gzip
import json
import pathlib
import sys

import pyarrow.ipc
import pyarrow.parquet

folder = pathlib.Path(sys.argv[1])
parquet = pyarrow.parquet.read_table(folder / "events.parquet")
with pyarrow.ipc.open_stream(folder / "events.arrows") as stream:
    arrow = stream.read_all()
with gzip.open(folder / "events.csv.gz", "rt", newline="", encoding="utf-8") as file:
    rows = list(csv.DictReader(file))
ocsf = pyarrow.parquet.read_table(folder / "ocsf.parquet")
with gzip.open(folder / "ocsf.ndjson.gz", "rt", encoding="utf-8") as file:
    objects = [json.loads(line) for line in file]


def without_nulls(value):
    if isinstance(value, dict):
        return {key: without_nulls(member) for key, member in value.items() if member is not None}
    return [without_nulls(element) for element in value] if isinstance(value, list) else value


def as_line(row):
    """A row of nested columns as the line of JSON has it."""
    row = without_nulls(row)
    for holder, name in [(row, "time_dt"), (row["metadata"], "logged_time_dt")]:
        holder[name] = holder[name].strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    for holder, name in [(row, "unmapped"), *((resource, "data") for resource in row.get("resources", []))]:
        if name in holder:
            holder[name] = json.loads(holder[name])
    return row


def faults():
    """What is wrong with the objects, or None if the packages are not there."""
    try:
        import jsonschema
        from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema
    except ImportError:
        return None
    found = []
    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema("1.3.0"))
    classes = {3001: "account_change", 3002: "authentication", 6003: "api_activity"}
    validators = {
        uid: jsonschema.Draft202012Validator(schema.get_class_schema(name, ["datetime"]))
        for uid, name in classes.items()
    }
    for number, event in enumerate(objects):
        for error in validators[event["class_uid"]].iter_errors(event):
            found.append(f"{number}: {error.json_path}: {error.message}")
    return found


found = {
    "ids": parquet["id"].to_pylist(),
    "same": parquet.to_pylist() == arrow.to_pylist(),
    "days": sorted({day.isoformat() for day in parquet["day"].to_pylist()}),
    "csv": [row["id"] for row in rows],
    "csv_descriptions": collections.Counter(row["description"] for row in rows),
    "ocsf": [event["metadata"]["uid"] for event in objects],
    "ocsf_classes": collections.Counter(str(event["class_uid"]) for event in objects),
    "ocsf_same": [as_line(row) for row in ocsf.to_pylist()] == objects,
    "ocsf_faults": faults(),
}
json.dump(found, sys.stdout)
