#!/usr/bin/env bash
# datafusion 55.0.0 (PyPI), seen on 2026-12-01.
# regexp_match gives a list with a value for each group of the pattern. A group that takes no part in the match is left out, where
# PostgreSQL has NULL, so that what follows is one position too early: [2] of a match of the second group is the third.
# Seen: `(?:(PUT)|(GET)) (.*)` over 'GET /a' gives ['GET', '/a'], not [None, 'GET', '/a'].
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/python"
"$folder/python/bin/pip" install --quiet --disable-pip-version-check 'datafusion==55.0.0'
"$folder/python/bin/python" - <<'PYTHON'
from datafusion import SessionContext

match = SessionContext().sql("SELECT regexp_match('GET /a', '(?:(PUT)|(GET)) (.*)') AS a").to_pydict()["a"][0]
print(match)
assert match == ["GET", "/a"], "the behaviour has changed"
PYTHON
