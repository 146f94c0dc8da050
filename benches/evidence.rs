//! What evidence costs and what checking it takes: ingest with and without, bytes an event, events verified a second; and what it costs to seal
//! what names a person.
//!
//! `cargo bench --bench evidence`; `AUDITLAKE_BENCH_EVENTS` sets how many events (a million). The same file is imported by the real
//! program into new stores, in turns with and without evidence; a turn ends when everything is committed and, with
//! evidence, signed. The best of each is compared: whatever else the machine does only adds time. Verification is measured by the
//! clock, on all cores, and by processor time, which is what one core does; the whole process, its start and opening the store included.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

#[path = "support/processor.rs"]
mod processor;

const TURNS: usize = 5;
/// How often a store is verified.
const VERIFY_TURNS: usize = 3;

/// Runs the program to its end; seconds, and what it said.
fn run(arguments: &[&str], evidence: bool) -> (f64, String, String) {
    let started = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_auditlake"))
        .args(arguments)
        .env("AUDITLAKE_EVIDENCE__ENABLED", evidence.to_string())
        .env("AUDITLAKE_LOGBOOK__ENABLED", "false")
        .stdin(Stdio::null())
        .output()
        .expect("the program runs");
    let seconds = started.elapsed().as_secs_f64();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{arguments:?}: {stdout}{stderr}");
    (seconds, stdout, stderr)
}

fn bytes_below(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let size = |path: &Path| {
        if path.is_dir() { bytes_below(path) } else { path.metadata().map_or(0, |meta| meta.len()) }
    };
    entries.map(|entry| size(&entry.path())).sum()
}

fn main() {
    let count = std::env::var("AUDITLAKE_BENCH_EVENTS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1_000_000_u64);
    let folder = tempfile::tempdir().expect("a folder");
    let place = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (_, events, _) = run(&["generate", "--events", &count.to_string(), "--tenants", "20"], true);
    let input = place("events.ndjson");
    fs::write(&input, events).expect("room for the events");
    let mut best = [f64::INFINITY; 2];
    for turn in 0..TURNS {
        for evidence in [false, true] {
            let store = place(&format!("store-{evidence}"));
            let _ = fs::remove_dir_all(&store);
            let (seconds, ..) = run(&["import", "--store", &store, "--format", "native", &input], evidence);
            let which = &mut best[usize::from(evidence)];
            *which = which.min(seconds);
            println!(
                "turn {turn}, evidence {evidence:5}: {seconds:.2} s, {:.0} events/s",
                count as f64 / seconds
            );
        }
    }
    let [without, with] = best;
    println!("import without evidence, events/s    {:.0}", count as f64 / without);
    println!("import with evidence, events/s       {:.0}", count as f64 / with);
    println!("evidence costs of the throughput     {:.1} %", 100.0 * (1.0 - without / with));
    let store = place("store-true");
    let proof = bytes_below(&Path::new(&store).join("proof"));
    println!("evidence, bytes an event             {:.1}", proof as f64 / count as f64);
    sealed(&place("store-sealed"), &store, &input, count);
    verified("a file a day and tenant", &store, count);
    let large = place("store-large");
    let (_, events, _) =
        run(&["generate", "--events", &count.to_string(), "--tenants", "5", "--days", "1"], true);
    fs::write(&input, events).expect("room for the events");
    run(&["import", "--store", &large, "--format", "native", &input], true);
    verified("five files", &large, count);
}

/// Imports the same into a store whose tenants seal names.
fn sealed(store: &str, unsealed: &str, input: &str, count: u64) {
    let (_, tenants, _) = run(&["tenant", "list", "--store", unsealed, "--json"], true);
    let tenants: Vec<serde_json::Value> = serde_json::from_str(&tenants).expect("a list");
    run(&["import", "--store", store, "--format", "native", "/dev/null"], true);
    for tenant in &tenants {
        let id = tenant["id"].as_str().expect("an id");
        run(
            &[
                "tenant",
                "set",
                id,
                "--store",
                store,
                "--sealed-fields",
                "actor.name,actor.email,targets.name",
            ],
            true,
        );
    }
    let (seconds, ..) = run(&["import", "--store", store, "--format", "native", input], true);
    println!("import with sealed names, events/s   {:.0}", count as f64 / seconds);
    let sql = "SELECT sum(length(sealed) - length(replace(sealed, '\"salt\"', 'salt'))) / 2 AS n FROM events";
    let (_, values, _) = run(&["sql", "--store", store, "--format", "csv", sql], true);
    let values: f64 = values.lines().last().and_then(|text| text.trim().parse().ok()).expect("a number");
    let bytes = |store: &str| bytes_below(&Path::new(store).join("events")) as f64;
    println!("sealed values an event               {:.1}", values / count as f64);
    println!("bytes of Parquet a sealed value      {:.1}", (bytes(store) - bytes(unsealed)) / values);
}

/// Compacts a store and verifies it; tells the best of some turns.
fn verified(name: &str, store: &str, count: u64) {
    run(&["compact", "--store", store], true);
    let [mut by_clock, mut by_processor] = [f64::INFINITY; 2];
    for _ in 0..VERIFY_TURNS {
        let before = processor::processor_time();
        let (seconds, ..) = run(&["verify", "--store", store], true);
        by_clock = by_clock.min(seconds);
        by_processor = by_processor.min((processor::processor_time() - before).as_secs_f64());
    }
    let count = count as f64;
    println!(
        "verify, {name:<23}      {:.0} events/s a core, {:.0} events/s on all",
        count / by_processor,
        count / by_clock
    );
}
