#!/usr/bin/env bash
# datafusion 55.0.0 (PyPI), seen on 2026-11-30.
# The difference of two timestamps is compared with an interval field by field: months, then days, then nanoseconds. A difference has
# nanoseconds only, so that it is less than any interval of a day, however long it is. PostgreSQL compares lengths.
# Seen: two days > '1 day' is false, two days > '23 hours' is true.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/python"
"$folder/python/bin/pip" install --quiet --disable-pip-version-check 'datafusion==55.0.0'
"$folder/python/bin/python" - <<'PYTHON'
from datafusion import SessionContext

two_days = "(TIMESTAMP '2026-01-03' - TIMESTAMP '2026-01-01')"
query = f"SELECT {two_days} > INTERVAL '1 day' AS day, {two_days} > INTERVAL '23 hours' AS hours"
row = SessionContext().sql(query).to_pylist()[0]
print(row)
assert row == {"day": False, "hours": True}, "the behaviour has changed"
PYTHON
