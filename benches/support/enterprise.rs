//! A store with one enterprise tenant over three years, made as an operator would make it.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// How many days of events there are.
pub(crate) const DAYS: &str = "1095";
/// Far enough back that three years of events lie before today on any clock.
const START: &str = "2022-01-01";

/// The store that `AUDITLAKE_BENCH_LAKE` names and the tenant that `AUDITLAKE_BENCH_TENANT` does, or a new one in `folder`
/// with `AUDITLAKE_BENCH_EVENTS` events, 2,000,000 if not said.
pub(crate) fn lake(folder: &Path) -> (PathBuf, String) {
    match (std::env::var("AUDITLAKE_BENCH_LAKE"), std::env::var("AUDITLAKE_BENCH_TENANT")) {
        (Ok(lake), Ok(tenant)) => (PathBuf::from(lake), tenant),
        _ => fill(folder, number("AUDITLAKE_BENCH_EVENTS", 2_000_000)),
    }
}

/// The number in an environment variable.
pub(crate) fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().map_or(otherwise, |text| text.parse().expect("a number"))
}

/// Makes the events, takes them in and compacts, each as an operator would; returns the store and the tenant's id.
fn fill(folder: &Path, events: u64) -> (PathBuf, String) {
    let (source, lake) = (folder.join("events.ndjson"), folder.join("lake"));
    let events = events.to_string();
    let generate = ["generate", "--tenants", "1", "--enterprise", "100", "--days", DAYS, "--start", START];
    run(Command::new(env!("CARGO_BIN_EXE_auditlake"))
        .args(generate)
        .args(["--events", &events, "-o"])
        .arg(&source));
    run(Command::new(env!("CARGO_BIN_EXE_auditlake")).args(["import", "--store"]).arg(&lake).arg(&source));
    run(Command::new(env!("CARGO_BIN_EXE_auditlake")).args(["compact", "--store"]).arg(&lake));
    let first = BufReader::new(fs::File::open(&source).expect("the events")).lines();
    let first = first.map_while(Result::ok).next().expect("an event");
    let first: serde_json::Value = serde_json::from_str(&first).expect("JSON");
    fs::remove_file(&source).expect("it is there");
    (lake, first["tenant_id"].as_str().expect("a tenant").to_owned())
}

fn run(command: &mut Command) {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("the program runs");
    assert!(status.success(), "{command:?}: {status}");
}
