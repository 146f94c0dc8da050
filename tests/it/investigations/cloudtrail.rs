//! The same questions to the CloudTrail files of an attack exercise. All its records are of one day, and so of one
//! file: what can be seen of pruning is that it is read for its day, and not for the day before.
//!
//! What is expected is counted over the raw records, not by the product's mapping. Without the files the tests say so
//! and pass.

use std::{fs, path::PathBuf, sync::LazyLock};

use auditlake::import::{Input, Reader, Settings, Source, Step};
use serde_json::{Value, json};

use super::Sample;

const TENANT: &str = "invictus";
/// The account that the exercise ran under.
const BERT_JAN: &str = "AIDATFQR7NSC5AU2ZV3IE";

struct Exercise {
    sample: Sample,
    records: Vec<Value>,
}

static EXERCISE: LazyLock<Option<Exercise>> = LazyLock::new(|| {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data/cloudtrail");
    if !folder.is_dir() {
        println!("skipped: there are no CloudTrail files in {}", folder.display());
        return None;
    }
    let inputs = Input::find(std::slice::from_ref(&folder)).unwrap();
    let bodies = Reader::new(inputs, Source::Cloudtrail, Settings::default()).filter_map(|step| match step {
        Step::Batch(batch) => Some(batch.body),
        Step::Refused(_) | Step::Noted(_) => None,
    });
    let sample = Sample::of(bodies, Some(TENANT));
    let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    let documents = files.map(|path| serde_json::from_slice::<Value>(&fs::read(path).unwrap()).unwrap());
    let records = documents.flat_map(|document| document["Records"].as_array().unwrap().clone()).collect();
    Some(Exercise { sample, records })
});

impl Exercise {
    /// The rows for the day of the exercise; for the day before, the file is not read.
    fn ask(&self, name: &str, mut params: Value) -> Vec<Value> {
        for (day, kept) in [("2023-07-09", 0), ("2023-07-10", 1)] {
            let asked = params.as_object_mut().unwrap();
            asked.insert("from".into(), day.into());
            asked.insert("to".into(), day.into());
            if name == "new-locations" {
                asked.insert("since".into(), format!("{day}T12:00:00Z").into());
            }
            let answer = self.sample.ask(name, TENANT, params.clone());
            let statistics = answer.statistics;
            assert_eq!(statistics.files_kept, kept * statistics.files_considered, "{name} {day}");
            if kept == 1 {
                return answer.rows;
            }
        }
        unreachable!("the second day has an answer")
    }

    /// Numbers of raw records that match.
    fn count(&self, matches: impl Fn(&Value) -> bool) -> u64 {
        self.records.iter().filter(|record| matches(record)).count() as u64
    }
}

fn named(record: &Value, names: &[&str]) -> bool {
    record["eventName"].as_str().is_some_and(|name| names.contains(&name))
}

fn sum(rows: &[Value], column: &str) -> u64 {
    rows.iter().map(|row| row[column].as_u64().unwrap()).sum()
}

/// Would catch an event of the actor that is not in its timeline, which must hold all of them, run by run.
#[test]
fn everything_that_one_account_did() {
    let Some(exercise) = &*EXERCISE else { return };
    let expected = exercise.count(|record| record["userIdentity"]["principalId"] == BERT_JAN);
    let rows = exercise.ask("actor-timeline", json!({"actor": BERT_JAN}));
    assert_eq!(sum(&rows, "events"), expected);
    let seen = exercise.ask("first-and-last-seen", json!({"actor": BERT_JAN}));
    assert_eq!((seen.len(), sum(&seen, "events")), (1, expected));
    let hours = exercise.ask("activity-by-hour", json!({"actor": BERT_JAN}));
    assert_eq!((sum(&hours, "events"), sum(&hours, "monday")), (expected, expected), "it was a Monday");
}

/// Would catch a deletion by AWS's names that the words of the default do not find.
#[test]
fn who_deleted_the_trail() {
    let Some(exercise) = &*EXERCISE else { return };
    let trail = "stratus-red-team-ctes-trail-qyxyekjbtk";
    let rows = exercise.ask("who-deleted", json!({"target": trail}));
    assert!(!rows.is_empty());
    assert!(
        rows.iter().all(|row| row["actor_name"] == "bert-jan" && row["action"] == "cloudtrail.DeleteTrail")
    );
    assert_eq!(rows[0]["outcome"], "success");
    let history = exercise.ask("resource-history", json!({"target": trail}));
    assert!(history.iter().any(|row| row["action"] == "cloudtrail.CreateTrail"), "{history:?}");
    assert!(history.iter().any(|row| row["id"] == rows[0]["id"]));
}

