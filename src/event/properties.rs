//! The product's most important property: an event has one byte form, and a stored row gives it back.
//!
//! Events are made at random as JSON, together with what they should become by an independent, naive
//! canonicalisation; then they go through the decoder, through Parquet, and through the decoder again.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, Int64Array, RecordBatch},
    compute::cast,
    datatypes::{DataType, Field, Schema},
};
use bytes::Bytes;
use parquet::arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder};
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Map, Value, json};

use super::{
    canonical::{Rows, canonical_json, content_hashes, to_api_json},
    decode::{BodyFormat, DecodeContext, decode, without_seq},
    schema,
};

/// 9999-12-30T00:00:00Z: every year that RFC 3339 can write may occur.
const NOW: i64 = 253_402_128_000_000_000;
const OLDEST: i64 = 946_684_800_000_000;

/// Text with all that has ever broken a JSON reader.
fn prose() -> impl Strategy<Value = String> {
    let special = select(vec![
        '\0',
        '\u{1}',
        '\t',
        '\n',
        '\r',
        '\u{8}',
        '\u{c}',
        '"',
        '\\',
        '/',
        '\u{7f}',
        '\u{85}',
        'é',
        '\u{2028}',
        '\u{2029}',
        '\u{e000}',
        '\u{fb33}',
        '\u{feff}',
        '\u{ffff}',
        '😀',
        '\u{10ffff}',
        '\u{200d}',
        '~',
    ]);
    vec(prop_oneof![any::<char>(), special, proptest::char::range(' ', '~')], 0..24)
        .prop_map(|letters| letters.into_iter().collect())
}

/// Text for ids: not empty, no control characters.
fn identifier() -> impl Strategy<Value = String> {
    prose().prop_map(|text| {
        let kept: String = text.chars().filter(|letter| !letter.is_control()).collect();
        if kept.is_empty() { "x".into() } else { kept }
    })
}

/// Numbers that every reader understands alike.
fn number() -> impl Strategy<Value = Value> {
    let exact = -9_007_199_254_740_991_i64..=9_007_199_254_740_991;
    let tricky = select(vec![
        0.0,
        -0.0,
        1.0,
        4.5,
        1e21,
        1e30,
        1.7976931348623157e308,
        5e-324,
        1e-7,
        1e-6,
        333333333.3333333,
        0.1,
        2.2250738585072014e-308,
        9007199254740991.0,
        -1e-27,
    ]);
    let float = proptest::num::f64::NORMAL.prop_filter("readers disagree on it", |value| {
        !(9_007_199_254_740_992.0..1e21).contains(&value.abs())
    });
    prop_oneof![exact.prop_map(Value::from), tricky.prop_map(Value::from), float.prop_map(Value::from)]
}

/// Any JSON value, nested a few levels deep.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number(),
        prose().prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            vec((prose(), inner), 0..5).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn metadata() -> impl Strategy<Value = Value> {
    vec((prose(), value()), 0..5).prop_map(|members| Value::Object(members.into_iter().collect()))
}

fn changes() -> impl Strategy<Value = Value> {
    let change = (option::of(value()), value(), any::<bool>()).prop_map(|(old, new, only_old)| {
        match (old, only_old) {
            (Some(old), true) => json!({ "old": old }),
            (Some(old), false) => json!({"old": old, "new": new}),
            (None, _) => json!({ "new": new }),
        }
    });
    vec((prose(), change), 0..4).prop_map(|fields| Value::Object(fields.into_iter().collect()))
}

fn target() -> impl Strategy<Value = Value> {
    let names = (identifier(), option::weighted(0.3, proptest::collection::btree_set(identifier(), 0..4)));
    let others = (option::of(prose()), option::weighted(0.2, metadata()));
    (identifier(), names, others).prop_map(|(kind, (id, aliases), (name, metadata))| {
        let aliases =
            aliases.map(|aliases| aliases.into_iter().filter(|alias| *alias != id).collect::<Vec<_>>());
        json!({"type": kind, "id": id, "aliases": aliases, "name": name, "metadata": metadata})
    })
}

