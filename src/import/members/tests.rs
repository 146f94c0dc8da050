//! Tests of what the mappings share, and what the tests of the mappings share.

use serde_json::json;

use super::*;
use crate::{
    event::{
        TenantId,
        decode::{BodyFormat, DecodeContext, EventLimits, decode},
    },
    import::{Input, Reader, Settings, Source, Step},
};

fn object(value: Value) -> Map<String, Value> {
    of(value).unwrap()
}

/// Would catch a control character that is taken for a part of an id, in ASCII and beyond.
#[test]
fn ids_have_no_control_characters() {
    for letter in (0..0x300).filter_map(char::from_u32) {
        let text = format!("a{letter}b");
        assert_eq!(fits(&text, 10), !letter.is_control(), "{text:?}");
    }
    assert!(!fits("", 10) && !fits("12345678901", 10) && fits("1234567890", 10));
}

/// Would catch a documented name that is not restored, one that is taken from a member that has it, and a member lost.
#[test]
fn names_get_their_documented_spelling() {
    let mut rest = object(
        json!({"EVENTTYPE": 1, "event_type": 2, "p_event_time": 3, "Published": 4, "published": 5, "UUID": 6}),
    );
    restore_names(&mut rest, &["eventType", "published", "uuid", "version"]);
    let expected = json!({"eventType": 1, "event_type": 2, "p_event_time": 3, "Published": 4, "published": 5, "uuid": 6});
    assert_eq!(Value::from(rest), expected);
}

/// Would catch digits of a time that are lost because an event has microseconds.
#[test]
fn a_time_that_is_too_fine_stays() {
    let mut rest = object(json!({"t": "2024-05-02 18:46:21.123456789"}));
    assert_eq!(take_time(&mut rest, &["t"]).as_deref(), Ok("2024-05-02T18:46:21.123456789Z"));
    assert_eq!(Value::from(rest), json!({"t": "2024-05-02 18:46:21.123456789"}));
}

/// Would catch a time taken from a worse member than there is, one that is lost, and a reason that names another one.
#[test]
fn the_first_member_that_is_a_time_is_taken() {
    let mut rest = object(json!({"a": "redacted", "b": "2024-05-02T18:46:21Z", "c": 7}));
    assert_eq!(take_time(&mut rest, &["a", "b", "c"]).as_deref(), Ok("2024-05-02T18:46:21Z"));
    assert_eq!(Value::from(rest.clone()), json!({"a": "redacted", "c": 7}));
    let wrong = take_time(&mut rest, &["x", "a"]).unwrap_err();
    assert_eq!(wrong.to_string(), "its a is not a time: \"redacted\"");
    assert_eq!(take_time(&mut rest, &["x", "y"]), Err(NotARecord::Missing("x")));
}

