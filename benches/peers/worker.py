"""One engine in a process of its own: opens it, asks one question, and tells times, answers and peak memory.

In: a JSON object on stdin. Out: a JSON object on the last line of stdout. The first question after the start is
`cold_ms`; then one round over all values goes unmeasured, and the rounds after it are `hot_ms`.
"""

import hashlib
import json
import sys
import time


def main():
    """Reads the job, does it, prints the result."""
    job = json.load(sys.stdin)
    if job.get("load"):
        import clickhouse

        started = time.monotonic()
        result = clickhouse.load(job)
        result["seconds"] = time.monotonic() - started
    else:
        result = measure(job)
    print(json.dumps(result))


def measure(job):
    """Times and answers of one question."""
    started = time.monotonic()
    engine = open_engine(job)
    open_ms = (time.monotonic() - started) * 1e3
    texts = job["texts"]
    cold_ms, answer = timed(engine, texts[0])
    answers = [digest(engine.rows(answer), job["by_id"])]
    statistics = engine.statistics
    for text in texts[1:]:
        _, answer = timed(engine, text)
        answers.append(digest(engine.rows(answer), job["by_id"]))
    hot_ms = []
    started = time.monotonic()
    for number in range(job["rounds"]):
        if number >= job["rounds_min"] and time.monotonic() - started > job["seconds_max"]:
            break
        hot_ms.extend(timed(engine, text)[0] for text in texts)
    peak_kib = engine.peak_kib()
    note = engine.note
    engine.close()
    return {
        "open_ms": open_ms,
        "cold_ms": cold_ms,
        "hot_ms": hot_ms,
        "answers": answers,
        "peak_kib": peak_kib,
        "note": note,
        "statistics": statistics,
    }


def open_engine(job):
    """The engine of the job; imported only here, so that no process carries another's library."""
    match job["engine"]:
        case "auditlake":
            from auditlake import Auditlake as engine
        case "duckdb":
            from duck import Duck as engine
        case "datafusion":
            from datafusion_py import DataFusion as engine
        case "clickhouse":
            from clickhouse import MergeTree as engine
        case "clickhouse_parquet":
            from clickhouse import OnParquet as engine
    return engine(job)


def timed(engine, text):
    """Milliseconds until the whole answer is with the client, and the answer."""
    started = time.perf_counter()
    answer = engine.ask(text)
    return (time.perf_counter() - started) * 1e3, answer


def digest(rows, by_id):
    """What must be the same whoever answers: the number of rows, and the ids or all values."""
    if by_id:
        lines = sorted(row["id"] for row in rows)
    else:
        lines = ["|".join(plain(value) for value in row.values()) for row in rows]
    return {
        "rows": len(rows),
        "sha256": hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16],
        "sample": lines[:3],
    }


def plain(value):
    """A value as text; NULL and the empty text are one, as in the tuned table."""
    return "" if value is None else str(value)


if __name__ == "__main__":
    main()
