#!/usr/bin/env bash
# deltalake 1.6.6 (PyPI), seen on 2026-11-30.
# The Delta protocol lets the statistics of a timestamp be cut to milliseconds, and says that a reader has to allow for it. One expects
# a writer to cut a minimum and to round a maximum up. This one cuts both: the maximum in the log is below the largest value in the
# file, by up to a millisecond. A reader that takes `maxValues` as it stands skips the file for `at > '…02.6542Z'`, and answers
# `max(at)` too early.
# Seen: maximum 2026-01-01T00:00:02.654Z for a largest value of …02.654321Z, after a write and after a delete that rewrites the file.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/python"
"$folder/python/bin/pip" install --quiet --disable-pip-version-check 'deltalake==1.6.6' 'pyarrow==25.0.1'
"$folder/python/bin/python" - "$folder/table" <<'PYTHON'
import datetime, glob, json, sys
import pyarrow
from deltalake import DeltaTable, write_deltalake

path = sys.argv[1]
at = [datetime.datetime(2026, 1, 1, 0, 0, second, micros) for second, micros in [(0, 123456), (1, 999999), (2, 654321)]]
write_deltalake(path, pyarrow.table({"id": [1, 2, 3], "at": pyarrow.array(at, pyarrow.timestamp("us", "UTC"))}))
DeltaTable(path).delete("id = 1")
largest = []
for entry in sorted(glob.glob(path + "/_delta_log/*.json")):
    for line in open(entry):
        action = json.loads(line)
        if "add" in action:
            largest.append(json.loads(action["add"]["stats"])["maxValues"]["at"])
print(largest)
assert largest == ["2026-01-01T00:00:02.654Z"] * 2, "the behaviour has changed"
PYTHON
