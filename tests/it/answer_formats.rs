//! Answers for readers that are not ours: Python's `pyarrow`, `polars` and `duckdb`, where they are installed, see `readers.rs`.

use std::{fs, process::Command};

use serde_json::{Value, json};

use crate::{
    readers,
    support::{place::Place, program},
};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/read_answer.py");
/// Functions give nanoseconds, seconds and views; what comes out has none.
const QUESTION: &str = "SELECT id, date_bin(interval '1 hour', occurred_at) AS hour, now() AS asked, to_timestamp_millis(0) AS epoch,
    target_ids AS targets, array_agg(actor_id) OVER () AS actors, struct(action, now()) AS pair, map([action], [now()]) AS counts,
    CAST('12:00' AS TIME) AS noon FROM events ORDER BY id";

/// Three events with targets; the name of one actor is a formula.
fn filled() -> Place {
    let place = Place::folder();
    let events = (1..4).map(|number| {
        let event = json!({"id": format!("e{number}"), "action": "document.read", "occurred_at": "2026-11-22T03:04:05.678901Z",
            "actor": {"type": "user", "id": "u_1", "name": "=1+1"},
            "targets": [{"type": "document", "id": format!("d_{number}")}]});
        format!("{event}\n")
    });
    let events: String = events.collect();
    program::run(place.command(&["import", "--tenant", "acme", "-"]), events.as_bytes()).quiet();
    place
}

/// Would catch a column that another reader refuses, cannot compute with, or reads as something else.
#[test]
fn other_readers_take_answers_as_they_are() {
    let Some(python) = readers::python("import pyarrow.parquet") else { return };
    let (place, folder) = (filled(), tempfile::tempdir().unwrap());
    for (format, name) in [("parquet", "answer.parquet"), ("arrow", "answer.arrows")] {
        let asked =
            place.command(&["sql", "--tenant", "acme", "--format", format, QUESTION]).output().unwrap();
        assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
        fs::write(folder.path().join(name), asked.stdout).unwrap();
    }
    let output = Command::new(python).arg(SCRIPT).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    for refused in ["view", "large", "[ns", "[ms", "[s", "nanoseconds", "milliseconds", "dictionary"] {
        for names in ["types", "parquet_units"] {
            assert!(!found[names].to_string().contains(refused), "{refused}: {}", found[names]);
        }
    }
    assert_eq!((&found["upper"], &found["counted"]), (&json!(["D_1", "D_2", "D_3"]), &json!(3)));
    if found["polars"].is_null() || found["duckdb"].is_null() {
        println!("not read by all: Python has not polars and duckdb");
    }
    for (number, row) in found["duckdb"].as_array().into_iter().flatten().enumerate() {
        let number = number + 1;
        assert_eq!(row, &json!([format!("e{number}"), "2026-11-22 03:00:00", [format!("d_{number}")]]));
    }
    for (number, row) in found["polars"].as_array().into_iter().flatten().enumerate() {
        let number = number + 1;
        assert_eq!(
            (&row["id"], &row["targets"]),
            (&json!(format!("e{number}")), &json!([format!("d_{number}")]))
        );
        assert!(row["hour"].as_str().unwrap().starts_with("2026-11-22 03:00:00"), "{row}");
    }
}

/// Would catch one of the ways out that lets a spreadsheet run a name, and a raw form that is not raw.
#[test]
fn csv_is_safe_and_csv_raw_is_not_on_every_way_out() {
    let place = filled();
    let question = "SELECT actor_name FROM events ORDER BY id LIMIT 1";
    for (format, expected) in [("csv", "actor_name\r\n\"'=1+1\"\r\n"), ("csv-raw", "actor_name\r\n=1+1\r\n")]
    {
        let asked = place.run(&["sql", "--tenant", "acme", "--format", format, question]).quiet();
        assert_eq!(asked.stdout, expected);
        let saved =
            ["query", "resource-history", "--tenant", "acme", "--format", format, "--param", "target=d_1"];
        let saved = place.run(&saved).quiet().stdout;
        assert_eq!(
            (saved.contains("\"'=1+1\""), saved.contains(",=1+1")),
            (format == "csv", format == "csv-raw"),
            "{saved}"
        );
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("out");
        let export = [
            "export",
            "--tenant",
            "acme",
            "--format",
            format,
            "--sql",
            question,
            "--to",
            to.to_str().unwrap(),
        ];
        let exported = place.run(&export);
        assert_eq!(exported.code, Some(0), "{}", exported.stderr);
        let mut written = fs::read_dir(&to).unwrap().map(|entry| entry.unwrap().path());
        let file = written.find(|path| path.extension().is_some_and(|end| end == "csv")).unwrap();
        assert_eq!(fs::read_to_string(file).unwrap(), expected);
    }
}
