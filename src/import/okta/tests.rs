//! Tests of the mapping of the Okta System Log: over records of our own making, and over a real log where it lies
//! beside the repository.

use std::path::Path;

use super::*;
use crate::import::{
    Source,
    members::tests::{assert_decodes, assert_nothing_lost, map_lines, real_file},
};

const SAMPLE: &str = include_str!("../../../testdata/saas/okta.ndjson");

fn record(members: Value) -> Value {
    let mut record = json!({
        "uuid": "7d3b1c52-9a41-11ef-8f0e-3d5a6b7c8d90", "published": "2024-11-04T08:15:30.123Z",
        "eventType": "user.session.start", "actor": {"id": "00u1", "type": "User"},
    });
    for (name, value) in members.as_object().unwrap() {
        record[name] = value.clone();
    }
    record
}

fn mapped(members: Value) -> Value {
    let record = record(members);
    let event = event(record.clone()).unwrap();
    // Other names are copies: what is only there would be lost.
    let mut without_aliases = event.clone();
    for target in without_aliases.get_mut("targets").and_then(Value::as_array_mut).into_iter().flatten() {
        target.as_object_mut().unwrap().remove("aliases");
    }
    assert_nothing_lost(&record, &without_aliases);
    event.into()
}

fn sample() -> Vec<Value> {
    map_lines(SAMPLE, event).into_iter().map(|(_, event)| event.unwrap().into()).collect()
}

/// Would catch a member that goes to another field than the table says, and a value dropped on the way.
#[test]
fn a_whole_record_is_mapped_as_the_table_says() {
    let expected = json!({
        "id": "7d3b1c52-9a41-11ef-8f0e-3d5a6b7c8d90",
        "occurred_at": "2024-11-04T08:15:30.123Z",
        "action": "user.session.start",
        "actor": {"type": "user", "id": "00uana0000000000001", "name": "Ana Lind", "email": "ana@acme.example",
                  "metadata": {"type": "User"}},
        "targets": [{"type": "AppInstance", "id": "0oa1", "name": "Okta Dashboard", "aliases": ["Okta Dashboard"],
                     "metadata": {"alternateId": "Okta Dashboard"}}],
        "outcome": {"result": "success"},
        "description": "User login to Okta",
        "context": {"ip_address": "203.0.113.7", "session_id": "idxSESSION1", "request_id": "txn-1", "country": "SE",
                    "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"},
    });
    let mut event = sample().remove(0);
    let metadata = event.as_object_mut().unwrap().remove("metadata").unwrap();
    assert_eq!(event, expected);
    assert_eq!(metadata["outcome"], json!({"result": "SUCCESS", "reason": null}));
    assert_eq!(metadata["severity"], "INFO");
    assert_eq!(metadata["legacyEventType"], "core.user_auth.login_success");
    assert_eq!(metadata["authenticationContext"]["rootSessionId"], "idxROOT1");
    assert_eq!(metadata["transaction"], json!({"type": "WEB", "detail": {}}));
    assert_eq!(metadata["client"]["geographicalContext"]["country"], "Sweden");
}

/// Would catch the accounts of failed sign-ins thrown together, and `unknown` taken for a session or a request.
#[test]
fn what_okta_does_not_know_is_no_identity() {
    let failed = &sample()[1];
    assert_eq!(failed["actor"]["id"], "nobody@acme.example");
    assert_eq!(failed["actor"]["email"], "nobody@acme.example");
    assert_eq!(failed["actor"]["metadata"]["id"], "unknown");
    assert_eq!(failed["outcome"], json!({"result": "failure", "reason": "VERIFICATION_ERROR"}));
    assert_eq!(failed["context"], json!({"ip_address": "2001:db8::17"}));
    assert_eq!(failed["metadata"]["transaction"]["id"], "unknown");
    for (actor, id, kind) in [
        (json!({"id": "unknown", "type": "IP address"}), "unknown", "ip_address"),
        (json!({"alternateId": "unknown", "id": "00u1"}), "00u1", "unknown"),
        (json!({"alternateId": "admin", "type": "SystemPrincipal"}), "admin", "system_principal"),
        (
            json!({"id": "unknown", "alternateId": "unknown", "displayName": "Ana", "type": "User"}),
            "Ana",
            "user",
        ),
        (json!({"id": "", "alternateId": "unknown", "displayName": "unknown"}), "unknown", "unknown"),
        (
            json!({"id": "unknown", "alternateId": "unknown", "displayName": "unknown", "type": "User"}),
            "unknown",
            "unknown",
        ),
        (
            json!({"id": "anonymousUser", "alternateId": "anonymous", "displayName": "Anonymous", "type": "User"}),
            "unknown",
            "unknown",
        ),
        (json!("somebody"), "unknown", "unknown"),
        (json!(null), "unknown", "unknown"),
    ] {
        let event = mapped(json!({"actor": actor}));
        assert_eq!((&event["actor"]["id"], &event["actor"]["type"]), (&json!(id), &json!(kind)), "{actor}");
    }
}

