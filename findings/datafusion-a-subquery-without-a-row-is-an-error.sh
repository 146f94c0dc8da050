#!/usr/bin/env bash
# datafusion 55.0.0 (PyPI), seen on 2026-12-01.
# A scalar subquery without a row is NULL in SQL. Where its column is NOT NULL, the engine plans a column that may not be NULL, and
# fails when it is: whether the statement is an error depends on the rows.
# Seen: SELECT (SELECT id FROM t WHERE false) over a NOT NULL id: "Column 'a' is declared as non-nullable but contains null values".
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/python"
"$folder/python/bin/pip" install --quiet --disable-pip-version-check 'datafusion==55.0.0'
"$folder/python/bin/python" - <<'PYTHON'
import pyarrow
from datafusion import SessionContext

context = SessionContext()
schema = pyarrow.schema([pyarrow.field("id", pyarrow.string(), nullable=False)])
context.register_record_batches("t", [[pyarrow.record_batch([pyarrow.array(["a"])], schema=schema)]])
try:
    seen = str(context.sql("SELECT (SELECT id FROM t WHERE false) AS a").to_pydict())
except Exception as error:
    seen = str(error)
print(seen)
assert "non-nullable" in seen, "the behaviour has changed"
PYTHON
