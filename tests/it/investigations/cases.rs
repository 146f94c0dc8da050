//! The saved questions about records that others read wrongly: the files in `testdata/cases`.

use std::path::Path;

use auditlake::{
    event::decode::EventLimits,
    import::{Input, Reader, Settings, Source, Step},
};
use serde_json::{Value, json};

use super::{Sample, pick};

const TENANT: &str = "acme";

struct Case(Sample);

impl Case {
    /// Imports the CloudTrail files of a case; none of them may be refused.
    fn of(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/cases").join(name);
        let inputs = Input::find(&[folder]).unwrap();
        let reader = Reader::new(inputs, Source::Cloudtrail, Settings::default());
        let bodies = reader.map(|step| match step {
            Step::Batch(batch) => batch.body,
            other => panic!("{other:?}"),
        });
        Self(Sample::within(EventLimits::IMPORTED, bodies, Some(TENANT)))
    }

    /// The rows for the day of the cases.
    fn ask(&self, name: &str, mut params: Value) -> Vec<Value> {
        params["from"] = "2026-10-05".into();
        params["to"] = "2026-10-05".into();
        self.0.ask(name, TENANT, params).rows
    }

    /// How many events are found by a target's name: by the questions about deletions and about a resource's history, and
    /// by SQL.
    fn found(&self, target: &str) -> (usize, usize, u64) {
        let deleted = self.ask("who-deleted", json!({"target": target})).len();
        let history = self.ask("resource-history", json!({"target": target})).len();
        let rows =
            self.0.sql(&format!("SELECT count(*) AS n FROM events WHERE array_has(target_ids, '{target}')"));
        (deleted, history, rows[0]["n"].as_u64().unwrap())
    }
}

/// Would catch an insight that is refused, or made somebody's deed.
#[test]
fn insights_are_kept() {
    let case = Case::of("01-insight-events");
    let rows = case.0.sql(
        "SELECT actor_type, outcome, metadata->'insightDetails'->>'eventName' AS about, count(*) AS n FROM events GROUP BY 1, 2, 3",
    );
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(
        pick(&rows[0], &["actor_type", "outcome", "about", "n"]),
        json!(["service", "unknown", "DeleteRolePolicy", 3])
    );
}

/// Would catch a target that the questions do not find because there are many before it.
#[test]
fn every_instance_of_a_large_record_is_found() {
    let case = Case::of("04-large-parameters");
    assert_eq!(case.0.sql("SELECT count(*) AS n FROM events")[0]["n"], 4);
    for number in [0, 63, 64, 79] {
        let (deleted, history, rows) = case.found(&format!("i-0abc{number:013x}"));
        assert!(deleted >= 1 && history >= 1 && rows >= 1, "{number}: {deleted} {history} {rows}");
    }
}

/// Would catch failed sign-ins that the question about them does not find.
#[test]
fn failed_sign_ins_of_identity_center_are_found() {
    let case = Case::of("05-identity-center-failed-signin");
    for params in
        [json!({}), json!({"actions": ["signin.CredentialVerification", "signin.UserAuthentication"]})]
    {
        let rows = case.ask("failed-logins", params);
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert_eq!(pick(&rows[0], &["ip_address", "failures"]), json!(["198.51.100.20", 27]));
    }
    let people = case.0.sql(
        "SELECT count(DISTINCT actor_id) AS n FROM events WHERE actor_metadata->>'type' = 'Unknown' AND actor_type = 'user'",
    );
    assert_eq!(people[0]["n"], 4);
}

/// Would catch a thing that is found by some of its names only.
#[test]
fn things_are_found_by_all_their_names() {
    let case = Case::of("24-one-thing-several-names");
    for (target, deleted, all) in [
        ("acme-data", 1, 2),
        ("arn:aws:s3:::acme-data", 1, 2),
        ("1234abcd-12ab-34cd-56ef-1234567890ab", 1, 1),
        ("arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", 1, 1),
        ("prod/db", 1, 1),
        ("arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db-AbCdEf", 1, 1),
        ("deploy", 1, 3),
        ("arn:aws:iam::111122223333:role/deploy", 1, 3),
    ] {
        assert_eq!(case.found(target), (deleted, all, all as u64), "{target}");
    }
}

/// Would catch a failed sign-in to an application that is not found, or found at the proxy's address.
#[test]
fn failed_sign_ins_to_applications_are_found() {
    let case = Case::of("25-service-event-results");
    let rows = case.ask("failed-logins", json!({"failures": 1}));
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(pick(&rows[0], &["ip_address", "failures", "accounts"]), json!(["203.0.113.90", 1, 1]));
    let outcomes = case.0.sql("SELECT outcome, actor_id FROM events ORDER BY occurred_at");
    let outcomes: Vec<Value> = outcomes.iter().map(|row| pick(row, &["outcome", "actor_id"])).collect();
    let of = |outcome: &str| json!([outcome, "johndoe"]);
    assert_eq!(outcomes, ["failure", "success", "success", "success", "failure"].map(of));
}
