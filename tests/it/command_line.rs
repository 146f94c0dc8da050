//! The program from the outside: what it prints, where, and with which exit code.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::server::{Launch, ROOT_KEY, Server};

/// Our own CloudTrail records: three in a file as AWS writes it, one of them unusable.
const RECORDS: &str = r#"{"Records": [
  {"eventID": "e-1", "eventTime": "2024-05-01T10:00:00Z", "eventSource": "s3.amazonaws.com", "eventName": "GetObject",
   "userIdentity": {"type": "IAMUser", "principalId": "AIDAEXAMPLE", "userName": "ana"}},
  {"eventID": "e-9"},
  {"eventID": "e-2", "eventTime": "2024-05-01T10:00:02Z", "eventSource": "iam.amazonaws.com", "eventName": "CreateUser",
   "errorCode": "AccessDenied"}
]}"#;

/// One folder for a test's store and files.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.0.path().join(name), text).unwrap();
        self.path(name)
    }

    /// Runs a command on this place's store; returns exit code, stdout and stderr.
    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        self.run_with_input(arguments, b"")
    }

    fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> (i32, String, String) {
        let output = run(arguments, &self.path("store"), input);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    }

    /// The rows of an answer.
    fn rows(&self, arguments: &[&str]) -> Vec<Value> {
        let (code, stdout, stderr) = self.run(&[&["sql", "--format", "ndjson"], arguments].concat());
        assert_eq!(code, 0, "{stderr}");
        stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn run(arguments: &[&str], store: &str, input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_auditlake"))
        .args(arguments)
        .env_clear()
        .env("AUDITLAKE_STORE", store)
        .env("TMPDIR", Path::new(store).parent().unwrap())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A thread of its own: a child that answers while it reads would otherwise wait for us, and we for it.
    let writing = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    // A command that does not read its input closes the pipe, which is its right.
    let _reader_gone = writing.join().unwrap();
    output
}

/// Would catch a record that stops the others, is not named, or does not show in the exit code; and an import
/// that stores what is stored already.
#[test]
fn import_stores_the_usable_and_names_the_rest() {
    let place = Place::new();
    let file = place.write("log.json", RECORDS);
    let import = ["import", "--tenant", "acme", "--format", "cloudtrail", &file];
    let (code, stdout, stderr) = place.run(&import);
    assert_eq!(code, 3, "{stderr}");
    assert!(stdout.contains("3 records from 1 file: 2 new, 0 known before, 1 refused"), "{stdout}");
    assert!(stderr.contains("log.json: record 1 (line 4)") && stderr.contains("eventTime"), "{stderr}");

    let (_, stdout, _) = place.run(&import);
    assert!(stdout.contains("0 new, 2 known before, 1 refused"), "{stdout}");
    let counted = place.rows(&["SELECT action, outcome, count(*) AS n FROM events GROUP BY 1, 2 ORDER BY 1"]);
    let expected = [
        r#"{"action":"iam.CreateUser","outcome":"denied","n":1}"#,
        r#"{"action":"s3.GetObject","outcome":"success","n":1}"#,
    ];
    assert_eq!(counted, expected.map(|row| serde_json::from_str::<Value>(row).unwrap()));
}

/// Would catch a mistake of the user's that ends in a backtrace, in silence, or with the exit code of success.
#[test]
fn mistakes_have_their_exit_codes() {
    let place = Place::new();
    let file = place.write("log.json", RECORDS);
    let nowhere = place.path("nowhere");
    assert_eq!(place.run(&["import", "--tenant", "acme", "--format", "cloudtrail", &file]).0, 3);
    for (arguments, code, expected) in [
        (&["import"][..], 2, "required"),
        (&["import", "--format", "syslog", &file], 2, "native, cloudtrail"),
        (&["sql", "SELECT 1", "--format", "xml"], 2, "xml"),
        (&["import", "--format", "cloudtrail", &file], 1, "--tenant"),
        (&["import", "--tenant", "a/b", &file], 1, "a/b"),
        (&["import", "--tenant", "acme", "no-such-file.json"], 1, "no-such-file.json"),
        (&["sql", "DELETE FROM events"], 1, "error: "),
        (&["sql", "--store", &nowhere, "SELECT count(*) FROM events"], 1, "nowhere: is it the right store?"),
        (&["sql", "--param", "n=1", "SELECT 1"], 1, "'n' is not used"),
        (&["sql", "--server", "http://127.0.0.1:9", "SELECT 1"], 1, "--key"),
        (&["generate", "--tenants", "0"], 1, "0 tenants"),
    ] {
        let (given, stdout, stderr) = place.run(arguments);
        assert_eq!(given, code, "{arguments:?}: {stderr}");
        assert!(stderr.contains(expected) && stdout.is_empty(), "{arguments:?}: {stderr}");
    }
}

/// Would catch a pipe that loses events between two commands, a compaction that changes an answer, or an answer
/// that differs between formats and ways to ask.
#[test]
fn generated_events_go_through_a_pipe_compaction_and_every_format() {
    let place = Place::new();
    let labels = place.path("labels.json");
    let generate = ["generate", "--events", "4000", "--tenants", "2", "--days", "4", "--labels", &labels];
    let (code, events, _) = place.run(&generate);
    assert_eq!((code, events.lines().count()), (0, 4_000));
    let (middle, _) = events.match_indices('\n').nth(1_999).unwrap();
    for half in [&events[..middle], &events[middle..]] {
        let (code, stdout, stderr) = place.run_with_input(&["import", "-"], half.as_bytes());
        assert!(code == 0 && stdout.contains("2,000 new"), "{stdout}{stderr}");
    }
    let (_, stdout, _) = place.run_with_input(&["import", "-"], events.as_bytes());
    assert!(stdout.contains("0 new, 4,000 known before"), "{stdout}");

    let question = "SELECT tenant_id, count(*) AS n, count(DISTINCT id) AS ids, max(seq) AS last FROM events \
                    GROUP BY tenant_id ORDER BY n DESC";
    let before = place.rows(&[question]);
    let (code, stdout, _) = place.run(&["compact"]);
    assert!(code == 0 && stdout.contains("→"), "{stdout}");
    assert_eq!(place.rows(&[question]), before);
    let total: u64 = before.iter().map(|row| row["n"].as_u64().unwrap()).sum();
    assert_eq!(total, 4_000);
    assert!(before.iter().all(|row| row["n"] == row["ids"] && row["last"].as_u64() < row["n"].as_u64()));

    let (_, table, _) = place.run_with_input(&["sql", "-"], question.as_bytes());
    assert!(table.contains("(2 rows)"), "{table}");
    let tenant = before[0]["tenant_id"].as_str().unwrap();
    let (_, csv, _) =
        place.run(&["sql", "--format", "csv", "--tenant", tenant, "SELECT count(*) AS n FROM events"]);
    assert_eq!(csv.lines().nth(1), Some(before[0]["n"].to_string().as_str()));
    let labels: Vec<Value> = serde_json::from_str(&fs::read_to_string(labels).unwrap()).unwrap();
    assert_eq!(labels.len(), 1);
}

/// Would catch a demo that does not find what it planted, or writes into a store of the user's.
#[test]
fn the_demo_finds_the_planted_incident() {
    let place = Place::new();
    let (code, stdout, stderr) =
        place.run(&["demo", "--events", "20000", "--tenants", "5", "--days", "30", "--exit"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("the first row of the first answer names it"), "{stdout}");
    for expected in ["20,000 events durable", "audit_log.delete", "document.download", "by day"] {
        assert!(stdout.contains(expected), "{expected}: {stdout}");
    }
    assert!(!Path::new(&place.path("store")).exists(), "the demo used AUDITLAKE_STORE");
}

/// Would catch an import through a server that differs from one into a folder, or a second writer let in.
#[tokio::test]
async fn a_server_takes_imports_and_questions() {
    let place = Place::new();
    let file = place.write("log.json", RECORDS);
    let launch = Launch { store: place.path("served"), ..Launch::default() };
    let server = Server::start(&launch, &[]).await;
    let address = server.api().address().to_owned();
    let through = ["--server", address.as_str(), "--key", ROOT_KEY];
    let import = ["import", "--tenant", "acme", "--format", "cloudtrail", &file];
    for expected in ["2 new, 0 known before, 1 refused", "0 new, 2 known before, 1 refused"] {
        let (code, stdout, stderr) = place.run(&[&through[..], &import].concat());
        assert!(code == 3 && stdout.contains(expected), "{stdout}{stderr}");
    }
    let counted = place.rows(&[&through[..], &["SELECT count(*) AS n FROM events"]].concat());
    assert_eq!(counted[0]["n"], 2);
    let wrong = ["sql", "--server", address.as_str(), "--key", "wrong", "SELECT 1"];
    let (code, _, stderr) = place.run(&wrong);
    assert!(code == 1 && stderr.contains("401"), "{stderr}");
    let beside = ["import", "--store", &launch.store, "--tenant", "acme", &file];
    let (code, _, stderr) = place.run(&beside);
    assert!(code == 1 && stderr.contains("--take-over"), "{stderr}");
    assert!(server.terminate().await.status.success());
}
