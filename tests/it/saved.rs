//! `auditlake query`: saved questions by the command line, on a store and through a server.

use std::fs;

use serde_json::{Value, json};

use crate::support::{
    place::{Place, in_every_place},
    program::{self, Ended, command},
    server::{ROOT_KEY, Server},
};

const MINE: &str = "-- Mine\n--\n-- How many events?\n--\n-- param from  date  2025-01-01  first day\n\
                    -- column events  how many\nSELECT COUNT(*) AS events FROM events WHERE day >= $from\n";
const EVENT: &str = r#"{"id":"e-1","tenant_id":"acme","action":"document.delete","occurred_at":"2025-03-01T00:00:00Z",
    "actor":{"type":"user","id":"u_1"},"targets":[{"type":"document","id":"17"}]}"#;

fn run(arguments: &[&str]) -> Ended {
    program::run(command(arguments), b"")
}

/// Would catch a list or a description that needs a store, or does not say how to ask.
#[test]
fn questions_are_listed_and_described() {
    let list = run(&["query"]).quiet().stdout;
    let names: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.contains(&"who-deleted") && names.contains(&"account-takeover"), "{list}");
    let described = run(&["query", "who-deleted", "--describe"]).quiet().stdout;
    for part in [
        "Deletion: who deleted",
        "target   text",
        "[required]",
        "[today-89]",
        "occurred_at",
        "--param target=TARGET",
    ] {
        assert!(described.contains(part), "no {part:?} in {described}");
    }
    let json: Value = serde_json::from_str(&run(&["query", "--format", "json"]).quiet().stdout).unwrap();
    assert!(json["queries"].as_array().is_some_and(|queries| queries.len() >= 12));
    let one = run(&["query", "who-deleted", "--describe", "--format", "json"]).quiet().stdout;
    assert!(json["queries"].as_array().unwrap().contains(&serde_json::from_str(&one).unwrap()));
}

/// Would catch a mistake that is told as something else, after a store was opened, or with the exit code of success.
#[test]
fn mistakes_are_told_before_a_store_is_opened() {
    for (arguments, code, words) in [
        (&["query", "mass-exprot"][..], 1, &["no query 'mass-exprot'; did you mean mass-export?"][..]),
        (&["query", "who-deleted"], 1, &["'target' is missing"]),
        (
            &["query", "mass-export", "--param", "least=many"],
            1,
            &["'least' is \"many\"; expected an integer"],
        ),
        (
            &["query", "mass-export", "--param", "least=1", "--param", "least=2"],
            1,
            &["'least' is given more than once"],
        ),
        (&["query", "mass-export", "--param", "least"], 2, &["NAME=VALUE"]),
        (&["query", "--param", "least=1"], 2, &["NAME"]),
        (&["query", "--format", "csv"], 1, &["table or json, not as csv"]),
        (&["query", "--queries", "no-such-folder"], 1, &["no-such-folder"]),
        (
            &["query", "--queries", ".", "--server", "http://127.0.0.1:9", "--key", "k"],
            1,
            &["--queries is for"],
        ),
        (
            &["query", "mass-export", "--store", "no-such-store"],
            1,
            &["no-such-store: is it the right store?"],
        ),
    ] {
        run(arguments).failed(code, words);
    }
}

in_every_place!(a_store_and_a_server_answer_the_same);

/// Would catch a value that loses its type on one of the two ways, or a format that only one of them knows.
async fn a_store_and_a_server_answer_the_same(place: &Place) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine.sql"), MINE).unwrap();
    let queries = folder.path().to_str().unwrap();
    let line = EVENT.replace('\n', "");
    program::run(place.command(&["import", "-"]), line.as_bytes()).quiet();
    // An id of digits stays text; numbers, lists and booleans are typed by the question.
    let questions: [&[&str]; 3] = [
        &["query", "who-deleted", "--tenant", "acme", "--param", "target=17", "--param", "from=2025-01-01"],
        &["query", "api-keys", "--param", "everything=true", "--param", "from=2025-01-01"],
        &["query", "denied-attempts", "--param", "outcomes=denied,failure", "--param", "least=2"],
    ];
    let asked = |way: &dyn Fn(&[&str]) -> Ended| -> Vec<String> {
        let with =
            |question: &[&str], format| way(&[question, &["--format", format]].concat()).quiet().stdout;
        questions
            .iter()
            .flat_map(|question| ["table", "ndjson", "csv"].map(|format| with(question, format)))
            .collect()
    };
    let alone = asked(&|arguments| place.run(arguments));
    assert!(alone[0].contains("document.delete") && alone[1].contains("\"id\":\"e-1\""), "{alone:?}");
    let mine = ["query", "mine", "--queries", queries, "--format", "ndjson"];
    assert_eq!(place.run(&mine).rows(), [json!({"events": 1})]);

    let server = Server::start(&place.calm(), &["--queries", queries]).await;
    let through = |arguments: &[&str]| {
        run(&[arguments, &["--server", server.api().address(), "--key", ROOT_KEY]].concat())
    };
    assert_eq!(tokio::task::block_in_place(|| asked(&through)), alone);
    tokio::task::block_in_place(|| {
        assert_eq!(through(&["query", "mine", "--format", "ndjson"]).rows(), [json!({"events": 1})]);
        assert!(through(&["query"]).quiet().stdout.contains("\nmine "));
        assert!(through(&["query", "mine", "--describe"]).quiet().stdout.starts_with("Mine\n"));
        through(&["query", "mine", "--param", "from=soon"]).failed(1, &["422", "'from' is \"soon\""]);
        through(&["query", "nine"]).failed(1, &["404", "did you mean mine?"]);
    });
    assert!(server.terminate().await.status.success());
}
