//! Tests of the mapping of CloudTrail records: over records of our own making, and over the real files of an
//! attack exercise where they lie beside the repository.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::*;
use crate::{
    event::{
        TenantId,
        decode::{BodyFormat, DecodeContext, EventLimits, decode},
    },
    import::{Input, Reader, Settings, Source, Step},
};

pub(super) fn record(members: Value) -> Value {
    let mut record = json!({
        "eventID": "e-1", "eventTime": "2024-05-01T10:00:00Z", "eventVersion": "1.09",
        "eventSource": "iam.amazonaws.com", "eventName": "CreateUser", "eventType": "AwsApiCall",
        "userIdentity": {"type": "Root", "principalId": "111122223333", "accountId": "111122223333"},
        "requestParameters": null, "responseElements": null,
    });
    for (name, value) in members.as_object().unwrap() {
        record[name] = value.clone();
    }
    record
}

pub(super) fn mapped(members: Value) -> Value {
    let record = record(members);
    assert_nothing_lost(&record);
    event(record).unwrap().into()
}

/// Every value that is not null, as text.
fn leaves(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Null => {}
        Value::Array(items) => items.iter().for_each(|item| leaves(item, found)),
        Value::Object(members) => members.values().for_each(|member| leaves(member, found)),
        Value::String(text) => found.push(text.clone()),
        other => found.push(other.to_string()),
    }
}

/// Asserts that each value of the record is in the event as often as it is in the record, at least.
pub(super) fn assert_nothing_lost(record: &Value) {
    let mut event = Value::Object(event(record.clone()).unwrap());
    // Other names are copies: what is only there would be lost.
    for target in event.get_mut("targets").and_then(Value::as_array_mut).into_iter().flatten() {
        target.as_object_mut().unwrap().remove("aliases");
    }
    let (mut given, mut kept) = (Vec::new(), Vec::new());
    leaves(record, &mut given);
    leaves(&event, &mut kept);
    let action = event["action"].as_str().unwrap();
    let reason = event["outcome"]["reason"].as_str().unwrap_or_default();
    for leaf in given {
        if let Some(place) = kept.iter().position(|text| *text == leaf) {
            kept.swap_remove(place);
            continue;
        }
        let in_action = action.strip_suffix(&leaf).is_some_and(|before| before.ends_with('.'))
            || leaf.strip_suffix(".amazonaws.com").is_some_and(|service| action.starts_with(service));
        let in_reason = reason.ends_with(&leaf);
        let is_time = record["eventTime"] == leaf.as_str();
        assert!(in_action || in_reason || is_time, "{leaf:?} of {record} is lost in {event}");
    }
}

/// The events of a file of a case, in its order.
pub(super) fn case(path: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/cases").join(path);
    let mut text = std::fs::read(&path).unwrap();
    if path.extension().is_some_and(|ending| ending == "gz") {
        let mut plain = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(text.as_slice()), &mut plain)
            .unwrap();
        text = plain;
    }
    let values: Vec<Value> =
        serde_json::Deserializer::from_slice(&text).into_iter().map(|value| value.unwrap()).collect();
    let records = values.into_iter().flat_map(|mut value| match value["Records"].take() {
        Value::Array(records) => records,
        _ => vec![value],
    });
    let map = |record: Value| {
        assert_nothing_lost(&record);
        event(record).unwrap().into()
    };
    records.map(map).collect()
}

pub(super) fn result(event: &Value) -> &str {
    event["outcome"]["result"].as_str().unwrap()
}

/// Whether the event is found by a target's id or another name.
pub(super) fn found_by(event: &Value, name: &str) -> bool {
    let targets = event["targets"].as_array().map_or(&[][..], Vec::as_slice);
    let has = |value: &Value| value == name;
    targets.iter().any(|target| {
        has(&target["id"]) || target["aliases"].as_array().is_some_and(|aliases| aliases.iter().any(has))
    })
}

fn real_files() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data/cloudtrail");
    if !folder.is_dir() {
        eprintln!("no real CloudTrail files in {}: not tested with them", folder.display());
        return None;
    }
    Some(folder)
}