/// Would catch a key or token that cannot be followed, and a change that is only in the metadata.
#[test]
fn credentials_and_changes_have_their_fields() {
    let update = &sample()[2];
    assert_eq!(update["actor"]["type"], "public_client_app");
    assert_eq!(update["actor"]["credential"], json!({"type": "api_token", "id": "00Ttoken1"}));
    assert_eq!(update["metadata"]["client"], json!({"id": "0oaclient1"}));
    let changes =
        json!({"name": {"old": "Ops", "new": "Operators"}, "size": {"old": 3}, "owner": {"new": "ana"}});
    assert_eq!(update["changes"], changes);
    assert_eq!(update["targets"][0]["metadata"], json!({"alternateId": "unknown"}));
    let client = mapped(json!({"client": {"id": "0oaclient1"}}));
    assert_eq!(client["actor"]["credential"], json!({"type": "client", "id": "0oaclient1"}));

    let changed = |details: Value| json!({"type": "User", "id": "00u2", "changeDetails": details});
    let details = json!({"from": {"a": 1}, "to": {"a": 2}});
    for targets in [
        json!([changed(details.clone()), changed(details)]),
        json!([changed(json!({"from": 1}))]),
        json!([changed(json!({"other": {"a": 1}}))]),
    ] {
        let event = mapped(json!({"target": targets}));
        assert_eq!(event.get("changes"), None, "{targets}");
        assert!(event["targets"][0]["metadata"].get("changeDetails").is_some(), "{targets}");
    }
}

/// Would catch support staff whose actions in another's name look like their own, and others said to act for someone.
#[test]
fn impersonation_says_in_whose_name() {
    let expected = json!({"type": "user", "id": "00uana0000000000001", "name": "Ana Lind"});
    let events = sample();
    assert_eq!(events[3]["actor"]["on_behalf_of"], expected);
    let user = json!([{"type": "User", "id": "00u2"}]);
    for action in ["user.session.impersonation.grant", "user.session.start"] {
        let event = mapped(json!({"eventType": action, "target": user}));
        assert_eq!(event["actor"].get("on_behalf_of"), None, "{action}");
    }
}

/// Would catch a log from a data warehouse that is refused, or whose events become one because their ids were removed.
#[test]
fn logs_from_a_warehouse_are_read() {
    let events = sample();
    let (denied, challenged) = (&events[4], &events[5]);
    assert_eq!(denied["occurred_at"], "2024-11-04T08:16:20.007Z");
    assert_eq!(denied["action"], "policy.evaluate_sign_on");
    assert_eq!(denied["context"]["session_id"], "idxSESSION1");
    assert_eq!(denied["outcome"]["result"], "denied");
    let target = json!({"type": "AppInstance", "id": "Admin Console", "name": "Admin Console",
                        "metadata": {"alternateId": "Admin Console"}});
    assert_eq!(denied["targets"], json!([target]));
    assert_eq!(denied["metadata"]["target"], json!([{"note": "names nothing"}]));
    assert_eq!(denied["metadata"]["uuid"], "XXXXXXXXXXXX");
    assert!(denied["id"].as_str().unwrap().starts_with("sha256:") && denied["id"] != challenged["id"]);
    assert_eq!(challenged["outcome"]["result"], "unknown");

    let both =
        mapped(json!({"eventtype": "x", "published": "redacted", "p_event_time": "2024-11-04 08:15:30"}));
    assert_eq!(both["metadata"]["eventtype"], "x");
    assert_eq!(both["occurred_at"], "2024-11-04T08:15:30Z");
    assert_eq!(both["metadata"]["published"], "redacted");
}

