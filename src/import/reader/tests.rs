//! Tests of reading many inputs into batches.

use std::{fs, path::Path};

use super::*;

fn read(folder: &Path, source: Source, settings: Settings) -> (Vec<Batch>, Vec<String>, Counts) {
    let inputs = Input::find(&[folder.to_owned()]).unwrap();
    let mut reader = Reader::new(inputs, source, settings);
    let (mut batches, mut refusals) = (Vec::new(), Vec::new());
    for step in reader.by_ref() {
        match step {
            Step::Batch(batch) => batches.push(batch),
            Step::Refused(refusal) => {
                refusals.push(refusal.to_string().replace(&format!("{}/", folder.display()), ""));
            }
        }
    }
    assert_eq!(reader.bytes_read(), reader.bytes_total());
    (batches, refusals, reader.counts())
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
    let expected = Counts { inputs: 5, inputs_refused: 3, records: 7, mapped: 5, refused: 2 };
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
