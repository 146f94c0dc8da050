//! Bodies and validation rules by table.

use arrow::array::{Array, AsArray};
use serde_json::{Value, json};

use super::*;
use crate::{
    event::{canonical::canonical_json, schema},
    limits,
};

/// 2026-11-23T00:00:00Z.
const NOW: i64 = 1_795_392_000_000_000;

fn context(tenant: Option<&str>) -> DecodeContext {
    let tenant = tenant.map(|text| TenantId::parse(text).unwrap());
    DecodeContext::new(tenant, NOW)
}

fn decode_json(body: impl AsRef<[u8]>) -> Decoded {
    decode(body.as_ref(), BodyFormat::Json, &context(None)).unwrap()
}

/// The smallest good event.
fn minimal() -> Value {
    json!({"tenant_id": "acme", "action": "user.login", "occurred_at": "2026-11-22T03:04:05Z",
           "actor": {"type": "user", "id": "u_1"}})
}

/// [`minimal`] with the value at `pointer` set; missing objects on the way are made.
fn with(pointer: &str, value: Value) -> Value {
    let mut event = minimal();
    let mut place = &mut event;
    for key in pointer.split('/').skip(1) {
        if place.is_null() {
            *place = json!({});
        }
        place = &mut place[key];
    }
    *place = value;
    event
}

/// The only problems of the only event of `body`, as "pointer detail".
fn problems(body: impl AsRef<[u8]>) -> Vec<String> {
    let mut decoded = decode_json(body);
    assert_eq!((decoded.total, decoded.batch.num_rows()), (1, 1 - decoded.rejected.len()));
    let errors = decoded.rejected.pop().map_or(vec![], |rejected| rejected.errors);
    errors.iter().map(|error| format!("{} {}", error.pointer, error.detail)).collect()
}

/// The canonical form of the only event of `body`, without what the server adds.
fn canonical(body: impl AsRef<[u8]>) -> Value {
    let decoded = decode_json(body);
    assert_eq!(decoded.rejected, vec![]);
    let mut event: Value = serde_json::from_slice(&canonical_json(&decoded.batch, 0)).unwrap();
    event.as_object_mut().unwrap().remove("received_at");
    if !decoded.given_ids.value(0) {
        event.as_object_mut().unwrap().remove("id");
    }
    event
}

/// Would catch a field that lands in the wrong column.
#[test]
fn every_field_has_its_column() {
    let event = json!({
        "id": "e1", "tenant_id": "c:tenant_id", "action": "c:action", "occurred_at": "2026-11-22T03:04:05.678901Z",
        "actor": {"type": "c:actor_type", "id": "c:actor_id", "name": "c:actor_name", "email": "c:actor_email",
            "metadata": {"b": 1, "a": "c:actor_metadata"},
            "on_behalf_of": {"type": "c:on_behalf_of_type", "id": "c:on_behalf_of_id", "name": "c:on_behalf_of_name"},
            "credential": {"type": "c:credential_type", "id": "c:credential_id"}},
        "workspace": {"id": "c:workspace_id", "name": "c:workspace_name"},
        "targets": [{"type": "c:target_type", "id": "c:target_id", "name": "c:target_name", "metadata": {"k": [1]}},
            {"type": "t2", "id": "d2"}],
        "context": {"ip_address": "203.0.113.7", "user_agent": "c:user_agent", "session_id": "c:session_id",
            "request_id": "c:request_id", "country": "DE"},
        "outcome": {"result": "denied", "reason": "c:outcome_reason"},
        "description": "c:description", "correlation_id": "c:correlation_id",
        "changes": {"title": {"old": null, "new": "c:changes"}}, "metadata": {"m": "c:metadata"}, "version": 7
    });
    let body = event.to_string().replace("c:tenant_id", "acme");
    let batch = decode_json(&body).batch;
    assert_eq!(batch.schema(), schema::accepted_schema());
    let text = |name: &str| batch.column_by_name(name).unwrap().as_string::<i32>().value(0).to_owned();
    // `sealed` is the server's.
    for column in Column::ALL.into_iter().filter(|column| *column != Column::Sealed) {
        let wanted = match column {
            Column::Id => "e1".into(),
            Column::TenantId => "acme".into(),
            Column::Outcome => "denied".into(),
            Column::IpAddress => "203.0.113.7".into(),
            Column::Country => "DE".into(),
            Column::ActorMetadata => r#"{"a":"c:actor_metadata","b":1}"#.into(),
            Column::Changes => r#"{"title":{"new":"c:changes","old":null}}"#.into(),
            Column::Metadata => r#"{"m":"c:metadata"}"#.into(),
            Column::Targets => concat!(
                r#"[{"id":"c:target_id","metadata":{"k":[1]},"name":"c:target_name","type":"c:target_type"},"#,
                r#"{"id":"d2","type":"t2"}]"#
            )
            .into(),
            other => format!("c:{}", other.name()),
        };
        assert_eq!(text(column.name()), wanted);
    }
    let ids = batch.column_by_name("target_ids").unwrap().as_list::<i32>().value(0);
    assert_eq!(ids.as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["c:target_id", "d2"]);
    let times = |name: &str| {
        let column = batch.column_by_name(name).unwrap();
        column.as_primitive::<arrow::datatypes::TimestampMicrosecondType>().value(0)
    };
    assert_eq!((times("occurred_at"), times("received_at")), (1_795_316_645_678_901, NOW));
    assert_eq!(canonical(&body), serde_json::from_str::<Value>(&body).unwrap());
}

