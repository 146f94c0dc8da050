//! Tests of reading many inputs into batches.

use std::{fs, path::Path};

use super::*;

fn read(folder: &Path, source: Source, settings: Settings) -> (Vec<Batch>, Vec<String>, Counts) {
    let (batches, refusals, notes, counts) = read_all(folder, source, settings);
    assert_eq!(notes, [""; 0]);
    (batches, refusals, counts)
}

fn read_all(
    folder: &Path,
    source: Source,
    settings: Settings,
) -> (Vec<Batch>, Vec<String>, Vec<String>, Counts) {
    let inputs = Input::find(&[folder.to_owned()]).unwrap();
    let mut reader = Reader::new(inputs, source, settings);
    let (mut batches, mut refusals, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    let short = |text: String| text.replace(&format!("{}/", folder.display()), "");
    for step in reader.by_ref() {
        match step {
            Step::Batch(batch) => batches.push(batch),
            Step::Refused(refusal) => refusals.push(short(refusal.to_string())),
            Step::Noted(note) => notes.push(short(format!("{} {:?}: {}", note.input, note.kind, note.text))),
        }
    }
    assert_eq!(reader.bytes_read(), reader.bytes_total());
    (batches, refusals, notes, reader.counts())
}

fn record(id: &str) -> String {
    format!(
        r#"{{"eventID":"{id}","eventSource":"s3.amazonaws.com","eventName":"GetObject","eventTime":"2024-05-01T00:00:00Z"}}"#
    )
}

/// Would catch one bad file or record that stops the others, is not named, or is counted wrong.
#[test]
fn bad_files_and_records_are_named_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("1.json", &format!("{{\"Records\":[{},{{\"x\":1}},{}]}}", record("a"), record("b")));
    write("2.json", "eventID,eventName\n");
    write("3.json", &format!("[{},\n", record("c")));
    write("4.ndjson", &format!("{}\n{{\"broken\n{}\n", record("d"), record("e")));
    write("5.json.gz", "\u{1f}\u{8b}");
    fs::write(folder.path().join("5.json.gz"), [0x1f, 0x8b, 1, 2]).unwrap();

    let (batches, refusals, counts) = read(folder.path(), Source::Cloudtrail, Settings::default());
    let expected =
        Counts { inputs: 5, inputs_refused: 3, records: 7, mapped: 5, refused: 2, ..Counts::default() };
    assert_eq!(counts, expected, "{refusals:?}");
    assert_eq!(batches.len(), 1);
    assert_eq!(batches[0].origins.len(), 5);
    let last = &batches[0].origins[4];
    assert!(last.input.ends_with("4.ndjson"));
    assert_eq!((last.index, last.line), (2, 3));
    assert_eq!(refusals.len(), 5);
    for (refusal, expected) in refusals.iter().zip([
        "1.json: record 1 (line 1): not a record of format cloudtrail: it has no usable eventTime",
        "2.json: line 1: does not start with",
        "3.json: line 2: the file ends inside",
        "4.ndjson: record 1 (line 2): is not JSON",
        "5.json.gz: cannot be read",
    ]) {
        assert!(refusal.starts_with(expected), "{refusal}");
    }
}

/// Would catch a batch past its caps, an event lost or doubled where batches meet, a line broken in two.
#[test]
fn batches_keep_their_caps_and_the_order() {
    let folder = tempfile::tempdir().unwrap();
    let text: Vec<String> = (0..100).map(|number| format!("{{\"a\":\n{number}}}")).collect();
    fs::write(folder.path().join("a.json"), format!("[{}]", text.join(","))).unwrap();
    for (events_max, bytes_max) in [(7, 1 << 20), (1000, 40), (1000, 1 << 20), (1, 8)] {
        let settings = Settings { batch_events_max: events_max, batch_bytes_max: bytes_max };
        let (batches, refusals, counts) = read(folder.path(), Source::Native, settings);
        assert_eq!(counts.mapped + counts.refused, 100);
        let mut numbers = Vec::new();
        for batch in &batches {
            assert!(batch.origins.len() <= events_max && batch.body.len() <= bytes_max.max(10));
            let lines: Vec<&[u8]> = batch.body.split_inclusive(|&byte| byte == b'\n').collect();
            assert_eq!(lines.len(), batch.origins.len());
            for (line, origin) in lines.iter().zip(&batch.origins) {
                let value: serde_json::Value = serde_json::from_slice(line).unwrap();
                assert_eq!(value["a"], origin.index);
                numbers.push(origin.index);
            }
        }
        assert!(numbers.is_sorted() && numbers.len() + refusals.len() == 100);
    }
}

