//! Tests of the cutting of byte streams into JSON values.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

/// A stream that gives `step` bytes a read, so that every place is once a buffer's end.
struct Drip(VecDeque<u8>, usize);

impl Read for Drip {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.1.min(buffer.len()).min(self.0.len());
        for (place, byte) in buffer.iter_mut().zip(self.0.drain(..count)) {
            *place = byte;
        }
        Ok(count)
    }
}

fn cut(text: &str) -> (Vec<(String, u64)>, Option<String>) {
    let input = Drip(text.bytes().collect(), 3);
    let mut values = Values::new(Box::new(input), Source::Cloudtrail);
    let mut found = Vec::new();
    loop {
        match values.next_value() {
            Ok(Some(cut)) => found.push((String::from_utf8(cut.text.to_vec()).unwrap(), cut.line)),
            Ok(None) => return (found, None),
            Err(error) => return (found, Some(error.to_string())),
        }
    }
}

fn texts(text: &str) -> Vec<String> {
    let (found, error) = cut(text);
    assert_eq!(error, None, "{text}");
    found.into_iter().map(|(text, _)| text).collect()
}

/// Would catch a shape that is taken for another one.
#[test]
fn every_shape_gives_its_values() {
    let objects = [r#"{"a":1}"#, r#"{"b":"]}"}"#];
    for text in [
        "{\"a\":1}\n\n{\"b\":\"]}\"}\n",
        " [ {\"a\":1} ,\n{\"b\":\"]}\"}] ",
        "\u{feff}{\"Records\" : [{\"a\":1},{\"b\":\"]}\"}] }",
        "{\"Records\":[{\"a\":1}]}\n{\"Records\":[{\"b\":\"]}\"}],\"next\":{\"token\":[\"x\"]}}",
        "{\"Records\":[{\"a\":1}] , \"x\":1 }[{\"b\":\"]}\"}]",
        "{\"a\":1}{\"b\":\"]}\"}",
        "{\"a\":1} {\"b\":\"]}\"}\r\n",
        "{\"a\":1},\n{\"b\":\"]}\"},\n",
        "\u{1e}{\"a\":1}\n\u{1e}{\"b\":\"]}\"}\n",
        "\u{feff}{\"a\":1}\n\u{feff}{\"b\":\"]}\"}\n",
        "[{\"a\":1}][{\"b\":\"]}\"}]",
        "[{\"a\":1}]\n{\"b\":\"]}\"}",
    ] {
        assert_eq!(texts(text), objects, "{text}");
    }
    assert_eq!(texts("{\n\"a\":1}\n{\n\"b\":2}"), ["{\n\"a\":1}", "{\n\"b\":2}"]);
    assert_eq!(
        texts("{\"a\":1}\n{\n  \"b\": [\n{}\n]\n}\n{\"c\":3}"),
        ["{\"a\":1}", "{\n  \"b\": [\n{}\n]\n}", "{\"c\":3}"]
    );
    assert_eq!(texts("{\"RecordSet\":1}"), ["{\"RecordSet\":1}"]);
    assert_eq!(texts("[1, \"x\\\"\", null]"), ["1", "\"x\\\"\"", "null"]);
    assert_eq!(texts("\"{\\\"a\\\":1}\"\n\"{}\""), ["\"{\\\"a\\\":1}\"", "\"{}\""]);
    for nothing in ["", "[]", " \n", "{\"Records\":[]}", "\u{feff}", "[] \n []"] {
        assert!(texts(nothing).is_empty(), "{nothing}");
    }
}

/// Would catch reports that send the reader to a wrong line.
#[test]
fn values_know_their_line() {
    for (text, lines) in [
        ("\n[{\"a\":\n1},\n\n{\"b\":2}]", [2, 5]),
        ("{\"a\":1}\n\n{\"b\":2}", [1, 3]),
        ("{\"a\":1}{\"b\":2}", [1, 1]),
    ] {
        assert_eq!(cut(text).0.iter().map(|(_, line)| *line).collect::<Vec<_>>(), lines);
    }
}

/// Would catch one broken line that takes the following ones with it, wherever it breaks.
#[test]
fn a_broken_line_stands_alone() {
    for broken in [
        "{\"b",
        "{\"b\":",
        "{\"b\":{\"x\":1}",
        "{\"b\":[1,",
        "{\"b\":{\"x\":1},",
        "{broken",
        "null",
        "12:00:01 started",
        "{\"b\":\"x\",\"c\":{\"d\":[{\"e\":\"f\\",
    ] {
        let text = format!("{{\"a\":1}}\n{broken}\n{{\"c\":3}}\n{{\"d\":4}}\n");
        let found = texts(&text);
        assert_eq!(found.len(), 4, "{text}: {found:?}");
        assert_eq!([&found[0], &found[2], &found[3]], ["{\"a\":1}", "{\"c\":3}", "{\"d\":4}"], "{text}");
        assert_eq!(found[1].trim_end(), broken, "{text}");
        if broken.starts_with('{') {
            assert_eq!(
                texts(&format!("{broken}\n{{\"c\":3}}\n{{\"d\":4}}"))[1..],
                ["{\"c\":3}", "{\"d\":4}"],
                "{text}"
            );
        }
    }
    assert_eq!(texts("{\"a\":1}}\n{\"b\":2}"), ["{\"a\":1}", "}\n", "{\"b\":2}"]);
    assert_eq!(texts("{\"a\":1}\n{\"b"), ["{\"a\":1}", "{\"b"]);
}

/// Would catch a file cut off in a copy, or one that is no JSON, taken as complete.
#[test]
fn broken_texts_say_where() {
    for (text, expected, count) in [
        ("[{\"a\":1},\n{\"b\":", "line 2: the file ends inside", 1),
        ("[{\"a\":1},\n", "line 2: the file ends inside", 1),
        ("{\"Records\":[{\"a\":1}]", "line 1: the file ends inside", 1),
        ("{\"Records\":[{\"a\":1}],\"x\":", "line 1: the file ends inside", 1),
        ("{\"Records\":[{\"a\":1}],\"events\" : [ {\"b\":2}]}", "\"events\" besides the list", 1),
        ("{\"Records\":[{\"a\":1}] {}", "'{' where ',' or '}'", 1),
        ("[{\"a\":1} {\"b\":2}]", "line 1: a comma is missing before this element", 1),
        ("eventID,eventName", "does not start with", 0),
        ("\"eventID\",\"eventName\"", "does not start with", 0),
        ("PK\u{3}\u{4} and more", "it is a zip archive, which is not read", 0),
    ] {
        let (found, error) = cut(text);
        let message = error.unwrap_or_default();
        assert!(message.contains(expected), "{text:?}: {message}");
        assert_eq!(found.len(), count, "{text:?}");
    }
}

/// Would catch a page of more records than fit in memory that is refused, or one that is read as a record.
#[test]
fn objects_longer_than_records_are_read_record_by_record() {
    let record = format!("{{\"x\":\"{}\"}}", "é".repeat(1_000));
    let count = IMPORT_VALUE_BYTES_MAX / record.len() + 10;
    let records = vec![record.as_str(); count].join(",");
    let text = format!(
        "{{\"tags\":[\"{{\"],\"page\":{{\"items\":[{{}}]}},\"events\": [{records}],\"next\":null}}\n{{\"a\":1}}"
    );
    let mut values = Values::new(Box::new(std::io::Cursor::new(text.into_bytes())), Source::Cloudtrail);
    let mut found = 0;
    while let Some(Cut { text: value, line, .. }) = values.next_value().unwrap() {
        found += 1;
        assert_eq!(
            (value, line),
            if found > count { (&b"{\"a\":1}"[..], 2) } else { (record.as_bytes(), 1) }
        );
    }
    assert_eq!(found, count + 1);
}

/// Would catch a line that is too long and costs the lines behind it.
#[test]
fn a_line_that_is_too_long_stands_alone() {
    let long = format!("{{\"x\":\"{}\"}}", "y".repeat(IMPORT_VALUE_BYTES_MAX + CHUNK_BYTES));
    let text = format!("{{\"a\":1}}\n{long}\n{{\"b\":2}}\n");
    let mut values = Values::new(Box::new(std::io::Cursor::new(text.into_bytes())), Source::Cloudtrail);
    assert_eq!(values.next_value().unwrap().unwrap().text, b"{\"a\":1}");
    assert!(matches!(values.next_value(), Err(ValuesError::LongLine(2))));
    let last = values.next_value().unwrap().unwrap();
    assert_eq!((last.text, last.line), (&b"{\"b\":2}"[..], 3));
    assert!(values.next_value().unwrap().is_none());
}

/// Would catch a file of one endless value that fills the memory.
#[test]
fn a_value_has_a_longest_length() {
    struct Endless;
    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            buffer.fill(b'[');
            Ok(buffer.len())
        }
    }
    let mut values = Values::new(Box::new(Endless), Source::Cloudtrail);
    assert!(matches!(values.next_value(), Err(ValuesError::TooLong(1))));
}

