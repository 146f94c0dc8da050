"""The results as a table in Markdown: medians cold and hot, ratios, bytes, memory, and what was to be reached."""

import statistics

from questions import BY_NAME, ENGINES, NAMES, QUESTIONS

SHORT = {
    "auditlake": "auditlake",
    "duckdb": "DuckDB",
    "datafusion": "DataFusion",
    "clickhouse_parquet": "ClickHouse",
    "clickhouse": "MergeTree",
}


def hot(results, engine, question):
    """Median of the hot times in milliseconds, `None` if it was not asked."""
    measured = results["measured"].get(engine, {}).get(question)
    return statistics.median(measured["hot_ms"]) if measured and "hot_ms" in measured else None


def milliseconds(value):
    """Three digits are enough."""
    if value is None:
        return "–"
    if value < 10:
        return f"{value:.2f}"
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def size(value):
    """Bytes for people."""
    return f"{value / 1e9:.2f} GB" if value >= 1e9 else f"{value / 1e6:.1f} MB"


def table(header, rows):
    """A table in Markdown."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def markdown(results):
    """The whole report."""
    data, machine = results["workload"], results["machine"]
    engines = [engine for engine in ENGINES if engine in results["measured"]]
    title = f"# {data['events']:,} events of one tenant over {results['days']:,} days, two threads each"
    about = (
        f"{machine}. auditlake {results['revision']}, "
        + ", ".join(f"{name} {version}" for name, version in results["versions"].items())
        + f". {results['date']}. Milliseconds, medians; cold: the first question of a new process, "
        + ("page cache dropped" if results["dropped_caches"] else "page cache as it was")
        + "; hot: repeated, over all values."
    )
    parts = [
        title,
        about,
        *filter(None, [unoptimised(results)]),
        _times(results, engines),
        _costs(results, engines),
        _intake(results),
    ]
    parts.append("Values asked for: " + _values(results))
    parts.append("## To reach\n\n" + targets(results))
    parts.append("## Answers\n\n" + _agreement(results))
    return "\n\n".join(parts) + "\n"


def unoptimised(results):
    """A warning, if it was no release build."""
    return "Not a release build of auditlake: its times mean nothing." if results.get("unoptimised") else ""


def _times(results, engines):
    header = ["question", *(f"{SHORT[engine]} cold · **hot**" for engine in engines)]
    header += ["MergeTree ÷ auditlake", "DuckDB ÷ auditlake"]
    rows = []
    for question in QUESTIONS:
        row = [question.title]
        for engine in engines:
            measured = results["measured"][engine].get(question.name)
            if not measured or "error" in measured:
                row.append("failed" if measured else "–")
                continue
            row.append(
                f"{milliseconds(measured['cold_ms'])} · **{milliseconds(hot(results, engine, question.name))}**"
            )
        row += [ratio(results, other, question.name) for other in ("clickhouse", "duckdb")]
        rows.append(row)
    notes = {
        f"{SHORT[engine]}, {BY_NAME[name].title}: {measured['note']}"
        for engine in engines
        for name, measured in results["measured"][engine].items()
        if measured.get("note")
    }
    return "\n\n".join([table(header, rows), *sorted(notes)])


def ratio(results, other, question):
    """How many times as long another takes, hot."""
    ours, theirs = hot(results, "auditlake", question), hot(results, other, question)
    if not ours or not theirs:
        return "–"
    times = theirs / ours
    return f"{times:,.0f}×" if times >= 10 else f"{times:.2g}×"


def peak(results, engine):
    """Largest resident memory over all questions, MiB."""
    peaks = [measured.get("peak_kib", 0) for measured in results["measured"][engine].values()]
    return max(peaks, default=0) / 1024


def ours_bytes(data):
    """Everything that is kept for the tenant."""
    return data["parquet_bytes"] + data["index_in_use_bytes"] + data["log_bytes"]


def _costs(results, engines):
    data, merge_tree = results["workload"], results.get("clickhouse_load")
    per_event = lambda value: f"{value / data['events']:.1f}"
    rows = []
    for engine in engines:
        if engine == "auditlake":
            kept = ours_bytes(data)
            what = (
                f"{size(kept)} ({per_event(kept)} an event): Parquet {size(data['parquet_bytes'])} in"
                f" {data['parquet_files']:,} files, index {size(data['index_in_use_bytes'])}, Delta log {size(data['log_bytes'])}"
            )
        elif engine == "clickhouse":
            what = (
                f"{size(merge_tree['bytes'])} ({per_event(merge_tree['bytes'])} an event), of which indexes"
                f" {size(merge_tree['index_bytes'])}"
            )
        else:
            what = f"{size(data['parquet_bytes'])} (the Parquet files alone)"
        rows.append([NAMES[engine], what, f"{peak(results, engine):,.0f} MiB"])
    return table(["engine", "bytes on disk", "peak memory of a process that answers"], rows)


def _intake(results):
    data, merge_tree = results["workload"], results.get("clickhouse_load")
    lines = [
        (
            f"Taken in: {data['events_total']:,} events, {size(data['json_bytes'])} of JSON,"
            f" in {data['ingest_seconds']:,.0f} s, {data['events_total'] / data['ingest_seconds']:,.0f} events/s,"
            f" each batch durable; peak memory {data['ingest_peak_kib'] / 1024:,.0f} MiB."
        ),
        f"Compacted in {data['compact_seconds']:,.0f} s, peak memory {data['compact_peak_kib'] / 1024:,.0f} MiB.",
        (
            f"The {data['small_tenants']} small tenants: {data['events_total'] - data['events']:,} events in"
            f" {data['small_tenant_files']:,} files."
        ),
    ]
    if merge_tree:
        rate = data["events"] / merge_tree["seconds"]
        lines.append(
            f"ClickHouse loads the Parquet files in {merge_tree['seconds']:,.0f} s ({rate:,.0f} events/s),"
            f" OPTIMIZE FINAL included, into {merge_tree['parts']} parts."
        )
    return " ".join(lines)


def _values(results):
    found = results["measured"].get("auditlake", {})
    counts = []
    for question in QUESTIONS:
        answers = found.get(question.name, {}).get("answers")
        if question.values and answers:
            counts.append(f"{question.name} {'/'.join(str(answer['rows']) for answer in answers)} rows")
    held = ", ".join(f"{count:,} {name}" for name, count in results["chosen"]["cardinality"].items())
    return "; ".join(counts) + f". The tenant has {held}."


def targets(results):
    """What was to be reached, and whether it was."""
    rows = []
    for name in ("id", "request", "target", "ip", "word", "actor"):
        for other, factor in (("clickhouse", 5), ("duckdb", 50)):
            rows.append(_reached(results, name, [other], 1 / factor))
    rows.append(_reached(results, "newest", ["clickhouse"], 1))
    for name in ("logins", "actions_month", "actors", "days", "outcomes"):
        rows.append(_reached(results, name, ["duckdb", "datafusion", "clickhouse_parquet"], 1))
    rows += [_as_written(results, name, "actor") for name in ("actor_subquery", "actor_in", "actor_join")]
    memory = peak(results, "auditlake")
    rows.append(["query memory", "≤ 1,024 MiB", f"{memory:,.0f} MiB", _mark(memory <= 1024)])
    if results.get("clickhouse_load"):
        ours, theirs = ours_bytes(results["workload"]), results["clickhouse_load"]["bytes"]
        rows.append(["bytes on disk", f"≤ {size(theirs)} (MergeTree)", size(ours), _mark(ours <= theirs)])
    return table(["what", "to reach", "measured", "reached"], [row for row in rows if row])


def _reached(results, question, others, factor):
    ours = hot(results, "auditlake", question)
    theirs = {other: hot(results, other, question) for other in others}
    theirs = {other: value for other, value in theirs.items() if value is not None}
    if ours is None or not theirs:
        return None
    fastest = min(theirs, key=theirs.get)
    bound = theirs[fastest] * factor
    share = "" if factor == 1 else f"1/{1 / factor:.0f} of "
    return [
        BY_NAME[question].title,
        f"≤ {milliseconds(bound)} ms ({share}{SHORT[fastest]})",
        f"{milliseconds(ours)} ms",
        _mark(ours <= bound),
    ]


def _as_written(results, question, written):
    """A question whose values a subquery gives, beside the same with the values written out."""
    ours, literal = hot(results, "auditlake", question), hot(results, "auditlake", written)
    if ours is None or literal is None:
        return None
    what = f"{BY_NAME[written].title}: {BY_NAME[question].title}"
    measured = f"{milliseconds(ours)} ms ({ours / literal:.2f}×)"
    return [what, f"≤ {milliseconds(2 * literal)} ms (2 × written out)", measured, _mark(ours <= 2 * literal)]


def _mark(reached):
    return "yes" if reached else "**no**"


def disagreements(results):
    """Questions whose answers differ between engines, and engines that failed."""
    found = []
    for question in QUESTIONS:
        by_digest = {}
        for engine, measured in results["measured"].items():
            if question.name not in measured:
                continue
            if "error" in measured[question.name]:
                found.append(
                    f"{SHORT[engine]} failed at {question.title}: {measured[question.name]['error']}"
                )
                continue
            answers = [(answer["rows"], answer["sha256"]) for answer in measured[question.name]["answers"]]
            by_digest.setdefault(tuple(answers), []).append(SHORT[engine])
        if len(by_digest) > 1:
            said = "; ".join(
                f"{', '.join(who)}: {[rows for rows, _ in what]} rows" for what, who in by_digest.items()
            )
            found.append(f"{question.title}: {said}")
    return found


def _agreement(results):
    found = disagreements(results)
    if not found:
        asked = sum(
            len(measured.get("answers", [])) for measured in results["measured"]["auditlake"].values()
        )
        return f"All engines gave the same answers to all {asked} questions: the same ids, or the same rows."
    return "\n".join(f"- {line}" for line in found)


def growth_markdown(results):
    """Hot medians of the needles by size of the table."""
    sizes = sorted(results["sizes"], key=int)
    rows = []
    for question in QUESTIONS:
        if not question.needle:
            continue
        asked = [results["sizes"][size_]["auditlake"][question.name] for size_ in sizes]
        if any("error" in measured for measured in asked):
            rows.append([question.title, *(measured.get("error", "–") for measured in asked), ""])
            continue
        times = [statistics.median(measured["hot_ms"]) for measured in asked]
        shown = [
            f"{milliseconds(one['cold_ms'])} · **{milliseconds(hot_)}**" for one, hot_ in zip(asked, times)
        ]
        rows.append([question.title, *shown, f"{times[-1] / times[0]:.2f}×"])
    most, least = int(sizes[-1]), int(sizes[0])
    header = ["needle, ms cold · **hot**", *(f"{int(size_):,} events" for size_ in sizes)]
    header.append(f"growth, where events grow {most / least:.0f}×")
    kept = ["bytes on disk"]
    files = ["Parquet · index files"]
    memory = ["peak memory, MiB"]
    for size_ in sizes:
        data = results["sizes"][size_]["workload"]
        kept.append(size(ours_bytes(data)))
        files.append(f"{data['parquet_files']:,} · {data['index_files']:,}")
        peaks = [measured.get("peak_kib", 0) for measured in results["sizes"][size_]["auditlake"].values()]
        memory.append(f"{max(peaks) / 1024:,.0f}")
    for row in (kept, files, memory):
        rows.append([*row, ""])
    title = f"# Needles in one table over {results['days']:,} days, by number of events"
    about = f"{results['machine']}. auditlake {results['revision']}. {results['date']}."
    return "\n\n".join([title, about, table(header, rows)]) + "\n"
