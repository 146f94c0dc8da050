//! Tests of finding records in envelopes, for each format and each envelope.

use std::io::Write;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use super::*;

/// Keeps everything that is told, a line each.
#[derive(Default)]
pub(in crate::import) struct Kept {
    body: Vec<u8>,
    pub(in crate::import) told: Vec<String>,
}

impl Outlet for Kept {
    fn body(&mut self) -> &mut Vec<u8> {
        &mut self.body
    }

    fn event(&mut self, line: u64) {
        // Native events are not parsed before their decoder.
        let event: Value = serde_json::from_slice(&std::mem::take(&mut self.body)).unwrap_or_default();
        let id = event["id"].as_str().unwrap_or("refused by the decoder");
        self.told.push(format!("{line} {id}"));
    }

    fn refused(&mut self, line: u64, problem: Problem) {
        self.body.clear();
        self.told.push(format!("{line} refused {:?} {}", problem.id, problem.reason));
    }

    fn changed(&mut self, line: u64, _: Option<String>, pointer: String) {
        self.told.push(format!("{line} changed {pointer}"));
    }

    fn without_events(&mut self, line: u64, what: &'static str) {
        self.told.push(format!("{line} nothing: {what}"));
    }
}

pub(in crate::import) fn told(source: Source, text: impl AsRef<[u8]>) -> Vec<String> {
    let mut kept = Kept::default();
    read(source, Cut { text: text.as_ref(), line: 1, broken: false }, &mut kept);
    kept.told
}