/// Would catch a value that does not fit its field being dropped, cut, or making the decoder refuse the event.
#[test]
fn what_does_not_fit_stays_in_the_metadata() {
    let long = "u".repeat(5_000);
    let event = mapped(json!({
        "client": {"ipAddress": "redacted", "userAgent": {"rawUserAgent": long},
                   "geographicalContext": {"country": "Atlantis"}},
        "displayMessage": 7, "outcome": "odd", "transaction": {"id": ["x"]}, "target": "odd",
        "securityContext": {"asNumber": u64::MAX},
    }));
    assert_eq!(event.get("context"), None);
    assert_eq!(event.get("targets"), None);
    assert_eq!(event["metadata"]["target"], "odd");
    assert_eq!(event["outcome"], json!({"result": "unknown"}));
    assert_eq!(event["metadata"]["securityContext"]["asNumber"], u64::MAX.to_string());
    let targets: Vec<Value> = (0..100).map(|number| json!({"type": "User", "id": number})).collect();
    let many = mapped(json!({"target": targets}));
    assert_eq!(many["targets"].as_array().unwrap().len(), 100);
    assert_eq!(many.get("metadata"), None);
}

/// Would catch something else than an Okta event imported as if it were, or an event with an invented time.
#[test]
fn other_values_are_refused_by_reason() {
    assert_eq!(event(json!([1])), Err(NotARecord::NotAnObject));
    assert_eq!(event(json!({"eventType": "a"})), Err(NotARecord::Missing("published")));
    for bad in [json!(null), json!(""), json!(5)] {
        assert_eq!(mapped(json!({"eventType": bad}))["action"], "unknown");
    }
    let legacy = mapped(json!({"eventType": null, "legacyEventType": "core.user_auth.login_success"}));
    assert_eq!(legacy["action"], "core.user_auth.login_success");
    let redacted = event(record(json!({"published": "redacted"}))).unwrap_err();
    assert_eq!(redacted.to_string(), "its published is not a time: \"redacted\"");
}

/// Would catch a result of Okta's that is taken for a success, or for nothing where it says something.
#[test]
fn results_have_one_meaning() {
    for (result, expected) in [
        ("SUCCESS", "success"),
        ("ALLOW", "success"),
        ("FAILURE", "failure"),
        ("ABANDONED", "failure"),
        ("UNANSWERED", "failure"),
        ("DENY", "denied"),
        ("RATE_LIMIT", "denied"),
        ("CHALLENGE", "unknown"),
        ("SKIPPED", "unknown"),
        ("DEFERRED", "unknown"),
        ("SCHEDULED", "unknown"),
        ("UNKNOWN", "unknown"),
        ("success", "success"),
        ("SOMETHING_NEW", "unknown"),
    ] {
        assert_eq!(mapped(json!({"outcome": {"result": result}}))["outcome"]["result"], expected, "{result}");
    }
    assert_eq!(mapped(json!({"outcome": null}))["outcome"], json!({"result": "unknown"}));
}

/// Would catch a proxy taken for the client, and a list of addresses that is thrown away or gives none.
#[test]
fn the_clients_address_is_the_events() {
    let chain = json!([{"ip": "203.0.113.7", "version": "V4"}, {"ip": "10.0.0.1", "version": "V4"}]);
    for (client, expected) in [
        (json!("203.0.113.90, 10.0.0.1"), Some("203.0.113.90")),
        (json!("[2001:db8::1]:443"), Some("2001:db8::1")),
        (json!(null), Some("203.0.113.7")),
        (json!("redacted"), Some("203.0.113.7")),
    ] {
        let event = mapped(json!({"client": {"ipAddress": client}, "request": {"ipChain": chain}}));
        assert_eq!(event["context"]["ip_address"].as_str(), expected, "{client}");
        assert_eq!(event["metadata"]["request"]["ipChain"], chain);
        assert_eq!(event["metadata"]["client"]["ipAddress"], client);
    }
}

