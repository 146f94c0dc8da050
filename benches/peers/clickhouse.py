"""ClickHouse, as chDB runs it inside a process: over the live Parquet files, and over a MergeTree table of its own.

The table is tuned as somebody would who knows the questions: sorted by time, partitioned by month, the codecs that fit,
ZSTD at the levels of our Parquet files, LowCardinality for what repeats, text without NULLs, a Bloom filter on
everything that is looked for by its value, and a text index with the words of the metadata. OPTIMIZE FINAL merges each
month into one part.
"""

import json

from chdb.session import Session

import processes

LOW = "LowCardinality(String) CODEC(ZSTD(3))"
GROWING = "CODEC(Delta, ZSTD(3))"
TEXT = "String CODEC(ZSTD(3))"
# As our files have the text that hardly ever comes twice.
UNIQUE = "String CODEC(ZSTD(9))"

COLUMNS = {
    "seq": f"Int64 {GROWING}",
    "id": TEXT,
    "tenant_id": LOW,
    "occurred_at": f"DateTime64(6, 'UTC') {GROWING}",
    "received_at": f"DateTime64(6, 'UTC') {GROWING}",
    "action": LOW,
    "outcome": LOW,
    "outcome_reason": LOW,
    "actor_type": LOW,
    "actor_id": TEXT,
    "actor_name": LOW,
    "actor_email": LOW,
    "actor_metadata": UNIQUE,
    "on_behalf_of_type": LOW,
    "on_behalf_of_id": LOW,
    "on_behalf_of_name": LOW,
    "credential_type": LOW,
    "credential_id": LOW,
    "workspace_id": LOW,
    "workspace_name": LOW,
    "target_type": LOW,
    "target_id": UNIQUE,
    "target_name": UNIQUE,
    "target_ids": "Array(String) CODEC(ZSTD(9))",
    "targets": UNIQUE,
    "ip_address": TEXT,
    "user_agent": LOW,
    "session_id": TEXT,
    "request_id": TEXT,
    "country": LOW,
    "correlation_id": TEXT,
    "description": TEXT,
    "changes": UNIQUE,
    "metadata": UNIQUE,
    "version": "Int32",
    "day": "Date",
}
BLOOM = ("id", "actor_id", "target_ids", "ip_address", "session_id", "request_id", "correlation_id")
FALSE_POSITIVES = 0.001


def schema():
    """The statement that makes the table."""
    columns = [f"{name} {kind}" for name, kind in COLUMNS.items()]
    indexes = [
        f"INDEX bloom_{name} {name} TYPE bloom_filter({FALSE_POSITIVES}) GRANULARITY 1" for name in BLOOM
    ]
    # Ids begin with their time: 60 KB in ten million rows, and never a loss.
    indexes.append("INDEX range_id id TYPE minmax GRANULARITY 1")
    indexes.append("INDEX words_metadata metadata TYPE text(tokenizer = 'splitByNonAlpha')")
    return (
        f"CREATE TABLE events ({', '.join(columns + indexes)}) ENGINE = MergeTree"
        " PARTITION BY toYYYYMM(occurred_at) ORDER BY (occurred_at, seq)"
    )


def load(config):
    """Fills the table from the live Parquet files; returns its size and parts."""
    session = _session(config["clickhouse"])
    session.query(schema())
    names = ", ".join(COLUMNS)
    values = ", ".join(_value(name, kind) for name, kind in COLUMNS.items())
    session.query(
        f"INSERT INTO events ({names}) SELECT {values} FROM {_files(config)}"
        " SETTINGS max_insert_threads = 2, max_partitions_per_insert_block = 1000"
    )
    session.query("OPTIMIZE TABLE events FINAL SETTINGS mutations_sync = 2")
    parts = _dictionaries(
        session.query(
            "SELECT count() AS parts, sum(rows) AS rows, sum(bytes_on_disk) AS bytes,"
            " sum(secondary_indices_compressed_bytes) AS index_bytes"
            " FROM system.parts WHERE active AND table = 'events'",
            "JSONEachRow",
        )
    )[0]
    session.close()
    return parts


def _value(name, kind):
    if kind.startswith(("Int", "DateTime")):
        return f"ifNull({name}, 0)" if kind.startswith("Int") else name
    if name == "target_ids":
        return "arrayMap(target -> ifNull(target, ''), target_ids)"
    return name if name == "day" else f"ifNull({name}, '')"


def _session(folder):
    session = Session(folder) if folder else Session()
    session.query("SET max_threads = 2")
    session.query("SET session_timezone = 'UTC'")
    return session


def _files(config):
    return f"file('{config['live']}/*/*.parquet', Parquet)"


def _dictionaries(answer):
    return [json.loads(line) for line in answer.bytes().splitlines()]


class MergeTree:
    """A session on the table that `load` filled."""

    def __init__(self, config):
        self.statistics = self.note = None
        self.session = _session(config["clickhouse"])

    def ask(self, sql):
        """The answer's bytes, one JSON object a row."""
        return self.session.query(sql, "JSONEachRow")

    def rows(self, answer):
        """The answer as dictionaries."""
        return _dictionaries(answer)

    def peak_kib(self):
        """Of this process."""
        return processes.peak_kib("self")

    def close(self):
        """Lets go of the folder."""
        self.session.close()


class OnParquet(MergeTree):
    """A session with a view over the files."""

    def __init__(self, config):
        super().__init__({"clickhouse": None})
        self.session.query(
            f"CREATE VIEW events AS SELECT * FROM {_files(config)} SETTINGS use_hive_partitioning = 1"
        )