pub(in crate::import) fn records(source: Source) -> [Value; 2] {
    let ids = ["7d3b1c52-9a41-11ef-8f0e-000000000001", "7d3b1c52-9a41-11ef-8f0e-000000000002"];
    ids.map(|id| match source {
        Source::Native => json!({
            "id": id, "action": "a.b", "occurred_at": "2026-10-05T08:15:01Z", "actor": {"type": "user", "id": "u"},
        }),
        Source::Cloudtrail => json!({
            "eventVersion": "1.11", "eventID": id, "eventTime": "2026-10-05T08:15:01Z", "eventSource": "s3.amazonaws.com",
            "eventName": "GetObject", "resources": [], "requestParameters": {"items": [{"x": "\"}"}]},
        }),
        Source::Okta => json!({
            "uuid": id, "published": "2026-10-05T08:15:01.000Z", "eventType": "user.session.start", "version": "0",
            "actor": {"id": "00u1", "type": "User"}, "transaction": {"id": "t", "detail": {"x": 1}},
        }),
        Source::Github => json!({
            "_document_id": id, "@timestamp": 1_791_194_400_000_u64, "action": "hook.create", "actor": "ana",
            "events": [{"name": "push"}], "data": {"message": "{}"},
        }),
    })
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// The same two records in everything that is said to be opened.
fn envelopes([one, two]: &[Value; 2]) -> Vec<Value> {
    let (a, b) = (one.to_string(), two.to_string());
    let packed = |text: &str| STANDARD.encode(gzip(text));
    let event_bridge = |record: &Value| {
        json!({
            "version": "0", "id": "e", "detail-type": "x", "source": "aws.partner/x", "account": "1", "time": "2026-10-05T08:16:01Z",
            "region": "eu-west-1", "resources": [], "detail": record,
        })
    };
    let sns = |text: &str| json!({"Type": "Notification", "MessageId": "m", "TopicArn": "arn", "Message": text, "Timestamp": "t", "SignatureVersion": "1"});
    let subscription = json!({
        "messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "g", "logStream": "s", "subscriptionFilters": ["all"],
        "logEvents": [{"id": "1", "timestamp": 1, "message": a}, {"id": "2", "timestamp": 2, "message": b}],
    });
    let hec = |event: Value| json!({"time": 1, "host": "h", "source": "s", "sourcetype": "t", "index": "i", "fields": {"items": 1}, "event": event});
    let queue = |body: &str| json!({"MessageId": "m", "ReceiptHandle": "r", "MD5OfBody": "5", "Body": body});
    vec![
        json!([one, two]),
        json!({"Records": [one, two]}),
        json!({"fileVersion": 1, "Records": [one, two], "next": null}),
        json!({"data": [one, two], "list_metadata": {"after": "x"}}),
        json!({"events": [one, two], "nextToken": "x"}),
        json!({"items": [one, two]}),
        json!({"eventType": "com.okta.event_hook", "eventTypeVersion": "1.0", "cloudEventsVersion": "0.1", "source": "s",
               "eventId": "e", "eventTime": "2026-10-05T08:16:30Z", "contentType": "application/json", "data": {"events": [one, two]}}),
        json!([event_bridge(one), event_bridge(two)]),
        json!([hec(one.clone()), hec(two.clone())]),
        json!([hec(a.clone().into()), {"event": b}]),
        json!([{"preview": false, "offset": 0, "result": {"_raw": a, "_time": "t", "host": "h"}}, {"_raw": b, "source": "s"}]),
        subscription.clone(),
        json!({"awslogs": {"data": packed(&subscription.to_string())}}),
        json!({"events": [{"logStreamName": "s", "timestamp": 1, "message": a, "ingestionTime": 2, "eventId": "3"},
                          {"logStreamName": "s", "timestamp": 1, "message": b, "ingestionTime": 2, "eventId": "4"}],
               "searchedLogStreams": []}),
        json!({"requestId": "r", "timestamp": 1, "records": [{"data": STANDARD.encode(&a)}, {"data": packed(&b)}]}),
        json!({"invocationId": "i", "deliveryStreamArn": "d", "region": "r",
               "records": [{"recordId": "1", "approximateArrivalTimestamp": 1, "data": packed(&subscription.to_string())}]}),
        json!({"requestId": "r", "records": [{"data": STANDARD.encode(format!("{a}\n{b}\n"))}]}),
        json!({"Records": [{"kinesis": {"kinesisSchemaVersion": "1.0", "partitionKey": "p", "sequenceNumber": "1", "data": packed(&a),
               "approximateArrivalTimestamp": 1.5}, "eventSource": "aws:kinesis", "eventVersion": "1.0",
               "eventID": "shardId-000000000006:1", "eventName": "aws:kinesis:record"},
              {"kinesis": {"data": STANDARD.encode(&b)}}]}),
        json!([sns(&a), sns(&b)]),
        json!({"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": sns(&a)}, {"Sns": sns(&b)}]}),
        json!({"Messages": [queue(&a), queue(&b)]}),
        json!({"Messages": [queue(&sns(&event_bridge(one).to_string()).to_string()), queue(&b)]}),
        json!({"Records": [{"messageId": "m", "receiptHandle": "r", "body": a, "attributes": {}, "eventSource": "aws:sqs"},
                           {"messageId": "m", "receiptHandle": "r", "body": json!({"Records": [two]}).to_string()}]}),
        json!({"Messages": [queue(&packed(&a)), queue(&json!({"Records": [two]}).to_string())]}),
        json!({"Events": [{"EventId": "e", "EventName": "n", "EventTime": 1.5, "Resources": [], "CloudTrailEvent": a},
                          {"EventId": "e", "CloudTrailEvent": b}], "NextToken": "x"}),
        json!([{"specversion": "1.0", "id": "i", "type": "t", "source": "s", "data": one},
               {"specversion": "1.0", "id": "i", "type": "t", "source": "s", "data_base64": STANDARD.encode(&b)}]),
        json!([{"message": {"data": STANDARD.encode(&a), "messageId": "m", "publishTime": "t", "attributes": {}}, "subscription": "s"},
               {"message": {"data": packed(&b), "messageId": "m"}, "subscription": "s", "deliveryAttempt": 1}]),
        json!({"took": 1, "hits": {"total": 2, "hits": [{"_index": "i", "_id": "1", "_source": one},
               {"_index": "i", "_id": "2", "_source": {"@timestamp": "t", "event": {"original": b, "kind": "event"}}}]}}),
        json!([{"@timestamp": "t", "agent": {}, "message": a}, {"timestamp": 1, "message": format!("\n{b}\n")}]),
        json!([a, b]),
        json!({"Records": [STANDARD.encode(&a), packed(&b)]}),
        json!([packed(&a), STANDARD.encode(&b)]),
        json!({"Records": [{"kinesis": {"data": packed(&subscription.to_string())}, "eventSource": "aws:kinesis"}]}),
        json!([{"detail-type": "x", "detail": a}, {"specversion": "1.0", "type": "t", "data": b}]),
        json!([{"log": format!("{a}\n"), "stream": "stdout", "time": "t"}, {"log": b, "kubernetes": {"pod": "p"}, "date": 1.5}]),
        json!({"streams": [{"stream": {"app": "x"}, "values": [["1", a], ["2", b, {"trace": "t"}]]}]}),
        json!({"status": "success", "data": {"resultType": "streams", "result": [
               {"stream": {}, "values": [["1", a]]}, {"stream": {}, "values": [["2", b]]}]}}),
        json!([{"labels": {}, "line": a, "timestamp": "t"}, {"MESSAGE": b, "__REALTIME_TIMESTAMP": "1", "PRIORITY": "6"}]),
        json!([{"event.original": a, "message": "two words"}, {"event": {"original": b}, "message": "m", "log": {"level": "info"}}]),
        json!([{"@timestamp": "t", "log": {"offset": 1}, "agent": {"x": 1}, "message": a}, {"message": two, "host": "h"}]),
        json!([{"insertId": "i", "timestamp": "t", "jsonPayload": one}, {"insertId": "i", "textPayload": b}]),
        json!([{"topic": "t", "offset": 1, "key": null, "payload": a}, {"schema": {"type": "struct"}, "payload": two}]),
        json!([{"_airbyte_raw_id": "r", "_airbyte_data": one}, {"RECORD_METADATA": {"topic": "t"}, "RECORD_CONTENT": b}]),
        json!([{"V": one}, {"value": b}]),
        json!([{"attributes": one, "ddtags": "x", "tags": []}, {"short_message": "m", "full_message": b, "host": "h"}]),
        json!({"resourceLogs": [{"resource": {}, "scopeLogs": [{"logRecords": [
               {"timeUnixNano": "1", "body": {"stringValue": a}}, {"body": {"stringValue": b}}]}]}]}),
        json!({"hits": {"hits": [{"_index": "i", "fields": {"event.original": [a]}}, {"_index": "i", "_source": {"message": b, "ecs": {}}}]}}),
        json!([{"Body": STANDARD.encode(&a), "EnqueuedTimeUtc": "t", "Offset": "1"}, {"Body": two, "SequenceNumber": 1}]),
    ]
}

