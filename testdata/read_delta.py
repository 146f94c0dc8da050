"""Reads a Delta table as anyone would who never heard of auditlake, and prints what it finds as one JSON object.

Usage: read_delta.py TABLE_URI STORAGE_OPTIONS_JSON
Needs the packages deltalake and pyarrow.
"""

import collections
import json
import os
import sys

import pyarrow
from deltalake import DeltaTable

table = DeltaTable(sys.argv[1], storage_options=json.loads(sys.argv[2]))
events = table.to_pyarrow_table(columns=["id", "seq", "day", "action"])
days = sorted({day.isoformat() for day in events["day"].to_pylist()})
last = max(events["seq"].to_pylist())
# What the log says about each file, without opening it: this is what readers skip files by.
log = pyarrow.table(table.get_add_actions(flatten=True))


def of_day(day):
    """What a reader gets that asks for one partition only."""
    return table.to_pyarrow_table(partitions=[("day", "=", day)], columns=["id"]).num_rows


def of_number(number):
    """What a reader gets that asks for a value, and skips files by their statistics."""
    return table.to_pyarrow_table(filters=[("seq", "=", number)], columns=["id"]).num_rows


found = {
    "partition_columns": table.metadata().partition_columns,
    "files": len(table.file_uris()),
    "events": len(events),
    "events_by_log": sum(log["num_records"].to_pylist()),
    "ids": sorted(events["id"].to_pylist()),
    "days": {day: of_day(day) for day in days},
    "actions": collections.Counter(events["action"].to_pylist()),
    "first": min(log["min.seq"].to_pylist()),
    "last": max(log["max.seq"].to_pylist()),
    "with_last_number": of_number(last),
}
json.dump(found, sys.stdout)
sys.stdout.flush()
# Threads of the packages may still run, with which an orderly end of the interpreter now and then aborts.
os._exit(0)
