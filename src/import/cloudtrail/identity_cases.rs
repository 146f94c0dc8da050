//! Tests of who it was and from where.

use serde_json::{Value, json};

use super::tests::{case, mapped, record, result};

/// Would catch failed sign-ins that are a success, and people thrown together because their account is one.
#[test]
fn sign_ins_of_identity_center_have_results_and_people() {
    let events = case("05-identity-center-failed-signin/signins.json");
    let of = |action: &str, ending: &str| {
        events.iter().filter(|event| event["action"] == action && result(event) == ending).count()
    };
    let verifications = "signin.CredentialVerification";
    assert_eq!((of(verifications, "failure"), of(verifications, "success")), (27, 2));
    assert_eq!((of(verifications, "unknown"), of("signin.CredentialChallenge", "unknown")), (0, 0));
    assert_eq!(of("signin.ConsoleLogin", "failure"), 1);
    let failed = |event: &&Value| {
        event["action"] == verifications
            && result(event) == "failure"
            && event["context"]["ip_address"] == "198.51.100.20"
    };
    assert_eq!(events.iter().filter(failed).count(), 27);
    let older = |event: &&Value| event["actor"]["metadata"]["type"] == "Unknown";
    let mut people: Vec<&Value> = events.iter().filter(older).map(|event| &event["actor"]["id"]).collect();
    people.sort_by_key(|id| id.to_string());
    people.dedup();
    assert_eq!(people.len(), 4, "{people:?}");
    assert!(people.iter().all(|id| *id != "111122223333" && *id != "unknown"), "{people:?}");
    let newer =
        events.iter().find(|event| event["actor"]["metadata"]["type"] == "IdentityCenterUser").unwrap();
    assert_eq!((&newer["actor"]["id"], &newer["actor"]["type"]), (&json!("user-ben-0001"), &json!("user")));
    assert_eq!(newer["actor"]["name"], "ben");
}

/// Would catch one actor for all whom nobody knows by name but by their account, and a person without a name of its own.
#[test]
fn who_names_nobody_is_nobody() {
    let nobody = (json!("unknown"), json!("unknown"));
    let actor = |members: Value| {
        let actor = mapped(members)["actor"].clone();
        (actor["type"].clone(), actor["id"].clone())
    };
    let account = "111122223333";
    for identity in [
        json!({"type": "Unknown", "principalId": account, "accountId": account}),
        json!({"type": "Unknown", "principalId": account, "arn": "", "userName": ""}),
        json!({"type": "IAMUser", "accountId": account, "userName": "HIDDEN_DUE_TO_SECURITY_REASONS", "accessKeyId": ""}),
        json!({"type": "AWSAccount", "principalId": "", "accountId": "ANONYMOUS_PRINCIPAL"}),
        json!({"type": "AWSAccount", "principalId": "Anonymous"}),
        json!({"accountId": account}),
        json!({}),
    ] {
        assert_eq!(actor(json!({"userIdentity": identity})), nobody, "{identity}");
    }
    for (identity, kind, id) in [
        (
            json!({"type": "IAMUser", "principalId": account, "userName": "ana", "accountId": account}),
            "user",
            "ana",
        ),
        (json!({"type": "SAMLUser", "userName": "johndoe"}), "federated_user", "johndoe"),
        (json!({"type": "Directory", "userName": "ana"}), "user", "ana"),
        (json!({"type": "AWSAccount", "accountId": "444455556666"}), "account", "444455556666"),
        (json!({"type": "Root", "principalId": account}), "root", account),
        (json!({"type": "Root", "accountId": account}), "root", account),
        (json!({"accountId": account, "invokedBy": "AWS Internal"}), "service", "AWS Internal"),
        (json!({"type": "SomethingNew", "principalId": "p-1"}), "unknown", "p-1"),
    ] {
        assert_eq!(actor(json!({"userIdentity": identity})), (json!(kind), json!(id)), "{identity}");
    }
    let hidden = json!({"UserName": "HIDDEN_DUE_TO_SECURITY_REASONS"});
    assert_eq!(actor(json!({"userIdentity": {"type": "Unknown"}, "additionalEventData": hidden})), nobody);
    let named = json!({"userIdentity": {"type": "Unknown", "principalId": account}, "additionalEventData": {"UserName": "eve"}});
    assert_eq!(actor(named), (json!("user"), json!("eve")));
    let service =
        json!({"userIdentity": null, "eventType": "AwsServiceEvent", "eventSource": "kms.amazonaws.com"});
    assert_eq!(actor(service), (json!("service"), json!("kms.amazonaws.com")));
    let by_account = |source: &str, name: &str| json!({"userIdentity": {"accountId": account}, "eventType": "AwsServiceEvent", "eventSource": source, "eventName": name});
    assert_eq!(actor(by_account("cognito-idp.amazonaws.com", "Token_POST")), nobody);
    assert_eq!(actor(by_account("grafana.amazonaws.com", "login-auth.sso")), nobody);
    let rotated = actor(by_account("kms.amazonaws.com", "RotateKey"));
    assert_eq!(rotated, (json!("service"), json!("kms.amazonaws.com")));
    assert_eq!(record(json!({}))["eventID"], "e-1");
}

/// Would catch an address taken from the wrong end of a list, or a list of which the rest is gone.
#[test]
fn the_clients_address_is_the_events() {
    for (source, address, kept) in [
        ("203.0.113.7", Some("203.0.113.7"), false),
        ("203.0.113.90, 10.0.0.1", Some("203.0.113.90"), true),
        ("[2001:db8::1]:443", Some("2001:db8::1"), true),
        ("AWS Internal", None, true),
        ("ec2.amazonaws.com", None, true),
    ] {
        let event = mapped(json!({"sourceIPAddress": source}));
        assert_eq!(event["context"]["ip_address"].as_str(), address, "{source}");
        assert_eq!(event["metadata"]["sourceIPAddress"].as_str().is_some(), kept, "{source}");
    }
    let detailed = mapped(
        json!({"sourceIPAddress": "AWS Internal", "serviceEventDetails": {"ipAddress": "203.0.113.7"}}),
    );
    assert_eq!(detailed["context"]["ip_address"], "203.0.113.7");
}