/// Would catch a value of a real record that the mapping drops.
#[test]
fn real_records_lose_nothing() {
    let Some(folder) = real_files() else { return };
    let mut count = 0;
    let mut by_actor_type = BTreeMap::new();
    for input in Input::find(&[folder]).unwrap() {
        let Input::File(path) = input else { panic!("a file") };
        let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        for record in file["Records"].as_array().unwrap() {
            assert_nothing_lost(record);
            let event = event(record.clone()).unwrap();
            let kind = event["actor"]["type"].as_str().unwrap().to_owned();
            *by_actor_type.entry(kind).or_insert(0) += 1;
            count += 1;
        }
    }
    assert_eq!(count, 2_900);
    let expected = [("role_session", 76), ("service", 76), ("user", 2_748)];
    assert_eq!(by_actor_type, expected.map(|(kind, count)| (kind.to_owned(), count)).into());
}

/// Would catch records lost between files and batches, events that decoding refuses, and an import that is not
/// the same the second time.
#[test]
fn real_files_are_read_completely_and_repeatably() {
    let Some(folder) = real_files() else { return };
    let read = || {
        let inputs = Input::find(std::slice::from_ref(&folder)).unwrap();
        let mut reader = Reader::new(inputs, Source::Cloudtrail, Settings::default());
        let mut bodies = Vec::new();
        for step in reader.by_ref() {
            match step {
                Step::Batch(batch) => bodies.extend_from_slice(&batch.body),
                Step::Refused(refusal) => panic!("{refusal}"),
                Step::Noted(note) => panic!("{note:?}"),
            }
        }
        (bodies, reader.counts())
    };
    let (bodies, counts) = read();
    let context = DecodeContext {
        limits: EventLimits::IMPORTED,
        ..DecodeContext::new(TenantId::parse("acme").ok(), 1_800_000_000_000_000)
    };
    let decoded = decode(&bodies, BodyFormat::Ndjson, &context).unwrap();
    assert_eq!(
        (decoded.batch.num_rows(), decoded.rejected.len()),
        (2_900, 0),
        "{:?}",
        decoded.rejected.first()
    );
    assert_eq!((counts.records, counts.mapped, counts.refused, counts.inputs_refused), (2_900, 2_900, 0, 0));
    assert_eq!(bodies, read().0);
}

/// Would catch a kind of identity that is confused with another one, or found under another id.
#[test]
fn each_kind_of_identity_has_its_actor() {
    let text = include_str!("../../../testdata/cloudtrail/identities.json");
    let cases: Vec<Value> = serde_json::from_str(text).unwrap();
    for case in cases {
        let record = record(json!({"userIdentity": case["userIdentity"]}));
        assert_nothing_lost(&record);
        let mut actor = event(record).unwrap().remove("actor").unwrap();
        if let Some(members) = actor.as_object_mut() {
            members.remove("metadata");
        }
        assert_eq!(actor, case["actor"], "{}", case["userIdentity"]);
    }
}

/// Would catch a refusal counted as any failure, a failed sign-in taken for a success, a message cut off.
#[test]
fn outcomes_follow_the_error_code() {
    let long = "x".repeat(5_000);
    let sign_in = json!({"ConsoleLogin": "Failure"});
    for (members, result, reason) in [
        (json!({}), "success", None),
        (json!({"errorCode": "AccessDenied", "errorMessage": "no"}), "denied", Some("AccessDenied: no")),
        (
            json!({"errorCode": "Client.UnauthorizedOperation"}),
            "denied",
            Some("Client.UnauthorizedOperation"),
        ),
        (json!({"errorCode": "AccessDeniedException"}), "denied", Some("AccessDeniedException")),
        (
            json!({"errorCode": "InsufficientPrivilegesException"}),
            "denied",
            Some("InsufficientPrivilegesException"),
        ),
        (json!({"errorCode": "InvalidAccessException"}), "failure", Some("InvalidAccessException")),
        (json!({"errorCode": "NoSuchEntity", "errorMessage": long}), "failure", Some("NoSuchEntity")),
        (json!({"errorMessage": "odd"}), "failure", Some("odd")),
        (
            json!({"eventType": "AwsConsoleSignIn", "responseElements": sign_in, "errorMessage": "Failed authentication"}),
            "failure",
            Some("Failed authentication"),
        ),
    ] {
        assert_nothing_lost(&record(members.clone()));
        let outcome = &mapped(members.clone())["outcome"];
        assert_eq!(outcome["result"], result, "{members}");
        assert_eq!(outcome.get("reason").and_then(Value::as_str), reason, "{members}");
    }
}

