//! OCSF objects against the schema, against the events they are made of, and against themselves in the other form.

use std::collections::BTreeSet;

use arrow::{
    array::RecordBatch,
    compute::filter_record_batch,
    json::{LineDelimitedWriter, WriterBuilder, writer::LineDelimited},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    event::canonical::to_api_json,
    export::{
        encode::{Compression, Content, Format},
        fixture::{cut, events, file, read_parquet, sealed_table, table, unpacked},
        ocsf::{kind::Kind, mapping::Class},
    },
};

fn lines(rows: &RecordBatch) -> Vec<Value> {
    let file = file(Format::OcsfNdjson, Compression::Zstd, &Content::Events, &cut(rows, 1));
    let text = unpacked(Compression::Zstd, &file);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The schema's own definitions of what is written.
fn schema() -> Value {
    serde_json::from_str(include_str!("../../../testdata/ocsf/schema-1.3.0.json")).unwrap()
}

/// All that is wrong with an object, by the path of the attribute.
fn faults(schema: &Value, definition: &Value, object: &Value, path: &str, found: &mut Vec<String>) {
    let attributes = definition["attributes"].as_object().unwrap();
    let members = object.as_object().unwrap();
    for (name, attribute) in attributes {
        if attribute["need"] == "required" && !members.contains_key(name) {
            found.push(format!("{path}.{name} is required"));
        }
    }
    if let Some(some) = definition.pointer("/constraints/at_least_one").and_then(Value::as_array)
        && !some.iter().any(|name| members.contains_key(name.as_str().unwrap()))
    {
        found.push(format!("{path} needs one of {some:?}"));
    }
    for (name, value) in members {
        let path = format!("{path}.{name}");
        let Some(attribute) = attributes.get(name) else {
            found.push(format!("{path} is not in the schema"));
            continue;
        };
        let values = if attribute["array"] == true { value.as_array() } else { None };
        for value in values.map_or(std::slice::from_ref(value), Vec::as_slice) {
            if let Some(fault) = fault(attribute, members, name, value) {
                found.push(format!("{path}: {fault}: {value}"));
            }
            let kind = attribute["type"].as_str().unwrap();
            match kind.strip_prefix("object ") {
                Some("object") | None => {}
                Some(kind) if value.is_object() => {
                    faults(schema, &schema["objects"][kind], value, &path, found)
                }
                Some(_) => found.push(format!("{path} is no object")),
            }
        }
    }
}

/// What is wrong with a plain value: its type, or that it is not in the list; and a name that is not its number's.
fn fault(
    attribute: &Value,
    members: &serde_json::Map<String, Value>,
    name: &str,
    value: &Value,
) -> Option<String> {
    let text = value.as_str();
    let right = match attribute["type"].as_str().unwrap() {
        "integer" | "long" | "timestamp" => value.is_i64(),
        "boolean" => value.is_boolean(),
        "ip" => text.is_some_and(|text| text.parse::<std::net::IpAddr>().is_ok()),
        "datetime" => text.is_some_and(|text| chrono::DateTime::parse_from_rfc3339(text).is_ok()),
        "email" => {
            text.is_some_and(|text| text.split_once('@').is_some_and(|(_, domain)| domain.contains('.')))
        }
        "json" => !value.is_null(),
        kind if kind.starts_with("object") => value.is_object(),
        _ => text.is_some(),
    };
    if !right {
        return Some(format!("is no {}", attribute["type"]));
    }
    let caption = attribute["enum"].as_object()?.get(&value.to_string());
    let Some(caption) = caption else { return Some("is not in the list".to_owned()) };
    // The text beside a number has the list's word; 99 is "Other", and has the source's word.
    let sibling = match name {
        "class_uid" | "category_uid" | "type_uid" => name.replace("_uid", "_name"),
        "activity_id" => "activity_name".to_owned(),
        _ => name.replace("_id", ""),
    };
    let word = members.get(&sibling)?;
    let other = value == 99 && name != "type_uid";
    (!other && word != caption).then(|| format!("{sibling} is {word}, not {caption}"))
}

fn check(schema: &Value, object: &Value) {
    let class = object["class_uid"].to_string();
    let mut found = Vec::new();
    faults(schema, &schema["classes"][&class], object, "", &mut found);
    assert!(found.is_empty(), "{found:#?} in {object:#}");
    let numbers = |name: &str| object[name].as_i64().unwrap();
    assert_eq!(numbers("type_uid"), numbers("class_uid") * 100 + numbers("activity_id"));
    assert_eq!(numbers("category_uid"), numbers("class_uid") / 1_000);
}

/// Each text, number, truth value and null of a document, and its empty objects and arrays.
fn leaves(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            members.values().for_each(|value| leaves(value, found))
        }
        Value::Array(elements) if !elements.is_empty() => {
            elements.iter().for_each(|value| leaves(value, found))
        }
        leaf => drop(found.insert(leaf.to_string())),
    }
}

