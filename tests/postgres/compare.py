"""Compares this program's answers with PostgreSQL's, statement by statement; see tests/postgres/run.

statements.txt: `## section`, then one statement a line after its verdict:
  same       both answer the same, or both refuse
  refused    PostgreSQL answers; this program refuses, in one line that has the text after `=>` in it
  different  both answer, otherwise; after `=>` stands how
  extra      this program answers what PostgreSQL refuses
"""

import argparse
import concurrent.futures
import datetime
import json
import os
import pathlib
import re
import subprocess
import sys
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).parent
LIST = HERE / "statements.txt"
PAGE = HERE.parent.parent / "docs" / "sql-dialect.md"
START, END = "<!-- statements: written by tests/postgres/run --write -->", "<!-- end of statements -->"
LINE = re.compile(r"^(same|refused|different|extra|\?)\s+(.*?)(?:\s+=> (.*))?$")
TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?$")
CLOCK = re.compile(r"^\d\d:\d\d:\d\d(\.\d+)?$")
SETUP = """
CREATE TABLE raw (doc jsonb);
\\copy raw FROM '{file}' WITH (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')
CREATE TABLE events AS SELECT doc->>'id' AS id, doc->>'action' AS action, (doc->>'occurred_at')::timestamptz AS occurred_at,
  ((doc->>'occurred_at')::timestamptz AT TIME ZONE 'UTC')::date AS day, doc->'outcome'->>'result' AS outcome,
  doc->'outcome'->>'reason' AS outcome_reason, doc->'actor'->>'id' AS actor_id, doc->'actor'->>'type' AS actor_type,
  doc->'actor'->>'name' AS actor_name, doc->'context'->>'ip_address' AS ip_address, doc->'context'->>'country' AS country,
  (doc->>'version')::int AS version, doc->'metadata' AS metadata, doc->>'description' AS description,
  ARRAY(SELECT t->>'id' FROM jsonb_array_elements(coalesce(doc->'targets', '[]')) t) AS target_ids FROM raw;
"""


def postgres(psql, socket, statements):
    """Each statement's rows, or the first line of its error."""
    command = [psql, "-h", socket, "-U", "postgres", "-d", "postgres", "-X", "-q", "-A", "-t"]
    setup = SETUP.format(file=HERE / "events.ndjson")
    made = subprocess.run(command + ["-v", "ON_ERROR_STOP=1"], input=setup, text=True, capture_output=True)
    if made.returncode:
        sys.exit("PostgreSQL: " + made.stderr)

    def ask(statement):
        # Member by member in the columns' order, whatever their names.
        asked = f"SELECT row_to_json(the_row) FROM ({statement}\n) the_row"
        done = subprocess.run(command + ["-c", "SET statement_timeout = '20s'", "-c", asked], text=True, capture_output=True)
        if done.returncode:
            error = [line for line in done.stderr.splitlines() if "ERROR:" in line]
            return ("error", error[0].split("ERROR:", 1)[-1].strip() if error else done.stderr)
        rows = [json.loads(line, object_pairs_hook=lambda pairs: pairs) for line in done.stdout.splitlines()]
        return ("rows", [plain([value for _, value in row]) for row in rows])

    with concurrent.futures.ThreadPoolExecutor(4) as several:
        return list(several.map(ask, statements))


def plain(value):
    """Pairs back to objects."""
    if isinstance(value, list):
        if value and all(isinstance(item, tuple) for item in value):
            return {key: plain(inner) for key, inner in value}
        return [plain(item) for item in value]
    return value