/// Would catch a target counted twice because a resource and a parameter both name it, or none at all.
#[test]
fn targets_come_from_resources_and_parameters() {
    let object = mapped(json!({
        "eventSource": "s3.amazonaws.com", "eventName": "GetObject",
        "resources": [
            {"type": "AWS::S3::Object", "ARN": "arn:aws:s3:::reports/2024/q1.pdf"},
            {"type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::reports", "accountId": "111122223333"},
            {"note": "no name"},
        ],
        "requestParameters": {"bucketName": "reports", "key": "2024/q1.pdf"},
    }));
    let expected = json!([
        {"type": "AWS::S3::Object", "id": "arn:aws:s3:::reports/2024/q1.pdf", "name": "reports/2024/q1.pdf",
         "aliases": ["reports/2024/q1.pdf"]},
        {"type": "AWS::S3::Bucket", "id": "arn:aws:s3:::reports", "name": "reports", "aliases": ["reports"],
         "metadata": {"accountId": "111122223333"}},
    ]);
    assert_eq!(object["targets"], expected);
    assert_eq!(object["metadata"]["resources"], json!([{"note": "no name"}]));

    let started = mapped(json!({
        "eventSource": "ec2.amazonaws.com", "eventName": "RunInstances",
        "responseElements": {"instancesSet": {"items": [{"instanceId": "i-1"}, {"instanceId": "i-2"}]}},
    }));
    let instance = |id: &str| json!({"type": "AWS::EC2::Instance", "id": id});
    assert_eq!(started["targets"], json!([instance("i-1"), instance("i-2")]));

    let untyped = mapped(json!({
        "eventSource": "ssm.amazonaws.com", "eventName": "GetParameter",
        "resources": [{"ARN": "arn:aws:ssm:eu-west-1:111122223333:parameter/db/password"}],
        "requestParameters": {"name": "/db/password"},
    }));
    assert_eq!(untyped["targets"].as_array().unwrap().len(), 1);
    assert_eq!(untyped["targets"][0]["type"], "AWS::SSM::Parameter");
    assert_eq!(untyped["targets"][0]["name"], "/db/password");

    let names: Vec<String> = (0..3_000).map(|number| format!("p{number}")).collect();
    let many = record(json!({
        "eventSource": "ssm.amazonaws.com", "eventName": "GetParameters",
        "requestParameters": {"names": names},
    }));
    let many = event(many).unwrap();
    let targets = many["targets"].as_array().unwrap();
    assert_eq!((targets.len(), &targets[2_999]["id"]), (3_000, &json!("p2999")));
}

/// Would catch a value that does not fit its field being dropped, cut, or making the decoder refuse the event.
#[test]
fn what_does_not_fit_stays_in_the_metadata() {
    let long = "u".repeat(5_000);
    let members = json!({
        "sourceIPAddress": "ec2.amazonaws.com", "userAgent": long, "requestID": 7, "sharedEventID": "",
        "eventSource": "aws.example.org", "additionalEventData": {"bytes": u64::MAX, "small": 7},
        "userIdentity": "nobody",
    });
    assert_nothing_lost(&record(members.clone()));
    let event = mapped(members);
    assert_eq!(event["action"], "aws.example.org.CreateUser");
    assert_eq!(event.get("context"), None);
    let metadata = &event["metadata"];
    assert_eq!(metadata["sourceIPAddress"], "ec2.amazonaws.com");
    assert_eq!(metadata["userAgent"], long);
    assert_eq!(metadata["requestID"], 7);
    assert_eq!(metadata["additionalEventData"], json!({"bytes": "18446744073709551615", "small": 7}));
    assert_eq!(
        event["actor"],
        json!({"type": "unknown", "id": "unknown", "metadata": {"userIdentity": "nobody"}})
    );
}

/// Would catch something else than CloudTrail imported as if it were, or an event with an invented time.
#[test]
fn other_values_are_refused_by_reason() {
    assert_eq!(event(json!([1])), Err(NotARecord::NotAnObject));
    assert_eq!(event(json!({"awsAccountId": "1"})), Err(NotARecord::Missing("eventTime")));
    let wrong = event(record(json!({"eventTime": "yesterday"}))).unwrap_err();
    assert_eq!(wrong.to_string(), "its eventTime is not a time: \"yesterday\"");
}