/// Would catch a target that is found by its id only.
#[test]
fn targets_are_found_by_every_name() {
    let user =
        json!({"id": "00u2", "type": "User", "alternateId": "ben@acme.example", "displayName": "Ben Ray"});
    let event =
        mapped(json!({"target": [user, {"id": "0oa1", "alternateId": "unknown", "displayName": "unknown"}]}));
    assert_eq!(event["targets"][0]["aliases"], json!(["ben@acme.example", "Ben Ray"]));
    assert_eq!(event["targets"][1].get("aliases"), None);
}

/// Would catch a target that is none because it has no type or stands without a list, and one found by half of its names.
#[test]
fn targets_of_any_form_are_targets() {
    let single = mapped(json!({"target": {"id": "00u2", "type": "User", "alternateId": "ben@acme.example"}}));
    assert_eq!(single["targets"][0]["aliases"], json!(["ben@acme.example"]));
    assert_eq!(mapped(json!({"target": null})).get("targets"), None);
    let nothing = mapped(json!({"target": {"note": "x"}}));
    assert_eq!((nothing.get("targets"), &nothing["metadata"]["target"]), (None, &json!({"note": "x"})));
    let untyped = mapped(json!({"target": [
        {"id": "00u1a2b3c4d5e6f7g8h9", "type": "unknown", "displayName": "Ben"}, {"id": "0oa1a2b3c4d5e6f7g8h9"}, {"id": "0ua1a2b3c4d5e6f7g8h9", "type": null},
        {"id": "00gophers", "type": "unknown"},
    ]}));
    let kinds: Vec<&Value> =
        untyped["targets"].as_array().unwrap().iter().map(|target| &target["type"]).collect();
    assert_eq!(kinds, ["User", "AppInstance", "AppUser", "unknown"]);
    assert_eq!(untyped["targets"][0]["metadata"], json!({"type": "unknown"}));
    let detailed = mapped(json!({"target": [{"id": "0ua1", "type": "AppUser", "detailEntry": {
        "login": "ben@corp.example", "Label": "Payroll", "signOnModeType": "SAML_2_0", "appInstanceId": "0oa1", "name": 7}}]}));
    assert_eq!(detailed["targets"][0]["aliases"], json!(["Payroll", "ben@corp.example"]));
}

/// Would catch an address that is not seen because the first entry of the chain has none.
#[test]
fn the_chain_is_searched_for_an_address() {
    for (chain, expected) in [
        (json!([null, {"ip": "203.0.113.7"}]), Some("203.0.113.7")),
        (
            json!([{"version": "V4"}, {"ip": null}, {"ip": "unknown"}, {"ip": "2001:db8::1"}]),
            Some("2001:db8::1"),
        ),
        (json!([]), None),
        (json!("odd"), None),
    ] {
        let event = mapped(json!({"request": {"ipChain": chain}}));
        assert_eq!(event["context"]["ip_address"].as_str(), expected, "{chain}");
    }
}

/// Would catch an event of the sample that the decoder does not take.
#[test]
fn the_sample_decodes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/saas/okta.ndjson");
    assert_eq!(assert_decodes(&path, Source::Okta), 6);
}

/// Would catch a value of a real record that the mapping drops, and a real event that is refused for no good reason.
#[test]
fn a_real_log_loses_nothing() {
    let Some(path) = real_file("okta-system-log.ndjson") else { return };
    let events = map_lines(&std::fs::read_to_string(&path).unwrap(), event);
    // Their times are missing or were replaced by a word.
    let refused = events.iter().filter(|(_, event)| event.is_err()).count();
    assert_eq!((events.len(), refused), (66, 8));
    assert_eq!(assert_decodes(&path, Source::Okta), 58);
}