def auditlake(server, statement):
    body = json.dumps({"sql": statement, "tenant_id": "acme"}).encode()
    headers = {"authorization": "Bearer " + os.environ["AUDITLAKE_ROOT_KEY"], "content-type": "application/json"}
    request = urllib.request.Request(server + "/v1/sql?format=ndjson", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read().decode()
    except urllib.error.HTTPError as error:
        problem = json.loads(error.read().decode())
        if error.code >= 500:
            return ("broken", problem.get("detail", ""))
        return ("error", problem.get("detail", ""))
    rows = [json.loads(line, object_pairs_hook=lambda pairs: pairs) for line in text.splitlines() if line]
    return ("rows", [plain([value for _, value in row]) for row in rows])


def same(a, b):
    """Whether two values are the same; numbers and times whatever their form, JSON text as what it says."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return a == b or abs(a - b) <= 1e-9 * max(abs(a), abs(b))
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, str) and isinstance(b, str) and TIME.match(a) and TIME.match(b):
        return moment(a) == moment(b)
    if isinstance(a, str) and isinstance(b, str) and CLOCK.match(a) and CLOCK.match(b):
        return moment("2000-01-01T" + a) == moment("2000-01-01T" + b)
    if isinstance(a, str) and isinstance(b, str) and b == json.dumps(a):
        return True
    if isinstance(a, (dict, list)) and isinstance(b, str) or isinstance(b, str) and isinstance(a, (int, float)):
        try:
            return same(a, json.loads(b))
        except ValueError:
            return False
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return a == b


def moment(text):
    if text.endswith("Z"):
        text = text[:-1] + "+00:00"
    main, _, rest = text.partition(".")
    if rest:
        digits = re.match(r"\d+", rest).group()
        text = f"{main}.{digits.ljust(6, '0')[:6]}{rest[len(digits):]}"
    return datetime.datetime.fromisoformat(text)


def equal(theirs, ours, statement):
    if len(theirs) != len(ours) or not all(map(lambda a, b: len(a) == len(b), theirs, ours)):
        return False
    if " order by " not in statement.lower():
        key = lambda row: json.dumps(row, sort_keys=True, default=str)
        if all(any(same(a, b) for b in ours) for a in theirs) and all(any(same(a, b) for a in theirs) for b in ours):
            return True
        theirs, ours = sorted(theirs, key=key), sorted(ours, key=key)
    return all(map(same, theirs, ours))


def verdict(theirs, ours, statement):
    if ours[0] == "error":
        return "same" if theirs[0] == "error" else "refused"
    if theirs[0] == "error":
        return "extra"
    return "same" if equal(theirs[1], ours[1], statement) else "different"


def page(entries):
    shown = {"same": "as PostgreSQL", "refused": "refused", "different": "different", "extra": "here only"}
    out = []
    for section, lines in entries:
        out += ["", f"### {section}", "", "| statement | here |", "|---|---|"]
        for kind, statement, note in lines:
            cell = statement.replace("|", "\\|").replace("`", "'")
            note = f": {note}".replace("|", "\\|") if note else ""
            out.append(f"| `{cell}` | {shown[kind]}{note} |")
    return "\n".join(out).strip()


def main():
    parser = argparse.ArgumentParser()
    for name in ("psql", "socket", "server"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args()

    entries, head = [], []
    for line in LIST.read_text().splitlines():
        if line.startswith("## "):
            entries.append((line[3:], []))
        elif not entries:
            head.append(line)
        elif line.strip():
            found = LINE.match(line)
            if not found:
                sys.exit(f"statements.txt: cannot be read: {line}")
            entries[-1][1].append(found.groups())
    flat = [entry for _, lines in entries for entry in lines]
    theirs = postgres(options.psql, options.socket, [statement for _, statement, _ in flat])
    wrong, written = 0, iter([])
    results = []
    for (kind, statement, note), their in zip(flat, theirs):
        our = auditlake(options.server, statement)
        seen = verdict(their, our, statement)
        problems = []
        if our[0] == "broken":
            problems.append(f"a defect: {our[1]}")
        if our[0] == "error" and ("\n" in our[1] or len(our[1]) > 400):
            problems.append(f"an error that is not one short line: {our[1][:600]}")
        if seen != kind:
            problems.append(f"is {seen}, not {kind}")
        if seen == "refused" and note and note not in our[1]:
            problems.append(f"refuses otherwise: {our[1]}")
        if seen == "different" and not note:
            problems.append("differs without a word how")
        if problems:
            wrong += 1
            print(f"{statement}\n    {'; '.join(problems)}\n    PostgreSQL: {their[1]}\n    here:       {our[1]}")
        if options.show and not problems:
            print(f"{seen:10}{statement}\n    PostgreSQL: {their[1]}\n    here:       {our[1]}")
        if seen == "refused" and (not note or note not in our[1]):
            note = our[1].removeprefix("sql refused: ").removeprefix("query: ")
        results.append((seen, statement, note if seen != "same" else None))
    positions = iter(results)
    entries = [(section, [next(positions) for _ in lines]) for section, lines in entries]
    counts = {kind: sum(seen == kind for seen, _, _ in results) for kind in ("same", "refused", "different", "extra")}
    print(", ".join(f"{count} {kind}" for kind, count in counts.items()))
    if options.write:
        text = "\n".join(head)
        for section, lines in entries:
            text += f"\n## {section}\n"
            text += "".join(f"{kind:10}{statement}{f'  => {note}' if note else ''}\n" for kind, statement, note in lines)
        LIST.write_text(text)
    before, _, rest = PAGE.read_text().partition(START)
    _, _, after = rest.partition(END)
    made = f"{before}{START}\n\n{page(entries)}\n\n{END}{after}"
    if options.write:
        PAGE.write_text(made)
    elif made != PAGE.read_text():
        wrong += 1
        print("docs/sql-dialect.md does not show the list; run tests/postgres/run --write")
    sys.exit(1 if wrong else 0)


main()
