//! Inputs that other products read wrongly (`testdata/cases`), imported by the real program: what gets in, what is said
//! about the rest, and the exit code.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};

use crate::support::place::Place;

fn case(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/cases").join(name);
    path.to_str().unwrap().to_owned()
}

/// Imports with a summary in JSON; the exit code and the summary.
fn summary(place: &Place, format: &str, path: &str) -> (Option<i32>, Value) {
    let ended = place.run(&["import", "--tenant", "t", "--format", format, "--summary", "json", path]);
    let summary = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    (ended.code, summary)
}

/// Case 02. Would catch a digest that is refused, or that passes without a word.
#[test]
fn digests_beside_logs_are_passed_over() {
    let place = Place::folder();
    let folder = case("02-digest-beside-logs/AWSLogs");
    let ended = place.run(&["import", "--tenant", "t", "--format", "cloudtrail", &folder]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended.stdout.starts_with("2 records from 3 files: 2 new, 0 known before, 0 refused; "),
        "{ended:?}"
    );
    assert!(ended.stdout.contains("; 2 files hold no events"), "{ended:?}");
    assert_eq!(ended.stderr.matches("a CloudTrail digest").count(), 2, "{ended:?}");

    let (code, summary) = summary(&place, "cloudtrail", &folder);
    assert_eq!(code, Some(0));
    assert_eq!(summary["files"], json!({"read": 3, "refused": 0, "without_events": 2, "left_out": 0}));
    assert_eq!((&summary["new"], &summary["known"], &summary["refused"]), (&json!(0), &json!(2), &json!(0)));
    let named = summary["without_events"].as_array().unwrap();
    assert!(
        named.iter().all(|entry| entry["file"].as_str().unwrap().contains("CloudTrail-Digest")),
        "{summary}"
    );
}

/// Case 03. Would catch files that are left out because of their names, and a file left out without a word.
#[test]
fn files_are_chosen_by_what_they_are() {
    let place = Place::folder();
    for (folder, files) in [("stream", 1), ("mixed", 2)] {
        let (code, summary) = summary(&place, "github", &case(&format!("03-github-stream-files/{folder}")));
        assert_eq!((code, &summary["new"]), (Some(0), &json!(3)), "{summary}");
        assert_eq!((&summary["files"]["read"], &summary["files"]["left_out"]), (&json!(files), &json!(0)));
    }
    let folder = tempfile::tempdir().unwrap();
    fs::copy(case("03-github-stream-files/mixed/page-export.json"), folder.path().join("export")).unwrap();
    fs::write(folder.path().join("README.md"), "# Logs").unwrap();
    let (code, summary) = summary(&place, "github", folder.path().to_str().unwrap());
    assert_eq!((code, &summary["known"], &summary["files"]["left_out"]), (Some(0), &json!(1), &json!(1)));
    assert!(summary["left_out"][0]["file"].as_str().unwrap().ends_with("README.md"), "{summary}");
}

/// Case 17. Would catch a member that is given twice and costs its first value, and odd keys that are not found again.
#[test]
fn a_member_given_twice_is_refused_by_name() {
    let place = Place::folder();
    for (format, file, id, pointer) in [
        ("cloudtrail", "twice.json", "a0d10000-0000-4000-8011-000000000001", "/requestParameters/acl"),
        (
            "okta",
            "twice-okta.ndjson",
            "7d3b1c52-9a41-11ef-8f0e-3d5a6b7c8d90",
            "/debugContext/debugData/changed",
        ),
    ] {
        let (code, summary) = summary(&place, format, &case(&format!("17-odd-keys/{file}")));
        assert_eq!(
            (code, &summary["new"], &summary["refused"]),
            (Some(3), &json!(0), &json!(1)),
            "{summary}"
        );
        let refusal = &summary["refusals"][0];
        assert!(refusal["file"].as_str().unwrap().ends_with(file), "{refusal}");
        assert_eq!((&refusal["line"], &refusal["record"]), (&json!(1), &json!(0)));
        assert_eq!((&refusal["id"], &refusal["pointer"]), (&json!(id), &json!(pointer)));
        assert_eq!(refusal["reason"], format!("has a member twice: {pointer}"));
    }
    let path = case("17-odd-keys/native.ndjson");
    let (code, summary) = summary(&place, "native", &path);
    assert_eq!((code, &summary["new"]), (Some(0), &json!(4)), "{summary}");
    let rows = place.sql("SELECT metadata FROM events ORDER BY id");
    let given = fs::read_to_string(path).unwrap();
    for (row, line) in rows.iter().zip(given.lines()) {
        let line: Value = serde_json::from_str(line).unwrap();
        let metadata: Value = serde_json::from_str(row["metadata"].as_str().unwrap()).unwrap();
        assert_eq!(metadata, line["metadata"]);
    }
}

/// Case 18. Would catch an envelope that is not opened, and a record that is another event by another transport.
#[test]
fn envelopes_are_opened() {
    let place = Place::folder();
    for (format, file, new) in [
        ("okta", "a-eventbridge.ndjson", 2),
        ("okta", "b-event-hook.json", 2),
        ("okta", "c-splunk-hec.ndjson", 1),
        ("cloudtrail", "d-cloudtrail-eventbridge.ndjson", 1),
        ("cloudtrail", "e-cloudwatch-subscription.json", 1),
    ] {
        let (code, summary) = summary(&place, format, &case(&format!("18-okta-log-stream/{file}")));
        assert_eq!(
            (code, &summary["new"], &summary["refused"]),
            (Some(0), &json!(new), &json!(0)),
            "{file}: {summary}"
        );
    }
    let first = fs::read_to_string(case("18-okta-log-stream/a-eventbridge.ndjson")).unwrap();
    let envelope: Value = serde_json::from_str(first.lines().next().unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("bare.json"), envelope["detail"].to_string()).unwrap();
    let (_, summary) = summary(&place, "okta", folder.path().to_str().unwrap());
    assert_eq!((&summary["new"], &summary["known"]), (&json!(0), &json!(1)), "{summary}");
}

/// Would catch a summary in which things are named without end, or uncounted where they are not named.
#[test]
fn what_is_told_is_capped_and_counted() {
    let (place, folder) = (Place::folder(), tempfile::tempdir().unwrap());
    let lines = "{\"eventID\":\"x\"}\n".repeat(1_005);
    fs::write(folder.path().join("a.json"), lines).unwrap();
    let (code, summary) = summary(&place, "cloudtrail", folder.path().to_str().unwrap());
    assert_eq!((code, &summary["refused"]), (Some(3), &json!(1_005)));
    assert_eq!(summary["refusals"].as_array().unwrap().len(), 1_000);
    assert_eq!(summary["not_listed"]["refusals"], json!(5));
    let ended =
        place.run(&["import", "--tenant", "t", "--format", "cloudtrail", folder.path().to_str().unwrap()]);
    assert!(ended.stderr.contains("refused 985 more, not shown"), "{}", ended.stderr);
}