/// Would catch an absent field stored as anything but null, or a second byte form for "nothing".
#[test]
fn null_and_empty_say_the_same_as_absent() {
    let mut event = minimal();
    let mut sparse = event.clone();
    sparse["actor"]["metadata"] = json!({});
    sparse["actor"]["credential"] = json!({"type": null});
    for name in ["context", "outcome", "workspace", "metadata", "changes"] {
        sparse[name] = json!({});
    }
    for name in ["id", "description", "version", "correlation_id", "organization_id"] {
        sparse[name] = Value::Null;
    }
    sparse["targets"] = json!([]);
    event["occurred_at"] = json!("2026-11-22T03:04:05.000000Z");
    assert_eq!(canonical(sparse.to_string()), event);
    let batch = decode_json(sparse.to_string()).batch;
    let nulls = batch.columns().iter().filter(|column| column.null_count() == 1).count();
    assert_eq!(nulls, batch.num_columns() - 7);
    // Prose that is empty was said, and is kept.
    let quiet = with("/description", json!(""));
    assert_eq!(canonical(quiet.to_string())["description"], "");
}

/// One row a rule: the pointer to set, the value, the pointer reported, a part of the detail.
fn rules() -> Vec<(&'static str, Value, &'static str, String)> {
    let long = |bytes: usize| json!("x".repeat(bytes + 1));
    let more = |bytes: usize| format!("is {} bytes, more than the {bytes} allowed", bytes + 1);
    let mut rules = vec![];
    for (pointer, bytes) in [
        ("/id", 128),
        ("/action", 256),
        ("/actor/type", 128),
        ("/actor/id", 2048),
        ("/actor/name", 1024),
        ("/actor/email", 320),
        ("/description", 8192),
        ("/correlation_id", 512),
        ("/context/user_agent", 2048),
        ("/context/session_id", 512),
        ("/context/request_id", 512),
    ] {
        rules.push((pointer, long(bytes), pointer, more(bytes)));
        rules.push((pointer, json!(1), pointer, "is a number, not a string".into()));
    }
    for pointer in ["/id", "/action", "/actor/type", "/actor/id", "/context/session_id", "/correlation_id"] {
        rules.push((pointer, json!(""), pointer, "is empty".into()));
        rules.push((pointer, json!("a\u{1b}b"), pointer, r#""a\u{1b}b" has a control character"#.into()));
    }
    for pointer in ["/action", "/actor", "/actor/type", "/actor/id", "/occurred_at", "/tenant_id"] {
        rules.push((pointer, Value::Null, pointer, "is required".into()));
    }
    let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
    let numbers = |count: usize| json!({"k": vec![0; count]});
    for (pointer, value, reported, detail) in [
        ("/tenant_id", json!("a/b"), "/tenant_id", "\"a/b\" is not 1–64 letters"),
        ("/occurred_at", json!("yesterday"), "/occurred_at", "\"yesterday\" is not an RFC 3339 time"),
        ("/occurred_at", json!("1999-01-01T00:00:00Z"), "/occurred_at", "is before the year 2000"),
        ("/occurred_at", json!("2026-11-24T00:00:01Z"), "/occurred_at", "clock, 2026-11-23T00:00:00Z"),
        ("/actor", json!("ana"), "/actor", "is a string, not an object"),
        ("/actor/on_behalf_of", json!({"id": "x"}), "/actor/on_behalf_of/type", "is required"),
        ("/actor/credential", json!({"id": "k"}), "/actor/credential/type", "is required"),
        ("/actor/age", json!(3), "/actor/age", "is not a field of an event"),
        ("/workspace", json!({"name": "x"}), "/workspace/id", "is required"),
        ("/outcome", json!({"reason": "x"}), "/outcome/result", "is required"),
        ("/outcome/result", json!("ok"), "/outcome/result", "\"ok\" is none of success, failure"),
        ("/context/ip_address", json!("1.2.3"), "/context/ip_address", "is not an IPv4 or IPv6 address"),
        ("/context/country", json!("de"), "/context/country", "is not two uppercase letters"),
        ("/context/a~b", json!(1), "/context/a~0b", "is not a field of an event"),
        ("/version", json!(-1), "/version", "\"-1\" is not an integer from 0 to 2147483647"),
        ("/version", json!("1"), "/version", "is a string, not a number"),
        ("/seq", json!(1), "/seq", "is not a field of an event"),
        ("/targets", json!({}), "/targets", "is an object, not an array"),
        ("/targets", json!([1]), "/targets/0", "is a number, not an object"),
        ("/targets", json!([{"type": "t", "id": "i"}, {"type": "t"}]), "/targets/1/id", "is required"),
        ("/targets", json!([{"type": "t", "id": "i", "x": 1}]), "/targets/0/x", "is not a field"),
        (
            "/targets",
            json!(vec![json!({"type": "t", "id": "i"}); 65]),
            "/targets",
            "has 65 targets, more than the 64",
        ),
        ("/metadata", json!([]), "/metadata", "is an array, not an object"),
        ("/metadata", numbers(8200), "/metadata", "is 16407 bytes of JSON, more than the 16384 allowed"),
        (
            "/metadata",
            json!({"a": {"b/": [1, 9007199254740992_i64]}}),
            "/metadata/a/b~1/1",
            "beyond ±(2^53 - 1)",
        ),
        ("/changes", json!({"title": 1}), "/changes/title", "is a number, not an object with \"old\""),
        ("/changes", json!({"title": {}}), "/changes/title", "has neither \"old\" nor \"new\""),
        ("/changes", json!({"title": {"was": 1}}), "/changes/title/was", "is unknown: a change has"),
    ] {
        rules.push((pointer, value, reported, detail.into()));
    }
    let nested = format!("/metadata/d{}", "/0".repeat(limits::JSON_DEPTH_MAX - 2));
    rules.push(("/metadata/d", deep, nested.leak(), "is nested deeper than 32 levels".into()));
    rules
}

/// Would catch a rule that is not applied, reported elsewhere, or reported along with others.
#[test]
fn each_rule_is_reported_where_it_is_broken() {
    for (pointer, value, reported, detail) in rules() {
        let found = problems(with(pointer, value).to_string());
        let wanted = format!("{reported} ");
        assert_eq!(found.len(), 1, "{pointer}: {found:?}");
        assert!(
            found[0].starts_with(&wanted) && found[0].contains(&detail),
            "{found:?}\nshould be {wanted}{detail}"
        );
    }
}

/// Would catch a limit that is off by one on its good side.
#[test]
fn values_at_their_limits_pass() {
    for (pointer, bytes) in [("/id", 128), ("/action", 256), ("/actor/id", 2048), ("/description", 8192)] {
        assert_eq!(problems(with(pointer, json!("x".repeat(bytes))).to_string()), [""; 0], "{pointer}");
    }
    let targets = vec![json!({"type": "t", "id": "i"}); 64];
    assert_eq!(problems(with("/targets", json!(targets)).to_string()), [""; 0]);
    let deep = (0..30).fold(json!(1), |inner, _| json!([inner]));
    assert_eq!(problems(with("/metadata/d", deep).to_string()), [""; 0]);
}

/// Would catch an event whose parts pass and whose whole is too large.
#[test]
fn an_event_as_a_whole_has_a_limit() {
    let target = json!({"type": "t", "id": "i", "metadata": {"k": "x".repeat(16_000)}});
    let found = problems(with("/targets", json!(vec![target; 5])).to_string());
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].ends_with("bytes of text, more than the 65536 allowed"), "{found:?}");
}

