//! Readers that are not ours: a tenant's table is plain Delta Lake for anyone.
//!
//! The Python package `deltalake` reads the tables where it is installed: `AUDITLAKE_TEST_PYTHON` names a Python with the
//! packages `deltalake` and `pyarrow`, else `~/.cache/auditlake/python` is tried (`.ci/run` makes it). The Rust loader of
//! the same project reads them everywhere.

use std::{
    collections::BTreeMap,
    env,
    path::PathBuf,
    process::{Command, Stdio},
};

use auditlake::{event::TenantId, paths::TableLayout, telemetry::Clock};
use chrono::NaiveDate;
use deltalake_core::open_table;
use serde_json::{Map, Value, json};
use url::Url;

use crate::support::{
    place::{Place, in_every_place},
    program,
};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/read_delta.py");
/// What the script needs.
pub(crate) const IMPORTS_OF_SCRIPT: &str = "import deltalake, pyarrow";
/// Each import is a file in each day and tenant that it has events of.
const IMPORTS: usize = 3;

/// Imports a small company in a few parts; returns its tenants.
fn fill(place: &Place) -> Vec<TenantId> {
    let generate = ["generate", "--events", "3000", "--tenants", "3", "--days", "3"];
    let ended = program::run(program::command(&generate), b"");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    // Every third event, so that the parts overlap in time and compaction has something to merge.
    for part in 0..IMPORTS {
        let part: Vec<&str> = lines.iter().skip(part).step_by(IMPORTS).copied().collect();
        program::run(place.command(&["import", "-"]), part.join("\n").as_bytes()).quiet();
    }
    let rows = place.sql("SELECT DISTINCT tenant_id FROM events ORDER BY 1");
    rows.iter().map(|row| TenantId::parse(row["tenant_id"].as_str().unwrap()).unwrap()).collect()
}

/// What our own SQL says about a tenant, in the words of the script.
fn ours(place: &Place, tenant: &TenantId) -> Value {
    let rows = |sql: &str| place.run(&["sql", "--tenant", tenant.as_str(), "--format", "ndjson", sql]).rows();
    let counts = |expression: &str| -> Map<String, Value> {
        let sql = format!("SELECT {expression} AS value, count(*) AS events FROM events GROUP BY 1");
        let pair = |row: Value| (row["value"].as_str().unwrap().to_owned(), row["events"].clone());
        rows(&sql).into_iter().map(pair).collect()
    };
    let ids: Vec<Value> =
        rows("SELECT id FROM events ORDER BY id").into_iter().map(|mut row| row["id"].take()).collect();
    json!({
        "partition_columns": ["day"],
        "events": ids.len(),
        "events_by_log": ids.len(),
        "first": 0,
        "last": ids.len() - 1,
        "with_last_number": 1,
        "ids": ids,
        "days": counts("CAST(day AS VARCHAR)"),
        "actions": counts("action"),
    })
}

/// A Python that has what a script needs.
pub(crate) fn python(imports: &str) -> Option<PathBuf> {
    let named = env::var_os("AUDITLAKE_TEST_PYTHON").map(PathBuf::from);
    let cached =
        env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/auditlake/python/bin/python"));
    let reason = match named.or(cached.filter(|path| path.exists())) {
        None => "neither AUDITLAKE_TEST_PYTHON nor ~/.cache/auditlake/python is there".to_owned(),
        Some(python) => {
            let mut probe = Command::new(&python);
            let probe = probe.args(["-c", imports]).stderr(Stdio::null()).status();
            match probe {
                Ok(status) if status.success() => return Some(python),
                _ => format!("{} cannot do: {imports}", python.display()),
            }
        }
    };
    println!("skipped: {reason}");
    None
}

/// Runs the script on a tenant's table; returns the number of live files and everything else.
fn theirs(python: &PathBuf, place: &Place, tenant: &TenantId) -> (u64, Value) {
    read(python, &format!("{}/{}", place.store(), TableLayout::Plain.table(tenant)), place.environment())
}

/// Runs the script on the table at a URL.
pub(crate) fn read(python: &PathBuf, url: &str, environment: &[(&'static str, String)]) -> (u64, Value) {
    let named = environment.iter().map(|(name, value)| (*name, value.as_str()));
    let options: BTreeMap<&str, &str> = named.chain([("AWS_ALLOW_HTTP", "true")]).collect();
    let output = Command::new(python)
        .arg(SCRIPT)
        .arg(url)
        .arg(serde_json::to_string(&options).unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let files = found.as_object_mut().unwrap().remove("files").unwrap();
    (files.as_u64().unwrap(), found)
}

in_every_place!(python_reads_the_same_events_before_and_after_compaction, python_sees_expired_days_go);

/// Would catch a table that only auditlake can read: wrong types, partitions, statistics or paths in the log, files that
/// were merged and still count, and statistics by which another reader skips what it should not.
async fn python_reads_the_same_events_before_and_after_compaction(place: &Place) {
    let Some(python) = python(IMPORTS_OF_SCRIPT) else { return };
    let tenants = fill(place);
    let tenant = &tenants[0];
    let expected = ours(place, tenant);
    let days = expected["days"].as_object().unwrap().len() as u64;
    assert!(days > 1, "{expected}");
    assert_eq!(theirs(&python, place, tenant), (days * IMPORTS as u64, expected.clone()));
    place.run(&["compact"]).quiet();
    assert_eq!(theirs(&python, place, tenant), (days, expected));
}

/// Would catch a removal that only auditlake understands, or that takes more or less than it says.
async fn python_sees_expired_days_go(place: &Place) {
    let Some(python) = python(IMPORTS_OF_SCRIPT) else { return };
    let tenants = fill(place);
    let tenant = &tenants[0];
    let days = ours(place, tenant)["days"].clone();
    let days: Vec<NaiveDate> = days.as_object().unwrap().keys().map(|day| day.parse().unwrap()).collect();
    let kept = (Clock::system().now().date_naive() - days[1]).num_days().to_string();
    place.run(&["tenant", "set", tenant.as_str(), "--retention-days", &kept]).quiet();
    let hidden = ours(place, tenant);
    place.run(&["retention"]).quiet();
    let (files, found) = theirs(&python, place, tenant);
    assert_eq!(files, ((days.len() - 1) * IMPORTS) as u64);
    for member in ["events", "events_by_log", "ids", "days", "actions"] {
        assert_eq!(found[member], hidden[member], "{member}");
    }
    assert!(!found["days"].as_object().unwrap().contains_key(&days[0].to_string()), "{found}");
}

/// Would catch an entry of the log that the Rust loader cannot parse, or whose statistics it does not find.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rust_loader_finds_the_statistics() {
    let place = Place::folder();
    for tenant in fill(&place) {
        let expected = ours(&place, &tenant)["events"].as_u64().unwrap() as usize;
        for compacted in [false, true] {
            if compacted {
                place.run(&["compact"]).quiet();
            }
            let folder = place.path().unwrap().join(TableLayout::Plain.table(&tenant).path().as_ref());
            let table = open_table(Url::from_directory_path(folder).unwrap()).await.unwrap();
            let state = table.snapshot().unwrap();
            let mut events = 0;
            for file in state.log_data().iter() {
                events += file.num_records().expect("the number of events");
                for values in [file.min_values(), file.max_values(), file.null_counts()] {
                    let values = values.expect("values of a file").to_string();
                    assert!(values.contains("occurred_at") && values.contains("actor_id"), "{values}");
                }
            }
            assert_eq!(events, expected, "compacted: {compacted}");
        }
    }
}
