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

/// A CloudTrail record with this id and further members.
fn record(id: &str, more: &Value) -> Value {
    let mut record = json!({
        "eventID": id, "eventTime": "2026-10-05T10:00:00Z", "eventSource": "s3.amazonaws.com", "eventName": "GetObject",
    });
    record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    record
}

/// Would catch a broken record, a missing comma or a cut file that costs whole records, or of which file, line and reason are
/// not told, and an exit code that hides it.
#[test]
fn what_is_broken_costs_itself_alone() {
    let (place, folder) = (Place::folder(), tempfile::tempdir().unwrap());
    let [a, b, c] = ["a", "b", "c"].map(|id| record(id, &json!({})).to_string());
    let cut = &c[..c.len() - 9];
    for (name, text, new, line, reason) in [
        ("first-line.json", format!("{}\n{b}\n{c}\n", &a[9..]), 2, 1, "is not JSON"),
        ("comma.json", format!("{{\"Records\":[{a},\n{b}\n{c}]}}"), 3, 3, "a comma is missing"),
        ("page.json", format!("{{\"next\":1,\"items\":[{a},{cut},{b}]}}"), 2, 1, "is not JSON"),
        ("element.json", format!("[{a},\n{cut},\n{b}]"), 2, 2, "is not JSON"),
        ("cut.json", format!("[{a},\n{b},\n{cut}"), 2, 3, "is it cut off?"),
        ("comment.json", format!("# exported\n{a}\n{b}\n{c}"), 3, 1, "is not JSON"),
    ] {
        let tenant = name.split('.').next().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        let arguments = ["import", "--tenant", tenant, "--format", "cloudtrail", "--summary", "json"];
        let ended = place.run(&[&arguments[..], &[path.to_str().unwrap()]].concat());
        let summary: Value =
            serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
        assert_eq!(
            (ended.code, &summary["new"], &summary["refused"]),
            (Some(3), &json!(new), &json!(1)),
            "{summary}"
        );
        let refusal = &summary["refusals"][0];
        assert_eq!(
            (&refusal["file"], &refusal["line"]),
            (&json!(path.to_str().unwrap()), &json!(line)),
            "{refusal}"
        );
        assert!(refusal["reason"].as_str().unwrap().contains(reason), "{refusal}");
    }
}

/// Would catch further addresses of a field that the documented ways do not find, or that are taken for the client's.
#[test]
fn further_addresses_of_a_field_are_found() {
    let (place, folder) = (Place::folder(), tempfile::tempdir().unwrap());
    let lines = [
        record("list", &json!({"sourceIPAddress": "203.0.113.7, 198.51.100.3"})),
        record("header", &json!({"sourceIPAddress": "for=203.0.113.8;by=10.0.0.1, for=198.51.100.3"})),
        record("other", &json!({"sourceIPAddress": "198.51.100.33|100.3.51.198"})),
    ];
    fs::write(folder.path().join("a.ndjson"), lines.map(|line| line.to_string()).join("\n")).unwrap();
    let (code, summary) = summary(&place, "cloudtrail", folder.path().to_str().unwrap());
    assert_eq!((code, &summary["new"]), (Some(0), &json!(3)), "{summary}");
    let clients = place.sql("SELECT ip_address FROM events ORDER BY id");
    let expected =
        ["203.0.113.8", "203.0.113.7", "198.51.100.33"].map(|address| json!({"ip_address": address}));
    assert_eq!(clients, expected);
    assert!(place.sql("SELECT id FROM events WHERE ip_address = '198.51.100.3'").is_empty());
    let page = include_str!("../../docs/import.md");
    let documented =
        page.lines().find(|line| line.starts_with("SELECT id FROM events WHERE has_words(")).unwrap();
    let found = place.sql(&format!("{} ORDER BY id", documented.split("   --").next().unwrap()));
    assert_eq!(found, [json!({"id": "header"}), json!({"id": "list"})]);
    assert_eq!(
        place.sql("SELECT id FROM events WHERE has_words(metadata, '10.0.0.1')"),
        [json!({"id": "header"})]
    );
}

