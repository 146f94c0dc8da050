#!/usr/bin/env bash
# datafusion 55.0.0 (PyPI), seen on 2026-11-30.
# `x NOT IN (SELECT y …)` is unknown where x is NULL, so a row with a NULL does not pass it, and does not pass `x NOT IN (…) OR false`
# either. As a condition of its own it is answered so. Beside OR the same subquery becomes a mark join, which has no unknown: rows
# with a NULL pass.
# Seen: [1] without, [1, None] with `OR p`, where p is false in all rows.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/python"
"$folder/python/bin/pip" install --quiet --disable-pip-version-check 'datafusion==55.0.0'
"$folder/python/bin/python" - <<'PYTHON'
from datafusion import SessionContext

context = SessionContext()
context.sql("CREATE TABLE a (x INT, p BOOLEAN) AS VALUES (1, false), (2, false), (CAST(NULL AS INT), false)")
context.sql("CREATE TABLE b (y INT) AS VALUES (2), (3)")
rows = lambda condition: [row["x"] for row in context.sql(f"SELECT x FROM a WHERE {condition}").to_pylist()]
alone, beside = rows("x NOT IN (SELECT y FROM b)"), rows("x NOT IN (SELECT y FROM b) OR p")
print(alone, beside)
assert alone == [1] and sorted(beside, key=str) == [1, None], "the behaviour has changed"
PYTHON
