"""The comparison with its peers: makes the workload, asks everyone, checks that the answers agree, writes the report.

    benches/peers/run                       20 million events; the results go to benches/peers/results
    benches/peers/run --events 2000000      a quick look
    benches/peers/run --growth              the needles at 1, 5 and 20 million events in one table
    benches/peers/run --object-store        the needles on S3 with 30 ms added to each request

One engine at a time, each question in a process of its own.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import auditlake
import chart
import processes
import report
import workload
from questions import BY_NAME, ENGINES, NAMES, QUESTIONS, texts

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
GROWTH = (1_000_000, 5_000_000, 20_000_000)
PACKAGES = {"DuckDB": "duckdb", "DataFusion": "datafusion", "chDB": "chdb", "ClickHouse": "chdb-core"}


def main():
    """Does what the arguments ask for; ends with 1 if answers differ or an engine failed."""
    arguments = parse()
    binary = arguments.binary or build()
    if arguments.growth:
        growth(arguments, binary)
        return 0
    folder = arguments.work / str(arguments.events)
    data, chosen = prepared(arguments, binary, folder)
    if arguments.object_store:
        object_store(folder, data["tenant"])
        return 0
    results = compare(arguments, binary, folder, data, chosen)
    write(arguments, label(arguments), results)
    return 1 if report.disagreements(results) else 0


def parse():
    """The arguments."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    parser = argparse.ArgumentParser(
        prog="benches/peers/run", description=__doc__.split("\n\n", maxsplit=1)[0]
    )
    add = parser.add_argument
    add(
        "--events", type=int, default=20_000_000, help="events of the enterprise tenant (default: 20 million)"
    )
    add(
        "--binary",
        default=os.environ.get("AUDITLAKE_BINARY"),
        help="the program (default: cargo build --release)",
    )
    add(
        "--work",
        type=Path,
        default=cache / "auditlake" / "peers",
        help="folder for stores and tables, 20 GB at 20 million events",
    )
    add("--results", type=Path, default=HERE / "results", help="folder for the report")
    add("--engines", default=",".join(ENGINES), help=f"some of {','.join(ENGINES)}")
    add("--questions", default=",".join(BY_NAME), help=f"some of {','.join(BY_NAME)}")
    add("--rounds", type=int, default=5, help="hot rounds over all values of a question")
    add(
        "--seconds",
        type=float,
        default=15.0,
        help="after which no further hot round begins; one is always made",
    )
    add("--reuse", action="store_true", help="take the store and tables that a former run left")
    add("--growth", action="store_true", help="the needles at 1, 5 and 20 million events, auditlake alone")
    add("--sizes", help="other numbers of events for --growth, with commas between them")
    add("--object-store", action="store_true", help="the needles on S3, by cargo bench --bench object_store")
    add(
        "--drop-caches",
        action="store_true",
        help="empty the page cache before each cold question (root only)",
    )
    return parser.parse_args()


