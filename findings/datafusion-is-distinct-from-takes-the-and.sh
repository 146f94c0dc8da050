#!/usr/bin/env bash
# datafusion 55.0.0 (PyPI), seen on 2026-12-01.
# IS [NOT] DISTINCT FROM binds closer than AND and OR in SQL. Here what follows belongs to its right side: of
# `a IS DISTINCT FROM b AND c` the engine makes `a IS DISTINCT FROM (b AND c)`, as the parser (sqlparser 0.62) reads it. Between
# truth values the answer is another, without a word; with other types the statement is an error about types.
# Seen: `true IS DISTINCT FROM true AND false` is true (false with parentheses); `WHERE country IS DISTINCT FROM 'DE' AND n > 1` is refused.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/python"
"$folder/python/bin/pip" install --quiet --disable-pip-version-check 'datafusion==55.0.0'
"$folder/python/bin/python" - <<'PYTHON'
from datafusion import SessionContext

context = SessionContext()
value = lambda text: context.sql(f"SELECT {text} AS a").to_pydict()["a"][0]
plain, meant = value("true IS DISTINCT FROM true AND false"), value("(true IS DISTINCT FROM true) AND false")
context.sql("CREATE TABLE t (country TEXT, n INT) AS VALUES ('DE', 2), ('FR', 3)")
try:
    context.sql("SELECT n FROM t WHERE country IS DISTINCT FROM 'DE' AND n > 1").collect()
    refused = False
except Exception as error:
    print(error)
    refused = "AND" in str(error)
print(plain, meant, refused)
assert plain is True and meant is False and refused, "the behaviour has changed"
PYTHON
