//! The largest resident memory of compaction, of long answers, of exports and of the demo: `cargo bench --bench memory`.
//!
//! Each phase runs in a process of its own (this program again, with arguments), reads its peak from Linux
//! (`VmHWM` of `/proc/self/status`) when it is through, and does nothing but what is measured: inputs are written by
//! yet another process before. Printed beside each peak is what it has more than a process that has opened an empty store
//! and done nothing. The program fails if a phase passes what the product promises for it.
//!
//! 1. compaction of files made to be hard on it (see `inputs`);
//! 2. `SELECT *` of ten million events as NDJSON and as Parquet, to a reader that throws the bytes away;
//! 3. `auditlake export` of the same, to a folder: a day of ten million events, in ten files that each span all of it;
//! 4. `auditlake demo --exit`.
//!
//! `AUDITLAKE_BENCH_PERCENT` (default 100) sets the number of rows of all of that.

use std::{
    path::Path,
    process::{Command, ExitCode, Stdio},
};

mod inputs;
mod phases;

use inputs::INPUTS;

const MIB: u64 = 1_024 * 1_024;
/// What compaction may take, whatever its input.
const COMPACTION_BYTES_MAX: u64 = 256 * MIB;
/// What any process of the product may take.
const PROCESS_BYTES_MAX: u64 = 1_024 * MIB;
/// Events of the demo.
const DEMO_EVENTS: u64 = 1_000_000;

/// What a child tells, as its last line on stdout: `measured PEAK_KIB ROWS SECONDS DETAIL…`.
struct Measured {
    peak_bytes: u64,
    rows: u64,
    seconds: f64,
    detail: String,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["demo" | "export", ..] => command(),
        [phase, rest @ ..] if phases::NAMES.contains(phase) => {
            phases::run(phase, rest);
            ExitCode::SUCCESS
        }
        _ => measure(),
    }
}

/// What the command line does with these arguments, then its peak.
fn command() -> ExitCode {
    let started = std::time::Instant::now();
    let ended = auditlake::cli::main();
    phases::tell(0, started.elapsed(), "");
    ended
}

fn measure() -> ExitCode {
    if phases::peak_kib().is_none() {
        println!("memory is not measured: this system has no VmHWM in /proc/self/status");
        return ExitCode::SUCCESS;
    }
    let percent = percent();
    let folder = tempfile::tempdir().expect("a folder");
    let idle = child(&["idle", &path(folder.path(), "idle")]).peak_bytes;
    println!("{:54} {:>8} {:>9} {:>10} {:>9}", "", "peak MiB", "over idle", "rows", "rows/s");
    println!("{:54} {:>8} {:>9}", "a process with an open store", idle / MIB, 0);
    let mut kept = true;
    let mut row = |name: &str, measured: &Measured, bytes_max: u64| {
        let over = measured.peak_bytes.saturating_sub(idle);
        let verdict = if measured.peak_bytes < bytes_max { "" } else { "  TOO MUCH" };
        kept &= verdict.is_empty();
        let rate = measured.rows as f64 / measured.seconds.max(0.001);
        println!(
            "{name:54} {:>8} {:>9} {:>10} {rate:>9.0}  {}{verdict}",
            measured.peak_bytes / MIB,
            over / MIB,
            measured.rows,
            measured.detail
        );
    };
    for input in INPUTS {
        let place = path(folder.path(), "input");
        child(&["prepare", input.name, &percent.to_string(), &place]);
        row(&format!("compaction: {}", input.name), &child(&["compact", &place]), COMPACTION_BYTES_MAX);
        std::fs::remove_dir_all(&place).expect("the folder can be removed");
    }
    let place = path(folder.path(), "answers");
    child(&["prepare-answers", &percent.to_string(), &place]);
    for format in ["ndjson", "parquet"] {
        row(&format!("SELECT * as {format}"), &child(&["select", format, &place]), PROCESS_BYTES_MAX);
    }
    let tenant = child(&["tenant-of", &place]).detail;
    for format in ["ndjson", "parquet"] {
        let (to, rows) = (path(folder.path(), format), inputs::ANSWER_ROWS * percent / 100);
        let export = ["export", "--store", &place, "--tenant", &tenant, "--format", format, "--to", &to];
        row(
            &format!("auditlake export --format {format}"),
            &Measured { rows, ..child(&export) },
            PROCESS_BYTES_MAX,
        );
        std::fs::remove_dir_all(&to).expect("the folder can be removed");
    }
    let events = DEMO_EVENTS * percent / 100;
    let demo =
        child(&["demo", "--exit", "--events", &events.to_string(), "--store", &path(folder.path(), "demo")]);
    row("auditlake demo --exit", &Measured { rows: events, ..demo }, PROCESS_BYTES_MAX);
    if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn percent() -> u64 {
    std::env::var("AUDITLAKE_BENCH_PERCENT").ok().and_then(|text| text.parse().ok()).unwrap_or(100)
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

/// Runs this program again and reads what it measured.
fn child(arguments: &[&str]) -> Measured {
    let program = std::env::current_exe().expect("this program has a path");
    let output = Command::new(program).args(arguments).stderr(Stdio::inherit()).output().expect("it starts");
    assert!(output.status.success(), "{arguments:?}: {}", output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    let told = text.lines().rev().find_map(|line| line.strip_prefix("measured ")).expect("it measures");
    let mut parts = told.splitn(4, ' ');
    let mut number = || parts.next().and_then(|part| part.parse::<f64>().ok()).expect("a number");
    let (peak_kib, rows, seconds) = (number(), number(), number());
    let detail = parts.next().unwrap_or_default().to_owned();
    Measured { peak_bytes: peak_kib as u64 * 1_024, rows: rows as u64, seconds, detail }
}
