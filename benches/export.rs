//! What exports take: `cargo bench --bench export`.
//!
//! Exports all events of one enterprise tenant over three years with the command line, in a process of its own each time: as Parquet put together from
//! the table's files, as Parquet with every event read (a filter that all pass), as NDJSON with and without compression. Then DuckDB
//! copies the same rows from the same files with `COPY … TO`, if the Python of `benches/peers/run` is there. Prints rows a second, rows a
//! second of processor time (which is what one core does), bytes, and the most memory that the process had. Processes are measured whole: their start, opening the store
//! and the end are in.
//!
//! | variable | means |
//! |---|---|
//! | `AUDITLAKE_BENCH_EVENTS` | number of events; default 2,000,000 |
//! | `AUDITLAKE_BENCH_LAKE`, `AUDITLAKE_BENCH_TENANT` | a store that is there already, and whose events; it is not changed |
//! | `AUDITLAKE_PEERS_VENV` | the folder of the Python with DuckDB; default `~/.cache/auditlake/peers-python` |

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use auditlake::{
    config::Config,
    event::TenantId,
    server::{Access, Lake},
};

#[path = "support/enterprise.rs"]
mod enterprise;
#[path = "support/link.rs"]
mod link;
#[path = "support/processor.rs"]
mod processor;

/// How often a process is asked for its memory.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const DUCKDB: &str = "import duckdb, sys\n\
    files = sys.stdin.read().split('\\n')\n\
    duckdb.execute(f\"COPY (SELECT * FROM read_parquet({files!r})) TO '{sys.argv[1]}' ({sys.argv[2]})\")\n";

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let (lake, tenant) = enterprise::lake(folder.path());
    // Whoever exports commits first what was accepted: what is given stays as it is.
    let copy = tempfile::tempdir_in(lake.parent().expect("a store is in a folder")).expect("a folder");
    link::link(&lake, copy.path());
    let (rows, files) = files(copy.path(), &tenant);
    println!("{rows} events in {} files", files.len());
    for (name, arguments) in [
        ("Parquet, copied", &["--format", "parquet"][..]),
        ("Parquet, read", &["--format", "parquet", "--filter", "from=2000-01-01T00:00:00Z"]),
        ("NDJSON, zstd", &["--format", "ndjson"]),
        ("NDJSON", &["--format", "ndjson", "--compression", "none"]),
    ] {
        let to = folder.path().join("out");
        let mut command = Command::new(env!("CARGO_BIN_EXE_auditlake"));
        command.arg("export").arg("--store").arg(copy.path()).args(["--tenant", &tenant]).args(arguments);
        command.arg("--to").arg(&to).env("AUDITLAKE_LOG", "warn").stdin(Stdio::null());
        measure(name, rows, command, "", &to);
        fs::remove_dir_all(&to).expect("what was exported goes");
    }
    let Some(python) = python() else {
        println!("DuckDB: skipped, benches/peers/run makes the Python that has it");
        return;
    };
    for (name, options, file) in [
        ("DuckDB, Parquet, zstd", "FORMAT parquet, COMPRESSION zstd", "out.parquet"),
        ("DuckDB, NDJSON, zstd", "FORMAT json, COMPRESSION zstd", "out.ndjson.zst"),
        ("DuckDB, NDJSON", "FORMAT json", "out.ndjson"),
    ] {
        let to = folder.path().join(file);
        let mut command = Command::new(&python);
        command.args(["-c", DUCKDB]).arg(&to).arg(options);
        measure(name, rows, command, &files.join("\n"), &to);
        fs::remove_file(&to).expect("what was copied goes");
    }
}

/// Events of the tenant, and the files that hold them.
fn files(lake: &Path, tenant: &str) -> (u64, Vec<String>) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let config = Config { store: lake.display().to_string(), ..Config::default() };
        let opened = Lake::open(config, Access::Read).await.expect("open the store");
        let tenant = TenantId::parse(tenant).expect("a tenant id");
        let table =
            opened.tables().get(&tenant).await.expect("read the table").expect("the tenant has events");
        let snapshot = table.snapshot();
        let at = |path: &str| lake.join(snapshot.folder.data_file(path).as_ref()).display().to_string();
        (snapshot.rows(), snapshot.files.iter().map(|file| at(&file.path)).collect())
    })
}

/// Runs a command to its end, and tells what it took.
fn measure(name: &str, rows: u64, mut command: Command, input: &str, to: &Path) {
    let (began, before) = (Instant::now(), processor::processor_time());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("the program starts");
    std::io::Write::write_all(&mut child.stdin.take().expect("it is piped"), input.as_bytes())
        .expect("it listens");
    let mut peak_kib = 0;
    let status = loop {
        peak_kib = peak(child.id()).max(peak_kib);
        match child.try_wait().expect("it can be asked") {
            Some(status) => break status,
            None => std::thread::sleep(LOOK_EVERY),
        }
    };
    assert!(status.success(), "{name} failed");
    let (took, worked) = (began.elapsed(), processor::processor_time() - before);
    let bytes = size(to);
    println!(
        "{name:<22} {:>9.0} rows/s   {:>9.0} rows/s a core   {:>6.0} MB/s   {:>7.1} MB   {:>6.1} s   {:>4} MiB",
        rows as f64 / took.as_secs_f64(),
        rows as f64 / worked.as_secs_f64(),
        bytes as f64 / 1e6 / took.as_secs_f64(),
        bytes as f64 / 1e6,
        took.as_secs_f64(),
        peak_kib / 1_024,
    );
}

/// The most memory that a process has had so far, in KiB (proc(5): `VmHWM`); 0 once it has ended.
fn peak(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

fn size(path: &Path) -> u64 {
    match fs::read_dir(path) {
        Ok(entries) => entries.map(|entry| size(&entry.expect("an entry").path())).sum(),
        Err(_) => fs::metadata(path).expect("it was written").len(),
    }
}

fn python() -> Option<PathBuf> {
    let named = env::var_os("AUDITLAKE_PEERS_VENV").map(PathBuf::from);
    let usual = env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/auditlake/peers-python"));
    named.or(usual).map(|folder| folder.join("bin/python")).filter(|python| python.exists())
}