fn targets() -> impl Strategy<Value = Value> {
    let many = (target(), 1..=64_usize).prop_map(|(target, count)| Value::from(vec![target; count]));
    prop_oneof![4 => vec(target(), 0..4).prop_map(Value::from), 1 => many]
}

fn micros() -> impl Strategy<Value = i64> {
    prop_oneof![
        Just(OLDEST),
        Just(NOW + 86_400_000_000),
        OLDEST..=NOW,
        select(vec![OLDEST + 1, 1_582_934_400_000_000])
    ]
}

fn time(micros: i64) -> String {
    let time = chrono::DateTime::from_timestamp_micros(micros).unwrap();
    time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

fn ip_address() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<std::net::Ipv4Addr>().prop_map(|address| address.to_string()),
        any::<std::net::Ipv6Addr>().prop_map(|address| address.to_string()),
    ]
}

fn context() -> impl Strategy<Value = Value> {
    let fields = (
        option::of(ip_address()),
        option::of(prose()),
        option::of(identifier()),
        option::of(identifier()),
        option::of("[A-Z]{2}"),
    );
    fields.prop_map(|(ip, agent, session, request, country)| {
        json!({"ip_address": ip, "user_agent": agent, "session_id": session, "request_id": request, "country": country})
    })
}

fn actor() -> impl Strategy<Value = Value> {
    let on_behalf_of = (identifier(), identifier(), option::of(prose()));
    let credential = (identifier(), identifier());
    let fields = (
        (identifier(), identifier()),
        option::of(prose()),
        option::of(prose()),
        option::of(metadata()),
        option::of(on_behalf_of.prop_map(|(kind, id, name)| json!({"type": kind, "id": id, "name": name}))),
        option::of(credential.prop_map(|(kind, id)| json!({"type": kind, "id": id}))),
    );
    fields.prop_map(|((kind, id), name, email, metadata, on_behalf_of, credential)| {
        json!({"type": kind, "id": id, "name": name, "email": email, "metadata": metadata,
               "on_behalf_of": on_behalf_of, "credential": credential})
    })
}

/// An event as a client may send it: optional fields null, empty or filled.
pub(crate) fn event() -> impl Strategy<Value = Value> {
    let result = select(vec!["success", "failure", "denied", "unknown"]);
    let first =
        (identifier(), "[A-Za-z0-9._-]{1,64}", identifier(), micros(), actor(), option::of(targets()));
    let second = (
        option::of(context()),
        option::of((result, option::of(prose()))),
        option::of((identifier(), option::of(prose()))),
        option::of(prose()),
        option::of(identifier()),
        option::of(changes()),
        option::of(metadata()),
        option::of(0..=i32::MAX),
    );
    (first, second).prop_map(|((id, tenant, action, micros, actor, targets), second)| {
        let (context, outcome, workspace, description, correlation, changes, metadata, version) = second;
        json!({
            "id": id, "tenant_id": tenant, "action": action, "occurred_at": time(micros), "actor": actor,
            "targets": targets, "context": context, "description": description, "correlation_id": correlation,
            "outcome": outcome.map(|(result, reason)| json!({"result": result, "reason": reason})),
            "workspace": workspace.map(|(id, name)| json!({"id": id, "name": name})),
            "changes": changes, "metadata": metadata, "version": version
        })
    })
}

/// Leaves out what says nothing: nulls and empty objects and arrays among an event's own fields.
fn normalised(event: &Value) -> Value {
    let Value::Object(members) = event else { return event.clone() };
    let kept = members.iter().filter_map(|(key, value)| {
        let value = match key.as_str() {
            "metadata" | "changes" => value.clone(),
            "targets" => value.as_array().map(|all| all.iter().map(normalised).collect()).unwrap_or_default(),
            _ => normalised(value),
        };
        let empty = value.is_null() || value == json!({}) || value == json!([]);
        (!empty).then(|| (key.clone(), value))
    });
    Value::Object(kept.collect::<Map<_, _>>())
}

