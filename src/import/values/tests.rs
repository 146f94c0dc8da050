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

fn cut(text: &str, envelopes: bool) -> (Vec<(String, u64)>, Option<String>) {
    let input = Drip(text.bytes().collect(), 3);
    let mut values = Values::new(Box::new(input), envelopes);
    let mut found = Vec::new();
    loop {
        match values.next_value() {
            Ok(Some((text, line))) => found.push((String::from_utf8(text.to_vec()).unwrap(), line)),
            Ok(None) => return (found, None),
            Err(error) => return (found, Some(error.to_string())),
        }
    }
}

fn texts(text: &str, envelopes: bool) -> Vec<String> {
    let (found, error) = cut(text, envelopes);
    assert_eq!(error, None, "{text}");
    found.into_iter().map(|(text, _)| text).collect()
}

/// Would catch a shape that is taken for another one.
#[test]
fn every_shape_gives_its_values() {
    let objects = [r#"{"a":1}"#, r#"{"b":"]}"}"#];
    assert_eq!(texts("{\"a\":1}\n\n{\"b\":\"]}\"}\n", false), objects);
    assert_eq!(texts(" [ {\"a\":1} ,\n{\"b\":\"]}\"}] ", false), objects);
    assert_eq!(texts("\u{feff}{\"Records\" : [{\"a\":1},{\"b\":\"]}\"}] }", true), objects);
    assert_eq!(texts("{\"Records\":[{\"a\":1}]}\n{\"Records\":[{\"b\":\"]}\"}]}", true), objects);
    assert_eq!(texts("{\n\"a\":1}\n{\n\"b\":2}", false), ["{\n\"a\":1}", "{\n\"b\":2}"]);
    assert_eq!(texts("{\"Records\":[]}", false), ["{\"Records\":[]}"]);
    assert_eq!(texts("{\"RecordSet\":1}", true), ["{\"RecordSet\":1}"]);
    assert_eq!(texts("[1, \"x\\\"\", null]", false), ["1", "\"x\\\"\"", "null"]);
    assert!(texts("", true).is_empty() && texts("[]", true).is_empty() && texts(" \n", true).is_empty());
}

/// Would catch reports that send the reader to a wrong line.
#[test]
fn values_know_their_line() {
    let (found, _) = cut("\n[{\"a\":\n1},\n\n{\"b\":2}]", false);
    assert_eq!(found.iter().map(|(_, line)| *line).collect::<Vec<_>>(), [2, 5]);
    let (found, _) = cut("{\"a\":1}\n\n{\"b\":2}", false);
    assert_eq!(found.iter().map(|(_, line)| *line).collect::<Vec<_>>(), [1, 3]);
}

/// Would catch one broken line that takes the following ones with it.
#[test]
fn a_broken_line_stands_alone() {
    assert_eq!(texts("{\"a\":1}\n{\"b\n{\"c\":3}", false), ["{\"a\":1}", "{\"b", "{\"c\":3}"]);
}

/// Would catch a file cut off in a copy, or one that is no JSON, taken as complete.
#[test]
fn broken_texts_say_where() {
    for (text, expected, count) in [
        ("[{\"a\":1},\n{\"b\":", "line 2: the file ends inside", 1),
        ("[{\"a\":1},\n", "line 2: the file ends inside", 1),
        ("{\"Records\":[{\"a\":1}]", "line 1: the file ends inside", 1),
        ("{\"Records\":[],\"x\":1}", "',' where '}' after the Records array should be", 0),
        ("[{\"a\":1} {\"b\":2}]", "'{' where ',' or ']' should be", 0),
        ("eventID,eventName", "does not start with", 0),
        ("{\"a\":\n1", "line 1: the file ends inside", 0),
    ] {
        let (found, error) = cut(text, true);
        let message = error.unwrap_or_default();
        assert!(message.contains(expected), "{text:?}: {message}");
        assert_eq!(found.len(), count, "{text:?}");
    }
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
    let mut values = Values::new(Box::new(Endless), false);
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
        let found: Vec<serde_json::Value> = texts(&text.unwrap(), false)
            .iter()
            .map(|text| serde_json::from_str(text).unwrap())
            .collect();
        prop_assert_eq!(found, array);
    }
}