/// Would catch times of data warehouses that are refused in one format.
#[test]
fn times_of_data_warehouses_are_read_in_every_format() {
    let (place, folder) = (Place::folder(), tempfile::tempdir().unwrap());
    for (number, (format, mut record, time)) in [
        ("native", json!({"id": "n", "action": "a.b", "actor": {"type": "user", "id": "u"}}), "occurred_at"),
        ("cloudtrail", record("c", &json!({})), "eventTime"),
        ("okta", json!({"uuid": "7d3b1c52-9a41-11ef-8f0e-3d5a6b7c8d90", "eventType": "x"}), "published"),
        ("github", json!({"_document_id": "kT3vN9xQ2mZ8aL5cR7w001", "action": "x.y"}), "@timestamp"),
    ]
    .into_iter()
    .enumerate()
    {
        record[time] = json!(format!("2026-10-0{} 08:15", number + 1));
        let path = folder.path().join(format!("{format}.json"));
        fs::write(&path, record.to_string()).unwrap();
        let (code, summary) = summary(&place, format, path.to_str().unwrap());
        assert_eq!((code, &summary["new"]), (Some(0), &json!(1)), "{summary}");
    }
    let rows = place.sql("SELECT CAST(occurred_at AS VARCHAR) AS t FROM events ORDER BY occurred_at");
    let times: Vec<&str> = rows.iter().map(|row| row["t"].as_str().unwrap()).collect();
    assert!(times.len() == 4 && times.iter().all(|time| time.contains("08:15:00")), "{times:?}");
}

/// Would catch a record that is stored with other content and refused without a word of what to do.
#[test]
fn a_record_that_is_stored_otherwise_is_told() {
    let (place, folder) = (Place::folder(), tempfile::tempdir().unwrap());
    for (which, code) in [("first", Some(0)), ("second", Some(3))] {
        let path = folder.path().join(which);
        fs::write(&path, record("e", &json!({"requestParameters": {"x": which}})).to_string()).unwrap();
        let arguments = ["import", "--tenant", "t", "--format", "cloudtrail", path.to_str().unwrap()];
        let ended = place.run(&arguments);
        assert_eq!(ended.code, code, "{ended:?}");
        assert_eq!(ended.stderr.contains("import new files only"), which == "second", "{ended:?}");
        let (_, summary) = summary(&place, "cloudtrail", path.to_str().unwrap());
        assert_eq!(summary["known_otherwise"], json!(u8::from(which == "second")), "{summary}");
    }
}

/// Would catch odd but legal files that are not read, others that are not named, and a summary that does not count them.
#[test]
fn odd_files_are_read_or_named() {
    let (place, folder) = (Place::folder(), tempfile::tempdir().unwrap());
    let [a, b] = ["a", "b"].map(|id| record(id, &json!({})).to_string());
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let gzip = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let whole = gzip(&format!("{a}\n{b}\n{}", "x".repeat(5_000)));
    for (name, bytes, new, code, said) in [
        ("marks", format!("\u{feff}{a}\n\u{feff}{b}").into_bytes(), 2, 0, ""),
        ("separators", format!("\u{1e}{a}\n\u{1e}{b}\n").into_bytes(), 2, 0, ""),
        ("zeros", format!("{a}\n\0\0\0\0{b}\n\0\0\0").into_bytes(), 2, 0, ""),
        ("utf16", utf16(&format!("\u{feff}[{a},\r\n{b}]\r\n")), 2, 0, ""),
        ("utf16-bare", utf16(&format!("{a}\n{b}\n")), 2, 0, ""),
        ("members.gz", [gzip(&a), gzip(&b)].concat(), 2, 0, ""),
        ("cut.gz", whole[..whole.len() - 12].to_vec(), 2, 3, "cut off"),
        ("a.zip", b"PK\x03\x04 and more".to_vec(), 0, 3, "it is a zip archive, which is not read"),
        ("a.bz2", b"BZh91AY".to_vec(), 0, 3, "it is packed with bzip2"),
        ("a.csv", b"eventID,eventName\na,b\n".to_vec(), 0, 3, "tables (CSV) are not read"),
        ("empty", Vec::new(), 0, 0, "it is empty"),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let tenant = name.replace('.', "-");
        let ended =
            place.run(&["import", "--tenant", &tenant, "--format", "cloudtrail", path.to_str().unwrap()]);
        assert_eq!(ended.code, Some(code), "{name}: {ended:?}");
        assert!(
            ended.stdout.contains(&format!(": {new} new")) && ended.stderr.contains(said),
            "{name}: {ended:?}"
        );
    }
    // From the folder: what is named by nothing but itself above is left out by name here.
    fs::create_dir(folder.path().join("folder.json")).unwrap();
    fs::write(folder.path().join("folder.json/c"), record("c", &json!({})).to_string()).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(folder.path(), folder.path().join("link")).unwrap();
    let (code, summary) = summary(&place, "cloudtrail", folder.path().to_str().unwrap());
    assert_eq!((code, &summary["new"]), (Some(3), &json!(3)), "{summary}");
    let left_out: Vec<&str> = summary["left_out"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["reason"].as_str().unwrap())
        .collect();
    for reason in [
        "it is a zip archive",
        "it is packed with bzip2",
        "it does not begin as JSON does",
        "it is a link to a folder",
    ] {
        assert!(left_out.contains(&reason), "{left_out:?}");
    }
}
