#!/usr/bin/env bash
# datafusion 55.0.0 (PyPI), seen on 2026-11-30.
# `v = ANY (SELECT v FROM s WHERE …)` means `v IN (SELECT v FROM s WHERE …)`. Where the subquery reads the same table as the query
# around it, the two differ: ANY compares the inner column with itself, so that all rows pass. With another table both are right.
# Seen: ANY gives a, b and c; IN gives b.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/python"
"$folder/python/bin/pip" install --quiet --disable-pip-version-check 'datafusion==55.0.0'
"$folder/python/bin/python" - <<'PYTHON'
from datafusion import SessionContext

context = SessionContext()
context.sql("CREATE TABLE s (id TEXT, v INT) AS VALUES ('a', 1), ('b', 2), ('c', 3)")
subquery = "(SELECT v FROM s WHERE id = 'b')"
rows = lambda condition: sorted(row["id"] for row in context.sql(f"SELECT id FROM s WHERE {condition}").to_pylist())
any_of, in_list = rows(f"v = ANY {subquery}"), rows(f"v IN {subquery}")
print(any_of, in_list)
assert any_of == ["a", "b", "c"] and in_list == ["b"], "the behaviour has changed"
PYTHON
