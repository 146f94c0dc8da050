"""The workload: made, taken in, compacted, laid out for the peers, and the values to ask for.

One enterprise tenant with 99 % of the events and 50 small tenants, over three years, by `auditlake generate`. All
questions are asked of the enterprise; the small tenants are there because a real store has them.
"""

import datetime
import json
import os
import re
import shutil

import deltalake
import duckdb
import pyarrow

import auditlake
import processes

DAYS = 1095
SMALL_TENANTS = 50
ENTERPRISE_PERCENT = 99
# Far enough back that three years of events lie before today on any clock.
START = datetime.date(2022, 1, 1)
VALUES = 5
# How many events the looked-for targets, addresses, words and actors have.
TARGET_EVENTS = (20, 200)
IP_EVENTS = (50, 300)
WORD_EVENTS = (5, 50)
ACTOR_EVENTS = (100, 300)


def prepare(binary, folder, events, tell):
    """Fills `folder`: the store and the live files of the enterprise. Returns what was measured on the way."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    source, store = folder / "events.ndjson", folder / "lake"
    # So many that the enterprise has the number asked for.
    total = -(-events * 100 // ENTERPRISE_PERCENT)
    tell(f"generating {total:,} events")
    generate = ["--events", total, "--tenants", SMALL_TENANTS + 1, "--enterprise", ENTERPRISE_PERCENT]
    generate += ["--days", DAYS, "--start", START, "--output", source]
    generate_seconds, _, _ = auditlake.command(binary, "generate", *generate)
    tenant = json.loads(_first_line_of_largest(source))["tenant_id"]
    tell("taking them in")
    ingest_seconds, ingest_kib, line = auditlake.command(binary, "import", "--store", store, source)
    tell(line.strip())
    json_bytes = source.stat().st_size
    source.unlink()
    tell("compacting")
    compact_seconds, compact_kib, line = auditlake.command(binary, "compact", "--store", store)
    tell(line.strip())
    table = _table(store, tenant)
    measured = {
        "tenant": tenant,
        "events_total": total,
        "json_bytes": json_bytes,
        "generate_seconds": generate_seconds,
        "ingest_seconds": ingest_seconds,
        "ingest_peak_kib": ingest_kib,
        "compact_seconds": compact_seconds,
        "compact_peak_kib": compact_kib,
    }
    measured |= _lay_out(table, folder / "live")
    index_files, index_bytes = processes.folder_bytes(store / "index" / f"tenant={_encoded(tenant)}")
    log_files, log_bytes = processes.folder_bytes(table / "_delta_log")
    small = [path for path in (store / "events").iterdir() if path != table]
    small_files = sum(sum(1 for _ in path.glob("day=*/*.parquet")) for path in small)
    return measured | {
        "index_files": index_files,
        "index_bytes": index_bytes,
        "index_in_use_bytes": index_in_use(line),
        "log_files": log_files,
        "log_bytes": log_bytes,
        "small_tenants": len(small),
        "small_tenant_files": small_files,
    }


def index_in_use(said):
    """Bytes of all tenants' segments that are asked, as `auditlake compact` says: `index: 52 segments, 189.3 MB, …`.

    The others were merged and wait for the sweep, as superseded Parquet files do.
    """
    number, unit = re.search(r"index: .*? segments?, ([0-9.]+) (kB|MB|GB)", said).groups()
    return round(float(number) * {"kB": 1e3, "MB": 1e6, "GB": 1e9}[unit])


def _first_line_of_largest(source):
    """An event of the enterprise: of the tenant that most of the first thousand events belong to."""
    with source.open() as lines:
        first = [line for line, _ in zip(lines, range(1000))]
    tenants = [json.loads(line)["tenant_id"] for line in first]
    largest = max(set(tenants), key=tenants.count)
    return first[tenants.index(largest)]


def _table(store, tenant):
    """The folder of a tenant's table; that of a store made by an older build begins with `tenant=`."""
    folders = [store / "events" / (prefix + _encoded(tenant)) for prefix in ("", "tenant=")]
    return next(folder for folder in folders if folder.exists())


def _encoded(tenant):
    """A tenant's name as the store's folders spell it."""
    return re.sub("[A-Z]", lambda letter: "_" + letter[0].lower(), tenant.replace("_", "__"))


def _lay_out(table, live):
    """Hard links to the files that the Delta log names: what was superseded stays until the sweep, and must not be
    read by those who go by the folder."""
    files = rows = size = 0
    actions = pyarrow.table(deltalake.DeltaTable(str(table)).get_add_actions(flatten=True))
    for name, count in zip(actions["path"].to_pylist(), actions["num_records"].to_pylist()):
        path, to = table / name, live / name
        to.parent.mkdir(parents=True, exist_ok=True)
        os.link(path, to)
        files, rows, size = files + 1, rows + count, size + path.stat().st_size
    return {"events": rows, "parquet_files": files, "parquet_bytes": size}


def choose(folder):
    """Values to ask for, picked from the data by hash: the same every time for the same data."""
    database = duckdb.connect()
    for statement in (
        "SET threads = 2",
        "SET TimeZone = 'UTC'",
        f"CREATE VIEW events AS FROM read_parquet('{folder}/live/*/*.parquet', hive_partitioning = true)",
    ):
        database.execute(statement)

    def column(sql):
        return [row[0] for row in database.execute(sql).fetchall()]

    ids = column(f"SELECT id FROM events ORDER BY hash(id) LIMIT {VALUES}")
    last = column("SELECT max(day) FROM events")[0]
    start, end = last - datetime.timedelta(days=29), last + datetime.timedelta(days=1)
    chosen = {
        "ids": ids,
        # Of the same times as events that exist, so that no range of ids or days tells.
        "absent_ids": [value[:24] + value[:23:-1] for value in ids],
        "request_ids": column(f"SELECT request_id FROM events ORDER BY hash(request_id) LIMIT {VALUES}"),
        "targets": _counted(column, "target_id", "events WHERE target_id IS NOT NULL", *TARGET_EVENTS),
        "ips": _counted(column, "ip_address", "events", *IP_EVENTS),
        "actors": _counted(column, "actor_id", "events WHERE actor_type = 'user'", *ACTOR_EVENTS),
        "words": _counted(column, "word", WORDS, *WORD_EVENTS),
        "month": [str(start), str(end)],
    }
    cardinality = database.execute(
        "SELECT count(DISTINCT actor_id), count(DISTINCT ip_address), count(DISTINCT target_id),"
        " approx_count_distinct(session_id) FROM events"
    ).fetchone()
    words = column(f"SELECT count(DISTINCT word) FROM {WORDS}")[0]
    names = ("actors", "addresses", "first targets", "sessions, about", "words of searches")
    chosen["cardinality"] = dict(zip(names, (*cardinality, words)))
    return chosen


# The last word of a search, if it cannot stand inside another: hexadecimal text has no letter past f.
WORDS = (
    "(SELECT string_split(metadata->>'query', ' ')[-1] AS word FROM events WHERE action = 'search.query')"
    " WHERE regexp_matches(word, '[g-z]')"
)


def _counted(column, name, source, least, most):
    """Values that occur `least` to `most` times; at a small scale the closest there are."""
    middle = (least * most) ** 0.5
    outside = f"count(*) NOT BETWEEN {least} AND {most}"
    return column(
        f"SELECT {name} FROM {source} GROUP BY {name}"
        f" ORDER BY {outside}, CASE WHEN {outside} THEN abs(ln(count(*) / {middle})) ELSE 0 END, hash({name})"
        f" LIMIT {VALUES}"
    )
