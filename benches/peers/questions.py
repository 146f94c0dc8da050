"""The questions: what is asked, and how each engine's SQL says it.

In: the values that `workload.choose` picked from the data. Out: for each question one SQL text per value in the
dialect of an engine. The texts ask for the same rows; where an engine has a faster way to say it, it is said that way.
"""

from dataclasses import dataclass

ENGINES = ("auditlake", "duckdb", "datafusion", "clickhouse_parquet", "clickhouse")
NAMES = {
    "auditlake": "auditlake",
    "duckdb": "DuckDB, same Parquet",
    "datafusion": "DataFusion, same Parquet",
    "clickhouse_parquet": "ClickHouse, same Parquet",
    "clickhouse": "ClickHouse MergeTree, tuned",
}

# What somebody who looks into an incident wants to see of an event.
COLUMNS = "id, occurred_at, action, outcome, actor_id, target_id, ip_address, metadata"


@dataclass(frozen=True)
class Question:
    """One question. `values` names the list of values it is asked with; without one it is asked as it stands."""

    name: str
    title: str
    needle: bool
    values: str | None
    # Rows are compared by their ids; an aggregate row by row.
    by_id: bool = True


QUESTIONS = (
    Question("id", "one event by id", True, "ids"),
    Question("absent", "an id that does not exist", True, "absent_ids"),
    Question("request", "one event by request id", True, "request_ids"),
    Question("target", "all events of one target", True, "targets"),
    Question("ip", "all events from one IP", True, "ips"),
    Question("word", "one word in metadata", True, "words"),
    Question("actor", "newest 100 of a rare actor", True, "actors"),
    Question("actor_subquery", "the same, the actor by = (SELECT …)", False, "actors"),
    Question("actor_in", "the same, the actor by IN (SELECT …)", False, "actors"),
    Question("actor_join", "the same, the actor by a join", False, "actors"),
    Question("newest", "newest 100", False, None),
    Question("logins", "failed logins by IP, 30 days", False, None, by_id=False),
    Question("actions_month", "count by action, 30 days", False, None, by_id=False),
    Question("actors", "count, distinct actors by action, all", False, None, by_id=False),
    Question("days", "count by day, all", False, None, by_id=False),
    Question("outcomes", "count by action and outcome, all", False, None, by_id=False),
)
BY_NAME = {question.name: question for question in QUESTIONS}


def texts(engine, question, chosen):
    """The question's SQL, once per value."""
    values = [None] if question.values is None else chosen[question.values]
    return [_text(engine, question.name, value, chosen) for value in values]


def like_instead(sql):
    """The word question for a build that has no `has_words` yet."""
    head, _, tail = sql.partition("has_words(metadata, '")
    word = tail.split("'", 1)[0]
    return f"{head}metadata LIKE '%{word}%'"


def _text(engine, name, value, chosen):
    newest = "ORDER BY occurred_at DESC, seq DESC LIMIT 100"
    month = _month(engine, chosen)
    match name:
        case "id" | "absent":
            return f"SELECT * FROM events WHERE id = '{value}'"
        case "request":
            return f"SELECT * FROM events WHERE request_id = '{value}'"
        case "target":
            return f"SELECT {COLUMNS} FROM events WHERE {_has_target(engine, value)}"
        case "ip":
            return f"SELECT {COLUMNS} FROM events WHERE ip_address = '{value}'"
        case "word":
            return f"SELECT {COLUMNS} FROM events WHERE {_has_word(engine, value)}"
        case "actor":
            return f"SELECT {COLUMNS} FROM events WHERE actor_id = '{value}' {newest}"
        case "actor_subquery":
            return f"SELECT {COLUMNS} FROM events WHERE actor_id = ({_an_actor(value)}) {newest}"
        case "actor_in":
            return f"SELECT {COLUMNS} FROM events WHERE actor_id IN ({_an_actor(value)}) {newest}"
        case "actor_join":
            some = f"SELECT actor_id AS an_actor FROM ({_an_actor(value)}) AS found"
            return f"SELECT {COLUMNS} FROM events JOIN ({some}) AS picked ON actor_id = an_actor {newest}"
        case "newest":
            return f"SELECT {COLUMNS} FROM events {newest}"
        case "logins":
            return (
                "SELECT ip_address, count(*) AS events FROM events"
                f" WHERE action = 'user.login' AND outcome = 'failure' AND {month}"
                " GROUP BY ip_address ORDER BY events DESC, ip_address LIMIT 20"
            )
        case "actions_month":
            return (
                f"SELECT action, count(*) AS events FROM events WHERE {month} GROUP BY action ORDER BY action"
            )
        case "actors":
            return (
                "SELECT action, count(*) AS events, count(DISTINCT actor_id) AS actors"
                " FROM events GROUP BY action ORDER BY action"
            )
        case "days":
            return "SELECT day, count(*) AS events FROM events GROUP BY day ORDER BY day"
        case "outcomes":
            return (
                "SELECT action, outcome, count(*) AS events FROM events"
                " GROUP BY action, outcome ORDER BY action, outcome"
            )
    raise ValueError(name)


def _an_actor(value):
    return f"SELECT actor_id FROM events WHERE actor_id = '{value}' LIMIT 1"


def _has_target(engine, value):
    function = {"auditlake": "array_has", "datafusion": "array_has", "duckdb": "list_contains"}.get(
        engine, "has"
    )
    return f"{function}(target_ids, '{value}')"


def _has_word(engine, word):
    # The chosen words stand in no longer word, so that looking for the text finds the same events.
    match engine:
        case "auditlake":
            return f"has_words(metadata, '{word}')"
        case "clickhouse":
            return f"hasToken(metadata, '{word}')"
    return f"metadata LIKE '%{word}%'"


def _month(engine, chosen):
    start, end = chosen["month"]
    in_time = f"occurred_at >= TIMESTAMP '{start} 00:00:00' AND occurred_at < TIMESTAMP '{end} 00:00:00'"
    match engine:
        case "clickhouse":
            return f"occurred_at >= toDateTime64('{start}', 6, 'UTC') AND occurred_at < toDateTime64('{end}', 6, 'UTC')"
        case "clickhouse_parquet":
            return f"day >= toDate('{start}') AND day < toDate('{end}')"
        case "duckdb" | "datafusion":
            # Says which folders to look into, as somebody would who knows the files.
            return f"{in_time} AND day >= DATE '{start}' AND day < DATE '{end}'"
    return in_time