/// A row of columns as the lines have it: JSON text is JSON, nulls are left out.
fn as_line(mut row: Value) -> Value {
    let parse = |value: &mut Value| {
        if let Some(text) = value.as_str() {
            *value = serde_json::from_str(text).unwrap();
        }
    };
    row.get_mut("unmapped").map(parse);
    for resource in row.get_mut("resources").and_then(Value::as_array_mut).into_iter().flatten() {
        resource.get_mut("data").map(parse);
    }
    row
}

/// The rows of a file of columns as lines, and the names of its columns.
fn columns(rows: &RecordBatch, content: &Content) -> (Vec<Value>, Vec<String>) {
    let columns = read_parquet(file(Format::OcsfParquet, Compression::None, content, &cut(rows, 2)));
    let mut writer: LineDelimitedWriter<_> = WriterBuilder::new()
        .with_timestamp_tz_format("%Y-%m-%dT%H:%M:%S%.6fZ".to_owned())
        .build::<_, LineDelimited>(Vec::new());
    writer.write(&columns).unwrap();
    writer.finish().unwrap();
    let text = String::from_utf8(writer.into_inner()).unwrap();
    let lines = text.lines().map(|line| as_line(serde_json::from_str(line).unwrap())).collect();
    (lines, columns.schema().fields().iter().map(|field| field.name().clone()).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Would catch an attribute that is missing, unknown, of the wrong type or not in its list, whatever the event says;
    /// and anything of the event that is nowhere in the object.
    #[test]
    fn objects_keep_to_the_schema_and_lose_nothing(events in events()) {
        let (schema, rows) = (schema(), sealed_table(&events));
        let objects = lines(&rows);
        prop_assert_eq!(objects.len(), rows.num_rows());
        for (row, object) in objects.iter().enumerate() {
            check(&schema, object);
            let event: Value = serde_json::from_str(&to_api_json(&rows, row)).unwrap();
            let (mut of_event, mut of_object) = (BTreeSet::new(), BTreeSet::new());
            leaves(&event, &mut of_event);
            leaves(object, &mut of_object);
            let lost: Vec<_> = of_event.difference(&of_object).collect();
            prop_assert!(lost.is_empty(), "{:?} of {} is not in {}", lost, event, object);
        }
    }

    /// Would catch columns that say something else than the lines.
    #[test]
    fn columns_are_the_lines(events in events()) {
        let rows = sealed_table(&events);
        let (found, _) = columns(&rows, &Content::Events);
        prop_assert_eq!(found, lines(&rows));
    }

    /// Would catch a class that is written without an attribute it may have, or with one that its schema does not know.
    #[test]
    fn a_class_of_its_own_has_its_columns(events in events()) {
        let (schema, rows) = (schema(), table(&events));
        for class in [Class::ApiActivity, Class::Authentication, Class::AccountChange] {
            let is = events.iter().map(|event| Kind::of(event["action"].as_str().unwrap()).class == class);
            let of_class = filter_record_batch(&rows, &is.collect::<Vec<_>>().into()).unwrap();
            let (found, names) = columns(&of_class, &Content::OfClass(class));
            prop_assert_eq!(found, lines(&of_class));
            let known = schema["classes"][class.uid().to_string()]["attributes"].as_object().unwrap();
            for name in names {
                prop_assert!(known.contains_key(&name), "{:?} has no {}", class, name);
            }
        }
    }
}

fn sample() -> Vec<Value> {
    vec![
        json!({
            "id": "e1", "tenant_id": "acme", "action": "document.delete", "occurred_at": "2026-11-22T03:04:05.678901Z",
            "actor": {"type": "user", "id": "u_1", "name": "Ana", "email": "ana@acme.example", "metadata": {"team": 4},
                      "on_behalf_of": {"type": "user", "id": "u_7"}, "credential": {"type": "api_key", "id": "key_9"}},
            "workspace": {"id": "eu", "name": "Europe"},
            "targets": [{"type": "document", "id": "d_9", "name": "Q3 plan", "metadata": {"pages": [1, 2]}}],
            "context": {"ip_address": "203.0.113.7", "user_agent": "curl", "session_id": "s_1", "request_id": "r_1",
                        "country": "DE"},
            "outcome": {"result": "denied", "reason": "not_owner"}, "description": "Ana tried", "correlation_id": "c_1",
            "changes": {"title": {"old": "a", "new": "b"}}, "metadata": {"n": 1.5, "none": null}, "version": 3
        }),
        json!({
            "id": "e2", "tenant_id": "acme", "action": "user.login_failed", "occurred_at": "2026-11-22T03:04:05Z",
            "actor": {"type": "service", "id": "sso"}, "outcome": {"result": "failure"},
            "targets": [{"type": "user", "id": "u_2", "name": "Ben"}], "context": {"country": "FR"}
        }),
        json!({
            "id": "e3", "tenant_id": "acme", "action": "role.grant", "occurred_at": "2026-11-22T03:04:05Z",
            "actor": {"type": "admin", "id": "u_1", "email": "not an address"},
            "targets": [{"type": "role", "id": "admin"}, {"type": "member", "id": "u_2"}]
        }),
    ]
}

/// Would catch any change of what other systems already have rules for.
#[test]
fn objects_stay_what_they_are() {
    let version = env!("CARGO_PKG_VERSION");
    let metadata = |uid: &str, action: &str, seq: i64| {
        json!({"uid": uid, "event_code": action, "sequence": seq, "tenant_uid": "acme", "version": "1.3.0",
               "profiles": ["datetime"], "logged_time": 253_402_128_000_000_i64,
               "logged_time_dt": "9999-12-30T00:00:00.000000Z",
               "product": {"name": "auditlake", "vendor_name": "auditlake", "version": version}})
    };
    let mut first = metadata("e1", "document.delete", 0);
    first["correlation_uid"] = json!("c_1");
    let expected = [
        json!({
            "activity_id": 4, "activity_name": "Delete", "category_name": "Application Activity", "category_uid": 6,
            "class_name": "API Activity", "class_uid": 6003, "type_name": "API Activity: Delete", "type_uid": 600_304,
            "actor": {"session": {"uid": "s_1"}, "user": {"uid": "u_1", "name": "Ana", "email_addr": "ana@acme.example",
                      "type": "User", "type_id": 1, "credential_uid": "key_9"}},
            "api": {"operation": "document.delete", "request": {"uid": "r_1"}, "service": {"name": "document"}},
            "http_request": {"uid": "r_1", "user_agent": "curl"}, "message": "Ana tried", "metadata": first,
            "resources": [{"uid": "d_9", "type": "document", "name": "Q3 plan", "data": {"pages": [1, 2]}}],
            "severity": "Low", "severity_id": 2, "src_endpoint": {"ip": "203.0.113.7", "location": {"country": "DE"}},
            "status": "Failure", "status_id": 2, "status_code": "denied", "status_detail": "not_owner",
            "time": 1_795_316_645_678_i64, "time_dt": "2026-11-22T03:04:05.678901Z",
            "unmapped": {
                "actor": {"credential": {"type": "api_key"}, "metadata": {"team": 4},
                          "on_behalf_of": {"id": "u_7", "type": "user"}, "type": "user"},
                "changes": {"title": {"new": "b", "old": "a"}}, "metadata": {"n": 1.5, "none": null}, "version": 3,
                "workspace": {"id": "eu", "name": "Europe"}}
        }),
        json!({
            "activity_id": 1, "activity_name": "Logon", "category_name": "Identity & Access Management",
            "category_uid": 3, "class_name": "Authentication", "class_uid": 3002, "type_name": "Authentication: Logon",
            "type_uid": 300_201, "actor": {"user": {"uid": "sso", "type": "service", "type_id": 99}},
            "metadata": metadata("e2", "user.login_failed", 1), "service": {"uid": "acme"}, "severity": "Low",
            "severity_id": 2, "src_endpoint": {"name": "unknown", "location": {"country": "FR"}}, "status": "Failure",
            "status_id": 2, "status_code": "failure", "time": 1_795_316_645_000_i64,
            "time_dt": "2026-11-22T03:04:05.000000Z", "user": {"uid": "u_2", "name": "Ben", "type": "User", "type_id": 1},
            "unmapped": {"targets": [{"id": "u_2", "name": "Ben", "type": "user"}]}
        }),
        json!({
            "activity_id": 7, "activity_name": "Attach Policy", "category_name": "Identity & Access Management",
            "category_uid": 3, "class_name": "Account Change", "class_uid": 3001,
            "type_name": "Account Change: Attach Policy", "type_uid": 300_107,
            "actor": {"user": {"uid": "u_1", "type": "Admin", "type_id": 2}},
            "metadata": metadata("e3", "role.grant", 2), "policy": {"uid": "admin"}, "severity": "Informational",
            "severity_id": 1, "status": "Unknown", "status_id": 0, "time": 1_795_316_645_000_i64,
            "time_dt": "2026-11-22T03:04:05.000000Z", "user": {"uid": "u_2", "type": "User", "type_id": 1},
            "unmapped": {"actor": {"email": "not an address", "type": "admin"},
                         "targets": [{"id": "admin", "type": "role"}, {"id": "u_2", "type": "member"}]}
        }),
    ];
    let found = lines(&table(&sample()));
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len());
}

/// Would catch a check that sees nothing.
#[test]
fn the_check_finds_faults() {
    let (schema, objects) = (schema(), lines(&table(&sample())));
    let mut broken = objects[0].clone();
    broken["severity_id"] = json!(7);
    broken["status"] = json!("Success");
    broken["src_endpoint"] = json!({"location": {"country": 1}});
    broken["user"] = json!({});
    broken.as_object_mut().unwrap().remove("api");
    let mut found = Vec::new();
    faults(&schema, &schema["classes"]["6003"], &broken, "", &mut found);
    assert_eq!(found.len(), 6, "{found:#?}");
}
