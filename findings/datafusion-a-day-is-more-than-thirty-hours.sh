#!/usr/bin/env bash
# datafusion 55.0.0 (PyPI), seen on 2026-12-01.
# Intervals are compared by their months, then their days, then their nanoseconds: one day is more than thirty hours, and is not
# equal to twenty-four. PostgreSQL takes a month for thirty days and a day for twenty-four hours.
# Seen: greatest takes one day of one day and thirty hours; ORDER BY has thirty hours, a day, 31 days, a month.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/python"
"$folder/python/bin/pip" install --quiet --disable-pip-version-check 'datafusion==55.0.0'
"$folder/python/bin/python" - <<'PYTHON'
from datafusion import SessionContext

context = SessionContext()
largest = context.sql("SELECT greatest(interval '1 day', interval '30 hours') AS a").to_pydict()["a"][0]
rows = "(VALUES ('day', interval '1 day'), ('hours', interval '30 hours'), ('month', interval '1 month'), ('days', interval '31 days'))"
order = context.sql(f"SELECT n FROM {rows} v (n, i) ORDER BY i").to_pydict()["n"]
print(largest, order)
assert (largest.days, largest.nanoseconds) == (1, 0), "the behaviour has changed"
assert order.index("hours") < order.index("day") < order.index("days") < order.index("month"), "the behaviour has changed"
PYTHON