def build():
    """The release build of this repository."""
    tell("building")
    subprocess.run(["cargo", "build", "--release", "--locked", "--bin", "auditlake"], cwd=ROOT, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return str((ROOT / target) / "release" / "auditlake")


def tell(text):
    """Progress, with the time."""
    print(f"{datetime.datetime.now():%H:%M:%S} {text}", file=sys.stderr, flush=True)


def prepared(arguments, binary, folder):
    """Store, live files and values: made now, or as a former run left them."""
    known = folder / "prepared.json"
    if arguments.reuse and known.exists():
        kept = json.loads(known.read_text())
        if "index_in_use_bytes" not in kept["workload"]:
            _, _, said = auditlake.command(binary, "compact", "--store", folder / "lake")
            kept["workload"]["index_in_use_bytes"] = workload.index_in_use(said)
            known.write_text(json.dumps(kept, indent=1))
        return kept["workload"], kept["chosen"]
    data = workload.prepare(binary, folder, arguments.events, tell)
    tell("choosing what to ask for")
    chosen = workload.choose(folder)
    known.write_text(json.dumps({"workload": data, "chosen": chosen}, indent=1))
    return data, chosen


def compare(arguments, binary, folder, data, chosen):
    """Asks every engine every question."""
    engines = [engine for engine in ENGINES if engine in arguments.engines.split(",")]
    loaded = load_clickhouse(arguments, folder) if "clickhouse" in engines else None
    results = {
        "date": str(datetime.date.today()),
        "machine": processes.machine(),
        "revision": processes.revision(ROOT),
        "versions": {name: importlib.metadata.version(package) for name, package in PACKAGES.items()},
        "dropped_caches": arguments.drop_caches,
        "unoptimised": "/debug/" in binary,
        "days": workload.DAYS,
        "workload": data,
        "chosen": chosen,
        "clickhouse_load": loaded,
        "measured": {},
    }
    for engine in engines:
        started = time.monotonic()
        results["measured"][engine] = ask_all(arguments, binary, folder, engine, data["tenant"], chosen)
        tell(f"{NAMES[engine]}: {time.monotonic() - started:.0f} s")
    return results


def load_clickhouse(arguments, folder):
    """Fills the MergeTree table, unless a former run did."""
    known = folder / "clickhouse.json"
    if arguments.reuse and known.exists():
        return json.loads(known.read_text())
    tell("loading ClickHouse")
    subprocess.run(["rm", "-rf", str(folder / "clickhouse")], check=True)
    loaded = worker({"load": True, "live": str(folder / "live"), "clickhouse": str(folder / "clickhouse")})
    if "error" in loaded:
        raise RuntimeError(loaded["error"])
    known.write_text(json.dumps(loaded))
    return loaded


def ask_all(arguments, binary, folder, engine, tenant, chosen, needles_only=False):
    """All questions of one engine, each in a new process."""
    measured = {}
    for question in QUESTIONS:
        if question.name not in arguments.questions.split(",") or (needles_only and not question.needle):
            continue
        if arguments.drop_caches:
            processes.drop_page_cache()
        job = {
            "engine": engine,
            "binary": binary,
            "store": str(folder / "lake"),
            "live": str(folder / "live"),
            "clickhouse": str(folder / "clickhouse"),
            "tenant": tenant,
            "needle": question.needle,
            "by_id": question.by_id,
            "texts": texts(engine, question, chosen),
            "rounds": arguments.rounds if question.values else arguments.rounds * 2,
            "rounds_min": 1 if question.values else 3,
            "seconds_max": arguments.seconds,
        }
        measured[question.name] = worker(job)
        if "error" in measured[question.name]:
            tell(f"{NAMES[engine]}, {question.title}: {measured[question.name]['error']}")
    return measured


def worker(job):
    """Runs `worker.py` with a job; its result, or `{"error": …}`."""
    done = subprocess.run(
        [sys.executable, str(HERE / "worker.py")],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"ended with {done.returncode}"]
        return {"error": lines[-1][:500]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def label(arguments):
    """The results' file name: 20m, 2m, 200k."""
    events = arguments.events
    return f"{events // 1_000_000}m" if events % 1_000_000 == 0 else f"{events // 1_000}k"


def write(arguments, name, results):
    """JSON, Markdown and SVG; the Markdown also to stdout."""
    arguments.results.mkdir(parents=True, exist_ok=True)
    text = report.markdown(results)
    (arguments.results / f"{name}.json").write_text(json.dumps(results, indent=1) + "\n")
    (arguments.results / f"{name}.md").write_text(text)
    (arguments.results / f"{name}.svg").write_text(chart.draw(results))
    print(text)


def growth(arguments, binary):
    """The needles at several sizes of one table."""
    sizes = [int(size) for size in arguments.sizes.split(",")] if arguments.sizes else GROWTH
    results = {
        "date": str(datetime.date.today()),
        "machine": processes.machine(),
        "revision": processes.revision(ROOT),
        "days": workload.DAYS,
        "sizes": {},
    }
    for size in sizes:
        folder = arguments.work / str(size)
        arguments.events = size
        data, chosen = prepared(arguments, binary, folder)
        tell(f"asking of {size:,} events")
        asked = ask_all(arguments, binary, folder, "auditlake", data["tenant"], chosen, needles_only=True)
        results["sizes"][str(size)] = {"workload": data, "auditlake": asked}
    text = report.growth_markdown(results)
    arguments.results.mkdir(parents=True, exist_ok=True)
    (arguments.results / "growth.json").write_text(json.dumps(results, indent=1) + "\n")
    (arguments.results / "growth.md").write_text(text)
    print(text)


def object_store(folder, tenant):
    """The Rust bench on the store that is there."""
    environment = os.environ | {
        "AUDITLAKE_BENCH_LAKE": str(folder / "lake"),
        "AUDITLAKE_BENCH_TENANT": tenant,
    }
    subprocess.run(
        ["cargo", "bench", "--locked", "--bench", "object_store"], cwd=ROOT, env=environment, check=True
    )


if __name__ == "__main__":
    sys.exit(main())