/// RFC 8785 as plainly as it can be written.
fn naive_canonical(value: &Value) -> String {
    match value {
        Value::Number(number) => ryu_js::Buffer::new().format(number.as_f64().unwrap()).to_owned(),
        Value::Array(elements) => {
            format!("[{}]", elements.iter().map(naive_canonical).collect::<Vec<_>>().join(","))
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(key, _)| key.encode_utf16().collect::<Vec<_>>());
            let members =
                members.iter().map(|(key, value)| format!("{}:{}", json!(key), naive_canonical(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

/// The same JSON with every letter beyond ASCII escaped, as Python writes it, and white space between.
fn escaped(json: &str) -> String {
    let mut out = String::from(" ");
    for letter in json.chars() {
        if letter.is_ascii() {
            out.push(letter);
        } else {
            out.extend(letter.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04X}")));
        }
    }
    out + "\r\n"
}

/// The accepted columns of events as a client sends them.
pub(crate) fn decoded(body: &str) -> RecordBatch {
    let context = DecodeContext::new(None, NOW);
    let decoded = decode(body.as_bytes(), BodyFormat::Json, &context).unwrap();
    assert_eq!(decoded.rejected, vec![], "{body}");
    decoded.batch
}

/// The batch as a commit stores it: with `seq` in front.
pub(crate) fn stored(batch: &RecordBatch) -> RecordBatch {
    let mut columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from_iter_values(0..batch.num_rows() as i64))];
    columns.extend(batch.columns().iter().cloned());
    RecordBatch::try_new(schema::stored_schema(), columns).unwrap()
}

fn through_parquet(batch: &RecordBatch) -> RecordBatch {
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    let file = Bytes::from(writer.into_inner().unwrap());
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    reader.build().unwrap().next().unwrap().unwrap()
}

/// The batch as DataFusion may hand it over: text as views or dictionaries, columns in another order.
fn as_views(batch: &RecordBatch) -> RecordBatch {
    let key = Box::new(DataType::Int32);
    let kinds =
        [DataType::Utf8View, DataType::LargeUtf8, DataType::Dictionary(key, Box::new(DataType::Utf8))];
    let schema = batch.schema();
    let columns =
        schema.fields().iter().zip(batch.columns()).enumerate().rev().map(|(index, (field, column))| {
            let column = match column.data_type() {
                DataType::Utf8 => cast(column, &kinds[index % kinds.len()]).unwrap(),
                _ => column.clone(),
            };
            (Field::new(field.name(), column.data_type().clone(), true), column)
        });
    let (fields, columns): (Vec<_>, Vec<_>) = columns.unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// Would catch any letter, number, key or field that is lost, added or changed between the request, the
    /// columns, a Parquet file and the answer; and any event with two byte forms.
    #[test]
    fn an_event_keeps_its_one_byte_form(event in event()) {
        let mut wanted = normalised(&event);
        wanted["received_at"] = json!(time(NOW));
        let wanted = naive_canonical(&wanted);

        let batch = decoded(&event.to_string());
        let canonical = String::from_utf8(canonical_json(&batch, 0)).unwrap();
        prop_assert_eq!(&canonical, &wanted);

        let read_back = through_parquet(&stored(&batch));
        prop_assert_eq!(canonical_json(&read_back, 0), canonical_json(&batch, 0));
        prop_assert_eq!(canonical_json(&as_views(&read_back), 0), canonical_json(&batch, 0));
        // What the API shows, in whatever spelling, leads back to the bytes of the leaf.
        let shown = escaped(&to_api_json(&read_back, 0));
        prop_assert_eq!(without_seq(&shown).unwrap(), (canonical.clone(), Some(0)));

        let other_spelling = decoded(&escaped(&event.to_string()));
        prop_assert_eq!(&other_spelling, &batch);

        let server_field = format!(",\"received_at\":\"{}\"", time(NOW));
        prop_assert_eq!(&decoded(&canonical.replacen(&server_field, "", 1)), &batch);
        prop_assert_eq!(content_hashes(&batch), content_hashes(&as_views(&read_back)));
    }
}

/// Pieces that break JSON, or turn it into other JSON.
const SHARDS: [&[u8]; 16] = [
    b"\\ud800", b"\\", b"\"", b"{", b"}", b"[", b"]", b",", b":", b"-1e999", b"null", b"\0", b"\xff", b"\n",
    b"\"id\":", b"",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// Would catch a broken body that brings the decoder down, an event that goes missing between good and bad,
    /// and a bad event that passes: what is accepted must be acceptable again.
    #[test]
    fn broken_bodies_do_no_harm(
        event in event(),
        breaks in vec((any::<prop::sample::Index>(), 0..4_usize, select(SHARDS.to_vec())), 1..4),
    ) {
        let mut body = event.to_string().into_bytes();
        for (place, removed, shard) in breaks {
            let start = place.index(body.len() + 1);
            let end = (start + removed).min(body.len());
            body.splice(start..end, shard.iter().copied());
        }
        let context = DecodeContext::new(None, NOW);
        for format in [BodyFormat::Json, BodyFormat::Ndjson] {
            let Ok(found) = decode(&body, format, &context) else { continue };
            prop_assert_eq!(found.batch.num_rows() + found.rejected.len(), found.total);
            for row in 0..found.batch.num_rows() {
                let canonical = String::from_utf8(canonical_json(&found.batch, row)).unwrap();
                let server_field = format!(",\"received_at\":\"{}\"", time(NOW));
                prop_assert_eq!(&decoded(&canonical.replacen(&server_field, "", 1)), &found.batch.slice(row, 1));
            }
        }
    }
}

/// A fixed event, and its canonical text with `SEQ` where `seq` goes.
fn sample() -> (RecordBatch, &'static str) {
    let body = r#"{"id": "e1", "tenant_id": "acme", "action": "a.b", "occurred_at": "2026-11-22T04:04:05.67+01:00",
        "actor": {"type": "user", "id": "u_1", "credential": {"type": "key", "id": "k"}}, "version": 1,
        "outcome": {"result": "denied"}, "targets": [{"type": "t", "id": "d", "metadata": {"b": 1.50, "a": []}}]}"#;
    let text = concat!(
        r#"{"action":"a.b","actor":{"credential":{"id":"k","type":"key"},"id":"u_1","type":"user"},"id":"e1","#,
        r#""occurred_at":"2026-11-22T03:04:05.670000Z","outcome":{"result":"denied"},"#,
        r#""received_at":"9999-12-30T00:00:00.000000Z",SEQ"targets":[{"id":"d","metadata":{"a":[],"b":1.5},"type":"t"}],"#,
        r#""tenant_id":"acme","version":1}"#
    );
    (decoded(body), text)
}

/// Would catch a change of the canonical form: every signature and hash made before would break.
#[test]
fn the_canonical_form_never_changes() {
    let (batch, text) = sample();
    assert_eq!(canonical_json(&batch, 0), text.replace("SEQ", "").as_bytes());
    assert_eq!(to_api_json(&batch, 0), text.replace("SEQ", ""));
    assert_eq!(to_api_json(&stored(&batch), 0), text.replace("SEQ", "\"seq\":0,"));
    assert_eq!(canonical_json(&stored(&batch), 0), canonical_json(&batch, 0));
}

/// Would catch a hash that differs between versions, or that depends on the time of receipt.
#[test]
fn the_content_hash_never_changes() {
    let (batch, _) = sample();
    // XXH64 as another implementation computes it.
    assert_eq!(content_hashes(&batch), [3_427_190_239_946_984_268]);
    let schema = schema::accepted_schema();
    let later = schema.fields().iter().zip(batch.columns()).map(|(field, column)| {
        if field.name() == schema::RECEIVED_AT {
            batch.column_by_name(schema::OCCURRED_AT).unwrap()
        } else {
            column
        }
        .clone()
    });
    let later = RecordBatch::try_new(schema.clone(), later.collect()).unwrap();
    assert_eq!(content_hashes(&later), content_hashes(&stored(&batch)));
}

/// Would catch a row written with fields silently missing.
#[test]
fn a_batch_without_a_column_is_refused_by_name() {
    let (batch, _) = sample();
    let without = batch.project(&[0, 1, 2, 3]).unwrap();
    let error = Rows::new(&without).err().unwrap();
    assert_eq!(error.to_string(), "column action is missing from a batch of events");
    assert_eq!(Rows::new(&batch.slice(0, 0)).unwrap().len(), 0);
}