/// Would catch an envelope that is refused, a record in it that is not found, or found twice, in any format.
#[test]
fn every_envelope_of_every_format_gives_its_records() {
    for source in [Source::Cloudtrail, Source::Okta, Source::Github, Source::Native] {
        let records = records(source);
        let expected = told(source, json!(records).to_string());
        assert_eq!(expected.len(), 2);
        for (one, record) in expected.iter().zip(&records) {
            assert_eq!(told(source, record.to_string()), [one.as_str()], "a record is none");
            assert!(!one.contains("refused"), "{one}");
        }
        for envelope in envelopes(&records) {
            assert_eq!(told(source, envelope.to_string()), expected, "{source}: {envelope}");
        }
    }
}

/// Would catch a native event whose letters are changed because it came in an envelope.
#[test]
fn native_events_are_passed_on_as_they_are() {
    let event = r#"{"id":"1","action":"a","metadata":{"n":1.10,"big":12345678901234567890123,"k":1,"k":2,"s":"\ud800"}}"#;
    let line = |text: &str| {
        let mut kept = Kept::default();
        struct Raw<'k>(&'k mut Kept);
        impl Outlet for Raw<'_> {
            fn body(&mut self) -> &mut Vec<u8> {
                self.0.body()
            }
            fn event(&mut self, _: u64) {}
            fn refused(&mut self, _: u64, problem: Problem) {
                panic!("{problem:?}")
            }
            fn changed(&mut self, _: u64, _: Option<String>, _: String) {}
            fn without_events(&mut self, _: u64, _: &'static str) {}
        }
        let cut = Cut { text: text.as_bytes(), line: 1, broken: false };
        read(Source::Native, cut, &mut Raw(&mut kept));
        String::from_utf8(kept.body).unwrap()
    };
    assert_eq!(line(event), format!("{event}\n"));
    assert_eq!(line(&format!("{{\"detail-type\":\"x\",\"detail\":{event}}}")), format!("{event}\n"));
    assert_eq!(line(&format!("{{\"data\":[{event}]}}")), format!("{event}\n"));
    // What is none of both is for the decoder to refuse.
    assert_eq!(line("{\"x\":\n1}"), "{\"x\": 1}\n");
    let wrapped = format!("{{\"organization_id\":\"o\",\"event\":{event}}}");
    assert_eq!(line(&wrapped), format!("{wrapped}\n"));
}

/// Would catch what S3 tells of a log file taken for an event of the log.
#[test]
fn a_notification_of_s3_is_no_record() {
    let notification = json!({"Records": [{"eventVersion": "2.1", "eventSource": "aws:s3", "eventTime": "2026-10-05T08:15:01.123Z",
        "eventName": "ObjectCreated:Put", "s3": {"object": {"key": "AWSLogs/x.json.gz"}}}]});
    let expected = ["1 nothing: a notification of S3 about an object"];
    assert_eq!(told(Source::Cloudtrail, notification.to_string()), expected);
    let queued =
        json!({"Messages": [{"MessageId": "m", "ReceiptHandle": "r", "Body": notification.to_string()}]});
    assert_eq!(told(Source::Cloudtrail, queued.to_string()), expected);
}