/// Would catch a change of rights by AWS's names that is missed, or calls that only look among them.
#[test]
fn permissions_that_were_changed() {
    let Some(exercise) = &*EXERCISE else { return };
    let names = ["AttachRolePolicy", "PutRolePolicy", "CreateRole", "CreateLoginProfile", "AttachUserPolicy"];
    let expected = exercise.count(|record| named(record, &names));
    let rows = exercise.ask("permission-changes", json!({}));
    let actions: Vec<&str> = rows.iter().map(|row| row["action"].as_str().unwrap()).collect();
    let of_names =
        actions.iter().filter(|action| names.iter().any(|name| action.ends_with(&format!(".{name}"))));
    assert_eq!(of_names.count() as u64, expected);
    assert!(!actions.iter().any(|action| action.contains(".Get") || action.contains(".List")), "{actions:?}");
    assert!(!actions.contains(&"sts.AssumeRole"));
}

/// Would catch an access key whose id is taken from the wrong target, so that its use is not found.
#[test]
fn access_keys_made_and_used() {
    let Some(exercise) = &*EXERCISE else { return };
    let made = |record: &&Value| named(record, &["CreateAccessKey"]) && record["errorCode"].is_null();
    let mut expected: Vec<(String, u64)> = exercise
        .records
        .iter()
        .filter(made)
        .map(|record| {
            let key = &record["responseElements"]["accessKey"]["accessKeyId"];
            let uses = exercise.count(|other| other["userIdentity"]["accessKeyId"] == *key);
            (key.as_str().unwrap().to_owned(), uses)
        })
        .collect();
    expected.sort();
    let mut rows: Vec<(String, u64)> = exercise
        .ask("api-keys", json!({}))
        .iter()
        .map(|row| (row["credential_id"].as_str().unwrap().to_owned(), row["uses"].as_u64().unwrap()))
        .collect();
    rows.sort();
    assert!(!expected.is_empty());
    assert_eq!(rows, expected);

    let used = exercise.ask("api-keys", json!({"everything": true}));
    let key = used.iter().find(|row| row["uses"].as_u64() > Some(0)).unwrap()["credential_id"].clone();
    let uses = exercise.count(|record| record["userIdentity"]["accessKeyId"] == key);
    assert_eq!(sum(&exercise.ask("credential-actions", json!({"credential": key})), "events"), uses);
}

/// Would catch secrets read by the dozen that do not count as taken.
#[test]
fn secrets_that_were_taken() {
    let Some(exercise) = &*EXERCISE else { return };
    let names = ["GetObject", "GetSecretValue", "GetParameter", "GetParameters"];
    let expected = exercise.count(|record| {
        named(record, &names)
            && record["errorCode"].is_null()
            && record["errorMessage"].is_null()
            && record["userIdentity"]["principalId"] == BERT_JAN
    });
    let rows = exercise.ask("mass-export", json!({"actor": BERT_JAN}));
    assert_eq!((rows.len(), sum(&rows, "taken")), (1, expected));
}

/// Would catch a refusal by one of AWS's codes that is not told.
#[test]
fn attempts_that_were_denied() {
    let Some(exercise) = &*EXERCISE else { return };
    let codes = ["AccessDenied", "Client.UnauthorizedOperation"];
    let expected =
        exercise.count(|record| record["errorCode"].as_str().is_some_and(|code| codes.contains(&code)));
    assert_eq!(sum(&exercise.ask("denied-attempts", json!({})), "attempts"), expected);
}

/// Would catch console logins that the default does not take for logins, and addresses that are new within a day.
#[test]
fn logins_and_addresses() {
    let Some(exercise) = &*EXERCISE else { return };
    let logins = exercise.count(|record| named(record, &["ConsoleLogin"]));
    assert_eq!(exercise.ask("account-takeover", json!({"failures": 0})).len() as u64, logins);
    assert_eq!(exercise.ask("failed-logins", json!({})), [] as [Value; 0]);
    let new = exercise.ask("new-locations", json!({}));
    assert!(new.iter().all(
        |row| row["first_seen_at"].as_str() >= Some("2023-07-10T12:00:00") && row["new_country"] == false
    ));
    assert_eq!(
        exercise.ask("dormant-accounts", json!({"silence": 0})),
        [] as [Value; 0],
        "one day has no gaps"
    );
    let night = json!({"starts": 23, "ends": 24, "least": 1, "actor": BERT_JAN});
    let outside = sum(&exercise.ask("outside-working-hours", night), "events");
    let expected = exercise.count(|record| {
        record["userIdentity"]["principalId"] == BERT_JAN
            && record["eventTime"].as_str().is_some_and(|time| &time[11..13] < "23")
    });
    assert_eq!(outside, expected);
}