/// Would catch a sender who has to fix an event one mistake at a time.
#[test]
fn all_problems_of_an_event_are_reported_at_once() {
    let body = r#"{"id": "", "action": 5, "occurred_at": "now", "actor": {"id": "u", "id": "v", "nick": {"x": [1]}},
        "targets": [{"type": "t"}, 7], "context": {"ip_address": "x", "country": "xx"}, "colour": "red",
        "metadata": {"a": 1, "b": 1e999, "a": 2, "s": "\ud800"}, "version": 1.5}"#;
    let pointers: Vec<String> =
        problems(body).iter().map(|problem| problem.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(
        pointers,
        [
            "/id",
            "/action",
            "/occurred_at",
            "/actor/id",
            "/actor/nick",
            "/actor/type",
            "/targets/0/id",
            "/targets/1",
            "/context/ip_address",
            "/context/country",
            "/colour",
            "/metadata/b",
            "/metadata/s",
            "/metadata/a",
            "/version",
            "/tenant_id"
        ]
    );
}

/// Would catch text that is no text, or a key that hides another, getting into the log.
#[test]
fn lone_surrogates_and_repeated_keys_are_problems() {
    let good = minimal().to_string();
    for (added, pointer, detail) in [
        (r#""description": "\ud83d""#, "/description", "has a lone surrogate"),
        (r#""metadata": {"a": ["\udc00x"]}"#, "/metadata/a/0", "has a lone surrogate"),
        (r#""metadata": {"\ud800": 1}"#, r"/metadata/\ud800", "is a key with a lone surrogate"),
        (r#""metadata": {"a": {"k": 1, "\u006b": 2}}"#, "/metadata/a/k", "is given twice"),
        (r#""action": "x""#, "/action", "is given twice"),
        (r#""\u0061ction": "x""#, "/action", "is given twice"),
        (r#""\ud800": 1"#, r"/\ud800", "is not a field of an event"),
    ] {
        let body = format!("{},{added}}}", &good[..good.len() - 1]);
        let found = problems(&body);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(&format!("{pointer} {detail}")), "{found:?}");
    }
}

/// Would catch a body of one shape read as another.
#[test]
fn bodies_are_objects_arrays_or_lines() {
    let event = minimal().to_string();
    assert_eq!(decode_json(&event).indexes, [0]);
    assert_eq!(decode_json(format!("\u{feff} [{event} , {event}]\n")).indexes, [0, 1]);
    assert_eq!(decode_json("[]").total, 0);
    let mixed = decode_json(format!("[1, {event}, [], null, {event}]"));
    assert_eq!((mixed.indexes, mixed.total, mixed.lines), (vec![1, 4], 5, None));
    let rejected: Vec<_> =
        mixed.rejected.iter().map(|bad| (bad.index, bad.errors[0].detail.as_str())).collect();
    assert_eq!(
        rejected,
        [(0, "is a number, not an object"), (2, "is an array, not an object"), (3, "is null, not an object")]
    );
}

/// Would catch a broken line that takes others with it, or is reported under the wrong number.
#[test]
fn lines_stand_for_themselves() {
    let event = minimal().to_string();
    let mut body =
        format!("\u{feff}{event}\r\n\n  \t\r\n{{\"id\": \"e\", oops\n{event}\n[{event}]\n").into_bytes();
    body.extend(b"{\"id\": \"\xff\"}\n");
    body.extend(event.as_bytes());
    let decoded = decode(&body, BodyFormat::Ndjson, &context(None)).unwrap();
    assert_eq!((decoded.indexes, decoded.lines), (vec![0, 2, 5], Some(vec![1, 5, 8])));
    assert_eq!((decoded.total, decoded.given_ids.count_set_bits()), (6, 0));
    let rejected: Vec<_> =
        decoded.rejected.iter().map(|bad| (bad.index, bad.line, bad.errors[0].detail.as_str())).collect();
    assert_eq!(
        rejected,
        [
            (1, Some(4), "is not JSON: key must be a string at column 13"),
            (3, Some(6), "is an array, not an object"),
            (4, Some(7), "is not JSON: invalid UTF-8 at column 9"),
        ]
    );
    assert_eq!(decode(b"\n", BodyFormat::Ndjson, &context(None)).unwrap().total, 0);
}

/// Would catch a body that is not JSON accepted in part, or an error that points elsewhere.
#[test]
fn a_broken_body_is_refused_with_its_place() {
    let event = minimal().to_string();
    let place = |body: &[u8]| match decode(body, BodyFormat::Json, &context(None)) {
        Err(DecodeError::Syntax { detail, offset, line, column }) => (detail, offset, line, column),
        other => panic!("{other:?}"),
    };
    assert_eq!(place(b""), ("the text ends inside a value".into(), 0, 1, 1));
    assert_eq!(place(b"[\n  {,"), ("key must be a string".into(), 5, 2, 4));
    assert_eq!(place(b"\xef\xbb\xbf[x"), ("expected a value".into(), 4, 1, 5));
    assert_eq!(place(b"[\n\"\xff\"]"), ("invalid UTF-8".into(), 3, 2, 2));
    let two = format!("{event}\n{event}");
    assert_eq!(place(two.as_bytes()), ("trailing characters".into(), event.len() + 1, 2, 1));
    let error = Error::from(decode(b"{", BodyFormat::Json, &context(None)).unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("at line 1, column 2 (byte 1)"), "{error}");
}

/// Would catch a request that outgrows its limits in memory before it is refused.
/// Would catch columns that keep the spare room of their builders, up to as much as they hold, until the commit.
#[test]
fn a_batch_takes_the_memory_of_its_content() {
    let event = with("/metadata/note", json!("x".repeat(3_000)));
    let lines = format!("{event}\n").repeat(1_100);
    let batch = decode(lines.as_bytes(), BodyFormat::Ndjson, &context(None)).unwrap().batch;
    let content: usize =
        batch.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap()).sum();
    let taken = batch.get_array_memory_size();
    assert!(taken < content + content / 20, "{taken} bytes for {content}");
}

#[test]
fn requests_have_limits() {
    let many = "1,".repeat(10_000);
    let decoded = decode_json(format!("[{}]", &many[..many.len() - 1]));
    assert_eq!((decoded.total, decoded.rejected.len()), (10_000, 10_000));
    let refused = decode(format!("[{many}1]").as_bytes(), BodyFormat::Json, &context(None));
    assert_eq!(refused.unwrap_err(), DecodeError::TooManyEvents);
    let lines = decode("1\n".repeat(10_001).as_bytes(), BodyFormat::Ndjson, &context(None));
    assert_eq!(lines.unwrap_err(), DecodeError::TooManyEvents);
    let large = vec![b' '; REQUEST_BYTES_MAX + 1];
    let error = Error::from(decode(&large, BodyFormat::Json, &context(None)).unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Limit);
}

/// Would catch WorkOS's own examples refused, or its names stored as something else.
#[test]
fn workos_bodies_are_events() {
    let inner = json!({
        "action": "user.signed_in", "occurred_at": "2022-08-29T19:47:52.336Z", "version": 1,
        "actor": {"type": "user", "id": "user_01", "metadata": {"role": "user"}},
        "targets": [{"type": "team", "id": "team_01", "metadata": {"owner": "user_01"}}],
        "context": {"location": "123.123.123.123", "user_agent": "Chrome/104.0.0.0"},
        "metadata": {"extra": "data"}
    });
    let mut native = inner.clone();
    native["tenant_id"] = json!("org_01");
    native["occurred_at"] = json!("2022-08-29T19:47:52.336000Z");
    native["context"] = json!({"ip_address": "123.123.123.123", "user_agent": "Chrome/104.0.0.0"});
    assert_eq!(canonical(json!({"organization_id": "org_01", "event": inner}).to_string()), native);
    assert_eq!(canonical(json!({"event": inner, "organization_id": "org_01"}).to_string()), native);
    let mut flat = inner.clone();
    flat["organization_id"] = json!("org_01");
    assert_eq!(canonical(flat.to_string()), native);
    flat["tenant_id"] = json!("org_01");
    assert_eq!(canonical(flat.to_string()), native);
}

/// Would catch two answers to the same question taken silently, or a half-wrapped event taken for a whole.
#[test]
fn contradictions_are_problems() {
    let event = minimal().to_string();
    let with_context = |context: &str| format!(r#"{},"context":{context}}}"#, &event[..event.len() - 1]);
    for (body, wanted) in [
        (
            with_context(r#"{"location": "1.1.1.1", "ip_address": "1.1.1.2"}"#),
            vec!["/context/ip_address \"1.1.1.2\" differs from the ip_address \"1.1.1.1\" given before"],
        ),
        (with_context(r#"{"location": "::1", "ip_address": "0::1"}"#), vec![]),
        (
            format!(r#"{{"event": {event}, "organization_id": "other"}}"#),
            vec!["/organization_id \"other\" differs from the tenant_id \"acme\" given before"],
        ),
        (
            format!(r#"{{"organization_id": "other", "event": {event}}}"#),
            vec!["/event/tenant_id \"acme\" differs from the tenant_id \"other\" given before"],
        ),
        (
            format!(r#"{{"action": "x", "event": {event}}}"#),
            vec!["/action stands beside \"event\": move it inside"],
        ),
        (r#"{"organization_id": "acme", "event": 1}"#.into(), vec!["/event is a number, not an object"]),
        (
            r#"{"organization_id": "acme", "event": {"event": {}}}"#.into(),
            vec![
                "/event/event is not a field of an event",
                "/event/action is required",
                "/event/occurred_at is required",
                "/event/actor is required",
            ],
        ),
    ] {
        assert_eq!(problems(body), wanted);
    }
}

/// Would catch an event in the log of a tenant it does not belong to.
#[test]
fn the_tenant_is_implied_or_agrees() {
    let mut event = minimal();
    let implied = context(Some("acme"));
    assert_eq!(decode(event.to_string().as_bytes(), BodyFormat::Json, &implied).unwrap().batch.num_rows(), 1);
    event["tenant_id"] = json!("globex");
    let refused = decode(event.to_string().as_bytes(), BodyFormat::Json, &implied).unwrap();
    assert_eq!(refused.rejected[0].errors[0].pointer, "/tenant_id");
    assert_eq!(
        refused.rejected[0].errors[0].detail,
        "\"globex\" is not the tenant of this request, \"acme\""
    );
    event.as_object_mut().unwrap().remove("tenant_id");
    let batch = decode(event.to_string().as_bytes(), BodyFormat::Json, &implied).unwrap().batch;
    assert_eq!(batch.column_by_name("tenant_id").unwrap().as_string::<i32>().value(0), "acme");
}

/// Would catch ids that repeat, are no UUIDv7 of the moment, or pass for the client's.
#[test]
fn missing_ids_are_made_from_the_time_of_receipt() {
    let (plain, named) = (minimal().to_string(), with("/id", json!("mine")).to_string());
    let decoded = decode_json(format!("[{plain},{named},{plain}]"));
    let ids = decoded.batch.column_by_name("id").unwrap().as_string::<i32>();
    assert_eq!(decoded.given_ids.iter().collect::<Vec<_>>(), [false, true, false]);
    assert_eq!(ids.value(1), "mine");
    assert_ne!(ids.value(0), ids.value(2));
    let id: uuid::Uuid = ids.value(0).parse().unwrap();
    assert_eq!(id.get_version_num(), 7);
    assert_eq!(id.get_timestamp().unwrap().to_unix().0, NOW as u64 / 1_000_000);
}

/// Would catch an answer from which a sender cannot tell which event was meant.
#[test]
fn a_rejected_event_is_told_by_its_id() {
    let mut event = with("/id", json!("mine"));
    event["version"] = json!(-1);
    let decoded = decode_json(event.to_string());
    assert_eq!(
        serde_json::to_value(&decoded.rejected).unwrap(),
        json!([{"index": 0, "id": "mine",
                "errors": [{"pointer": "/version", "detail": "\"-1\" is not an integer from 0 to 2147483647"}]}])
    );
    // What follows a whole event on its line is found once the event has an id, which the sender never saw.
    let line = format!("{} x", minimal());
    let rejected = decode(line.as_bytes(), BodyFormat::Ndjson, &context(None)).unwrap().rejected;
    assert_eq!((rejected[0].id.as_ref(), rejected[0].errors.len()), (None, 1));
}