/// Would catch a file or value without events that is refused, that passes without a word, or that hides a refusal.
#[test]
fn what_holds_no_events_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let digest =
        r#"{"digestStartTime":"2026-10-05T9:05:12Z","digestEndTime":"2026-10-05T10:05:12Z","logFiles":[]}"#;
    let control =
        r#"{"messageType":"CONTROL_MESSAGE","logEvents":[{"id":"1","message":"CWL CONTROL MESSAGE"}]}"#;
    for (name, text) in [
        ("1.json", digest.to_owned()),
        ("2.json", String::new()),
        ("3.json", " [\n] ".into()),
        ("4.json", "{\"Records\": []}\n".into()),
        ("5.json", "{\"Records\": null}".into()),
        ("6.json", format!("{}\n{control}\n{control}\n", record("a"))),
        ("7.json", format!("{digest}\n{{\"x\":1}}")),
        ("ConfigWritabilityCheckFile", "config check".into()),
        ("8.json", "{\"logEvents\": [] }".into()),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let (batches, refusals, notes, counts) = read_all(folder.path(), Source::Cloudtrail, Settings::default());
    assert_eq!(batches.len(), 1);
    assert_eq!(
        refusals,
        [
            "7.json: record 0 (line 2): not a record of format cloudtrail: it has no usable eventTime; its members are \"x\""
        ]
    );
    assert_eq!(
        notes,
        [
            "1.json FileWithoutEvents: a CloudTrail digest",
            "2.json FileWithoutEvents: it is empty",
            "3.json FileWithoutEvents: an empty list",
            "4.json FileWithoutEvents: an empty list",
            "5.json FileWithoutEvents: an empty list",
            "6.json ValuesWithoutEvents: 2 values without events, the first one is a control message of CloudWatch Logs",
            "7.json ValuesWithoutEvents: a value without events: a CloudTrail digest",
            "8.json FileWithoutEvents: an empty list",
            "ConfigWritabilityCheckFile FileWithoutEvents: a write test of AWS Config",
        ]
    );
    let expected = Counts {
        inputs: 9,
        inputs_without_events: 7,
        values_without_events: 3,
        records: 2,
        mapped: 1,
        refused: 1,
        ..Counts::default()
    };
    assert_eq!(counts, expected);
}

/// Would catch a record that loses a member or its letters in silence, or one that is not named by what identifies it.
#[test]
fn what_json_cannot_hold_is_refused_or_told() {
    let folder = tempfile::tempdir().unwrap();
    let twice = record("a")
        .replace("\"eventName\"", "\"requestParameters\":{\"x/y\":[{\"b\":1,\"b\":2}]},\"eventName\"");
    let half = record("b").replace("\"eventName\"", "\"userAgent\":\"x\\ud83d\",\"eventName\"");
    let mut latin = record("c").replace("\"eventName\"", "\"requestID\":\"@\",\"eventName\"").into_bytes();
    latin.iter_mut().filter(|byte| **byte == b'@').for_each(|byte| *byte = 0xfc);
    let timeless = record("d").replace("eventTime", "noTime");
    let text = [twice.as_bytes(), half.as_bytes(), &latin, timeless.as_bytes()].join(&b'\n');
    fs::write(folder.path().join("a.ndjson"), text).unwrap();

    let (batches, refusals, notes, counts) = read_all(folder.path(), Source::Cloudtrail, Settings::default());
    assert_eq!(
        refusals,
        [
            "a.ndjson: record 0 (line 1), id a: has a member twice: /requestParameters/x~1y/0/b",
            "a.ndjson: record 3 (line 4), id d: not a record of format cloudtrail: it has no usable eventTime",
        ]
    );
    assert_eq!(
        notes,
        [
            "a.ndjson Changed: /userAgent: what was no Unicode letter became U+FFFD",
            "a.ndjson Changed: bytes that are no UTF-8 became U+FFFD",
        ]
    );
    assert_eq!((counts.mapped, counts.changed), (2, 2));
    let body = String::from_utf8(batches[0].body.clone()).unwrap();
    assert!(
        body.contains("\"user_agent\":\"x\u{fffd}\"") && body.contains("\"request_id\":\"\u{fffd}\""),
        "{body}"
    );
}