/// Would catch two records that get one id, one record that gets two, and a word in place of an id taken for one.
#[test]
fn ids_are_the_records_own_or_its_contents() {
    let is_id = |text: &str| text.starts_with("id");
    let mut own = object(json!({"u": "id-1", "a": 1}));
    assert_eq!(take_id(&mut own, "u", is_id), "id-1");
    assert_eq!(Value::from(own), json!({"a": 1}));

    let of_text = |text: &str| {
        let mut rest = object(serde_json::from_str(text).unwrap());
        let id = take_id(&mut rest, "u", is_id);
        assert_eq!(Value::from(rest), Value::from(object(serde_json::from_str(text).unwrap())));
        id
    };
    let first = of_text(r#"{"u": "redacted", "a": {"b": [1, {}], "c": "\""}}"#);
    assert_eq!(first.len(), "sha256:".len() + 64);
    assert_eq!(first, of_text(r#"{"a": {"c": "\"", "b": [1, {}]}, "u": "redacted", "n": null}"#));
    for other in [
        r#"{"u": "redacted", "a": {"b": [1, []], "c": "\""}}"#,
        r#"{"u": "redacted", "a": {"b": [1], "c": "\""}}"#,
        r#"{"u": "redacted", "a": {"b": ["1", {}], "c": "\""}}"#,
    ] {
        assert_ne!(first, of_text(other));
    }
    // The digest is what importing again rests on, in every version of the program: it never changes.
    assert_eq!(of_text("{}"), "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
}

/// Would catch a member that is taken although its field cannot hold it, or an object left over that was emptied.
#[test]
fn members_are_taken_only_if_they_fit() {
    let mut rest = object(json!({
        "a": {"b": {"c": "x"}, "d": ""}, "n": 7, "f": 7.5, "bell": "\u{7}", "long": "longer",
    }));
    assert_eq!(take_text_at(&mut rest, &["a", "b", "c"], 9).as_deref(), Some("x"));
    assert_eq!(take_text_at(&mut rest, &["a", "d"], 9), None);
    assert_eq!(take_text_at(&mut rest, &["n", "d"], 9), None);
    assert_eq!(take_reference(&mut rest, "n", 9).as_deref(), Some("7"));
    for member in ["f", "bell", "long", "absent"] {
        assert_eq!(take_reference(&mut rest, member, 5), None, "{member}");
    }
    assert_eq!(Value::from(rest), json!({"a": {"d": ""}, "f": 7.5, "bell": "\u{7}", "long": "longer"}));
}

/// Every value that is not null.
fn leaves(value: &Value, found: &mut Vec<Value>) {
    match value {
        Value::Null => {}
        Value::Array(items) => items.iter().for_each(|item| leaves(item, found)),
        Value::Object(members) => members.values().for_each(|member| leaves(member, found)),
        other => found.push(other.clone()),
    }
}

fn as_text(leaf: &Value) -> String {
    leaf.as_str().map_or_else(|| leaf.to_string(), str::to_owned)
}

/// Asserts that each value of the record is in the event as often as it is in the record, at least; the time in another form.
pub(in crate::import) fn assert_nothing_lost(record: &Value, event: &Map<String, Value>) {
    let (mut given, mut kept) = (Vec::new(), Vec::new());
    leaves(record, &mut given);
    leaves(&Value::Object(event.clone()), &mut kept);
    let mut kept: Vec<String> = kept.iter().map(as_text).collect();
    for leaf in given {
        if let Some(place) = kept.iter().position(|text| *text == as_text(&leaf)) {
            kept.swap_remove(place);
            continue;
        }
        let when = times::read(&leaf).and_then(|time| kept.iter().position(|text| *text == time.text));
        let place = when.unwrap_or_else(|| panic!("{leaf} of {record} is lost in {event:?}"));
        kept.swap_remove(place);
    }
}

/// Would catch a check of the mappings that passes whatever they do.
#[test]
#[should_panic(expected = "is lost")]
fn a_lost_value_is_seen() {
    assert_nothing_lost(&json!({"a": 1, "b": {"c": [1]}}), &object(json!({"x": "1"})));
}

/// A file of a format: the records, and for each its event or why it has none.
pub(in crate::import) type Mapped = Vec<(Value, Result<Map<String, Value>, NotARecord>)>;

/// Maps a file of NDJSON record by record; asserts that no value is lost, and that mapping again gives the same.
pub(in crate::import) fn map_lines(
    text: &str,
    event: fn(Value) -> Result<Map<String, Value>, NotARecord>,
) -> Mapped {
    let map = |line: &str| {
        let record: Value = serde_json::from_str(line).unwrap();
        let mapped = event(record.clone());
        if let Ok(event) = &mapped {
            assert_nothing_lost(&record, event);
        }
        assert_eq!(mapped, event(record.clone()));
        (record, mapped)
    };
    text.lines().filter(|line| !line.trim().is_empty()).map(map).collect()
}

/// Asserts that the decoder takes every event of a file as the reader gives it; returns how many there are.
pub(in crate::import) fn assert_decodes(path: &std::path::Path, source: Source) -> u64 {
    let inputs = Input::find(&[path.to_owned()]).unwrap();
    let mut reader = Reader::new(inputs, source, Settings::default());
    let context = DecodeContext {
        limits: EventLimits::IMPORTED,
        ..DecodeContext::new(TenantId::parse("acme").ok(), 1_800_000_000_000_000)
    };
    for step in reader.by_ref() {
        if let Step::Batch(batch) = step {
            let decoded = decode(&batch.body, BodyFormat::Ndjson, &context).unwrap();
            assert_eq!(decoded.rejected, [], "{}", batch.origins[0]);
            assert_eq!(decoded.given_ids.count_set_bits(), batch.origins.len());
        }
    }
    let counts = reader.counts();
    assert_eq!(counts.records, counts.mapped + counts.refused);
    counts.mapped
}

/// The real log of a file's name, if it lies beside the repository.
pub(in crate::import) fn real_file(name: &str) -> Option<std::path::PathBuf> {
    let path = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data/saas").join(name);
    if !path.is_file() {
        eprintln!("no real log {}: not tested with it", path.display());
        return None;
    }
    Some(path)
}