fn arbitrary_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        "[\\PC\"\\\\\\[\\]{},:\n]{0,12}".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::btree_map("[a-z\"{\\]]{0,3}", inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Would catch a bracket, quote or escape that is counted wrong.
    #[test]
    fn cut_values_are_the_values(array in prop::collection::vec(arbitrary_json(), 0..6), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&array) } else { serde_json::to_string(&array) };
        let found: Vec<serde_json::Value> = texts(&text.unwrap())
            .iter()
            .map(|text| serde_json::from_str(text).unwrap())
            .collect();
        prop_assert_eq!(found, array);
    }

    /// The same for values that do not stand in an array, with anything between them that may be there.
    #[test]
    fn values_in_a_row_are_the_values(
        rows in prop::collection::vec((arbitrary_json(), "(\n|\r\n| |\n\n|)", any::<bool>()), 0..6),
    ) {
        let mut text = String::new();
        for (value, between, pretty) in &rows {
            let row = serde_json::json!({"v": value});
            text.push_str(&if *pretty { serde_json::to_string_pretty(&row).unwrap() } else { row.to_string() });
            text.push_str(between);
        }
        let found: Vec<serde_json::Value> =
            texts(&text).iter().map(|text| serde_json::from_str::<serde_json::Value>(text).unwrap()["v"].take()).collect();
        prop_assert_eq!(found, rows.into_iter().map(|(value, ..)| value).collect::<Vec<_>>());
    }
}