/// Would catch an envelope without records that is refused or passes in silence, and one that cannot be opened taken for empty.
#[test]
fn envelopes_without_records_and_broken_ones_are_told() {
    for (text, expected) in [
        (
            r#"{"messageType":"CONTROL_MESSAGE","logEvents":[{"message":"x"}]}"#,
            "1 nothing: a control message",
        ),
        (
            r#"{"Type":"SubscriptionConfirmation","TopicArn":"a","Message":"You have chosen"}"#,
            "1 nothing: a confirmation",
        ),
        (r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"t"}"#, "1 nothing: a test message"),
        (r#"{"s3Bucket":"b","s3ObjectKey":["k"]}"#, "1 nothing: a notification"),
        (
            r#"{"fileVersion":"1.0","configSnapshotId":"x","configurationItems":[{"a":1}]}"#,
            "1 nothing: a configuration",
        ),
        (r#"{"data":{"events":[]}}"#, "1 nothing: an empty list"),
        (r#"{"events":[],"nextToken":"x"}"#, "1 nothing: an empty list"),
        (r#"{"PUBLISHED":"x","items":[]}"#, "1 refused"),
        (
            r#"{"detail-type":"x","detail":{},"detail":{}}"#,
            "1 refused None the envelope has the member \"detail\" twice",
        ),
        (
            r#"{"MessageId":"m","Type":"Notification","Message":"hello"}"#,
            "1 refused None the text in its member \"Message\" is neither JSON nor base64",
        ),
        (
            r#"{"id":"1","timestamp":1,"message":"aGVsbG8="}"#,
            "1 refused None the text in its member \"message\" is base64, but not of JSON",
        ),
        (
            r#"{"id":"1","timestamp":1,"message":"{\"a\":"}"#,
            "1 refused None is not JSON: the text ends inside a value",
        ),
        (r#"{"id":"1","timestamp":1,"message":"[]"}"#, "1 nothing: an empty list"),
        (
            r#"{"what":1,"ever":[2]}"#,
            "1 refused None not a record of format okta: it has no usable published; its members are \"what\", \"ever\"",
        ),
        (r#"{"events":["push"]}"#, "1 refused None not a record"),
        (r#"{}"#, "1 refused None not a record"),
        ("7", "1 refused None not a record of format okta: it is not an object"),
    ] {
        let found = told(Source::Okta, text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].starts_with(expected), "{text}: {found:?}");
    }
    let mut deep = records(Source::Okta)[0].to_string();
    for _ in 0..=IMPORT_ENVELOPES_MAX {
        deep = json!({"event": deep}).to_string();
    }
    let found = told(Source::Okta, deep);
    assert!(found.len() == 1 && found[0].contains("envelopes in each other"), "{found:?}");
}

/// Would catch one of two possible records taken for the record, and a line that says nothing of it.
#[test]
fn what_is_not_certain_is_refused_by_name() {
    for source in [Source::Cloudtrail, Source::Okta, Source::Github, Source::Native] {
        let [one, two] = records(source);
        let (a, b) = (one.to_string(), two.to_string());
        for (envelope, [first, second]) in [
            (json!({"message": a, "log": b}), ["log", "message"]),
            (json!({"x": one, "y": {"deep": 1}, "z": two}), ["x", "z"]),
            (json!({"events": [one], "items": [two]}), ["events", "items"]),
        ] {
            let found = told(source, envelope.to_string());
            let expected = format!("its members {first:?} and {second:?} may both hold what is to be read");
            assert!(found.len() == 1 && found[0].contains(&expected), "{found:?}");
        }
        let twice = json!({"message": a, "event": {"original": a}, "log": {"level": "info"}});
        assert_eq!(told(source, twice.to_string()), told(source, &a));
    }
}

/// Would catch the action lines of a bulk request refused, or a document behind one that is lost.
#[test]
fn action_lines_of_bulk_requests_hold_no_events() {
    let expected = ["1 nothing: an action line of Elasticsearch's bulk format"];
    for line in [r#"{"index":{"_index":"logs","_id":"1"}}"#, r#"{"create":{}}"#] {
        assert_eq!(told(Source::Okta, line), expected);
    }
    assert!(told(Source::Okta, r#"{"create":{"x":1}}"#)[0].contains("refused"));
}

/// Would catch one bad record that takes the others of its envelope with it, and a report of a wrong line.
#[test]
fn a_bad_record_of_an_envelope_stands_alone() {
    let [one, two] = records(Source::Okta);
    let bad = r#"{"uuid":"7d3b1c52-9a41-11ef-8f0e-00000000000f","published":"x","published":"y"}"#;
    let found = told(Source::Okta, format!("{{\"data\":{{\"events\":[\n{one},\n\n{bad},\n{two}\n]}}}}"));
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].starts_with("2 7d3b") && found[2].starts_with("5 7d3b"), "{found:?}");
    let expected = "4 refused Some(\"7d3b1c52-9a41-11ef-8f0e-00000000000f\") has a member twice: /published";
    assert_eq!(found[1], expected);
}
