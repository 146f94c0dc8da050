//! The command line as a shell sees it: help, formats, pipes between commands, and Ctrl-C.

use std::{
    fs,
    io::{Cursor, Read as _, Write as _},
    process::{Child, Command, Stdio},
    thread,
};

use arrow::ipc::reader::StreamReader;
use flate2::{Compression, write::GzEncoder};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use crate::support::{
    place::{Place, in_every_place},
    program::{self, Ended, command},
};

const COMMANDS: [&str; 7] = ["serve", "import", "sql", "query", "compact", "generate", "demo"];

fn run(arguments: &[&str]) -> Ended {
    program::run(command(arguments), b"")
}

/// Would catch a command that is not explained, or help that differs by the way one asks for it.
#[test]
fn every_command_explains_itself() {
    let overview = run(&["--help"]).quiet().stdout;
    assert!(overview.contains("Exit codes:"), "{overview}");
    for name in COMMANDS {
        assert!(overview.contains(&format!("\n  {name} ")), "{name} is not in the overview");
        let help = run(&[name, "--help"]).quiet().stdout;
        assert!(
            help.contains(&format!("Usage: auditlake {name} ")) && help.contains("--store <URL>"),
            "{help}"
        );
        assert_eq!(run(&["help", name]).quiet().stdout, help);
        // Every option says what it does, on its line or the next one.
        let mut lines = help.lines().skip_while(|line| !line.starts_with("Options:")).skip(1).peekable();
        while let Some(line) = lines.next().filter(|line| !line.is_empty()) {
            let is_option = line.trim_start().starts_with('-');
            let explained = line.trim_start().contains("  ")
                || lines.peek().is_some_and(|next| next.starts_with("          "));
            assert!(!is_option || explained, "{name}: {line}");
        }
    }
    let version = run(&["--version"]).quiet().stdout;
    assert_eq!(version, format!("auditlake {}\n", env!("CARGO_PKG_VERSION")));
}

/// Would catch a mistyped command or flag that is passed over, or reported as a failure of the work itself.
#[test]
fn wrong_usage_ends_with_2() {
    for (arguments, word) in [
        (&[][..], "Usage:"),
        (&["imprt"], "import"),
        (&["sql"], "<SQL>"),
        (&["sql", "SELECT 1", "--tennant", "acme"], "--tenant"),
        (&["sql", "SELECT 1", "--param", "nothing"], "NAME=VALUE"),
        (&["generate", "--events", "many"], "many"),
        (&["serve", "--listen", "everywhere"], "everywhere"),
    ] {
        run(arguments).failed(2, &[word]);
    }
}

/// Would catch a format whose own reader cannot read what the command writes, and a question from a pipe that is not read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_written_in_every_format() {
    let place = Place::folder();
    let events = run(&["generate", "--events", "50", "--tenants", "1", "--days", "2"]).stdout;
    program::run(place.command(&["import", "-"]), events.as_bytes()).quiet();
    let ask = |format: &str| {
        let mut question = place.command(&["sql", "--format", format, "-"]);
        question.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = question.spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"SELECT seq, id\nFROM events -- all\nORDER BY seq;").unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{format}: {output:?}");
        output.stdout
    };
    let text = |format| String::from_utf8(ask(format)).unwrap();
    let document: Value = serde_json::from_str(&text("json")).unwrap();
    assert_eq!(document["rows"].as_array().unwrap().len(), 50);
    let first = document["rows"][0].clone();
    let lines = text("ndjson");
    assert_eq!(serde_json::from_str::<Value>(lines.lines().next().unwrap()).unwrap(), first);
    let id = first["id"].as_str().unwrap();
    let csv = text("csv");
    assert_eq!(csv.lines().take(2).collect::<Vec<_>>(), ["seq,id", &format!("0,{id}")]);
    let table = text("table");
    assert!(table.contains(id) && table.ends_with("(50 rows)\n"), "{table}");
    let arrow = StreamReader::try_new(Cursor::new(ask("arrow")), None).unwrap();
    assert_eq!(arrow.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 50);
    let parquet = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(ask("parquet"))).unwrap();
    assert_eq!(parquet.metadata().file_metadata().num_rows(), 50);
    let one = place.run(&["sql", "SELECT count(*) AS n FROM events"]).quiet().stdout;
    assert_eq!(one.lines().skip(2).collect::<Vec<_>>(), ["50", "(1 row)"]);
}

/// Would catch a company that is another one each time, so that no investigation can be repeated.
#[test]
fn the_same_seed_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.ndjson").display().to_string();
    let generate = |more: &[&str]| {
        let ended = run(&[&["generate", "--events", "2000", "--tenants", "4", "--days", "5"], more].concat());
        assert_eq!(ended.code, Some(0));
        assert!(ended.stderr.starts_with("2,000 events of 4 tenants, "), "{}", ended.stderr);
        ended.stdout
    };
    let events = generate(&["--seed", "7"]);
    assert_eq!(events.lines().count(), 2_000);
    assert_eq!(generate(&["--seed", "7"]), events);
    assert_eq!(generate(&["--seed", "7", "--output", &file]), "");
    assert_eq!(fs::read_to_string(file).unwrap(), events);
    assert_ne!(generate(&["--seed", "8"]), events);
}

/// Would catch one bad event that keeps its neighbours out, and a report from which nobody finds it: files packed and
/// unpacked, in folders, are named with record and line.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_is_named_by_file_and_line() {
    let (place, folder) = (Place::folder(), tempfile::tempdir().unwrap());
    let event = |id: &str, action: &str| {
        format!(
            r#"{{"id":"{id}","tenant_id":"acme","action":"{action}","occurred_at":"2025-03-01T00:00:00Z","actor":{{"type":"user","id":"u"}}}}"#
        )
    };
    fs::create_dir(folder.path().join("inner")).unwrap();
    let plain = format!("{}\n\n{}\n{}\n", event("1", "a"), event("2", ""), event("3", "a"));
    fs::write(folder.path().join("plain.ndjson"), plain).unwrap();
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(format!("[{},\n{}]", event("4", "a"), event("5", "")).as_bytes()).unwrap();
    fs::write(folder.path().join("inner/packed.json.gz"), packed.finish().unwrap()).unwrap();
    fs::write(folder.path().join("broken.json"), format!("{}\n{{\"id\": ", event("6", "a"))).unwrap();
    fs::write(folder.path().join("notes.txt"), "not events").unwrap();

    let ended = place.run(&["import", folder.path().to_str().unwrap()]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stdout.contains("from 3 files: 4 new, 0 known before, 3 refused"), "{}", ended.stdout);
    assert!(ended.stdout.ends_with("; 1 file left out\n"), "{}", ended.stdout);
    assert!(ended.stderr.contains("notes.txt: it does not begin as JSON does\n"), "{}", ended.stderr);
    let refusals: Vec<_> = ended.stderr.lines().filter(|line| line.starts_with("refused ")).collect();
    assert_eq!(refusals.len(), 3, "{refusals:?}");
    for words in [
        ["inner/packed.json.gz", "record 1 (line 2)", "/action"],
        ["plain.ndjson", "record 1 (line 3), id 2:", "/action"],
        ["broken.json", "line 2", "ends"],
    ] {
        let named = refusals.iter().any(|line| words.iter().all(|word| line.contains(word)));
        assert!(named, "no line with {words:?} in {refusals:#?}");
    }
    let ids = place.sql("SELECT id FROM events ORDER BY id");
    assert_eq!(ids, ["1", "3", "4", "6"].map(|id| serde_json::json!({ "id": id })));
}

/// An import from a pipe, under way.
fn spawn_import(place: &Place, input: Stdio) -> Child {
    let mut import = place.command(&["import", "-"]);
    import.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Would catch a pipe between two commands that loses its end, or a reader that gives up and is called a failure.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_are_piped_into_each_other() {
    let place = Place::folder();
    let mut generate = command(&["generate", "--events", "12000", "--tenants", "2", "--days", "3"]);
    let mut generate = generate.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let import = spawn_import(&place, generate.stdout.take().unwrap().into());
    let ended = Ended::from(import.wait_with_output().unwrap()).quiet();
    assert!(generate.wait().unwrap().success());
    assert!(ended.stdout.starts_with("12,000 records from 1 file: 12,000 new, "), "{}", ended.stdout);
    assert_eq!(place.sql("SELECT count(DISTINCT id) AS n FROM events")[0]["n"], 12_000);

    for arguments in
        [&["generate", "--events", "100000"][..], &["sql", "--format", "csv", "SELECT * FROM events"]]
    {
        let mut writer = place.command(arguments);
        let mut writer = writer.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut start = [0; 100];
        writer.stdout.take().unwrap().read_exact(&mut start).unwrap();
        let ended = Ended::from(writer.wait_with_output().unwrap()).quiet();
        assert_eq!(ended.stdout, "", "the rest was not wanted");
    }
}

/// One event of an endless import.
fn numbered(number: u64) -> String {
    format!(
        r#"{{"id":"e-{number}","tenant_id":"acme","action":"a","occurred_at":"2025-03-01T00:00:00Z","actor":{{"type":"user","id":"u"}}}}"#
    )
}

in_every_place!(an_interrupted_import_stored_what_it_says);

/// Would catch an import that Ctrl-C ends before what it counts is durable, that keeps the lease, or that claims to be
/// complete.
async fn an_interrupted_import_stored_what_it_says(place: &Place) {
    let mut import = spawn_import(place, Stdio::piped());
    let mut stdin = import.stdin.take().unwrap();
    let process = import.id().to_string();
    // More is written until the program no longer reads, so that it is interrupted in the middle, whenever that is.
    let writer = thread::spawn(move || {
        for number in 0.. {
            if number == 20_000 {
                assert!(Command::new("kill").args(["-INT", &process]).status().unwrap().success());
            }
            if writeln!(stdin, "{}", numbered(number)).is_err() {
                return number;
            }
        }
        unreachable!("the program reads for ever");
    });
    let ended = Ended::from(import.wait_with_output().unwrap());
    let written = writer.join().unwrap();
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    assert!(ended.stdout.starts_with("stopped after ") && ended.stderr.is_empty(), "{ended:?}");
    let new = ended.stdout.split_once(" new").unwrap().0.rsplit(' ').next().unwrap().replace(',', "");
    let new: u64 = new.parse().unwrap();
    assert!((1..=written).contains(&new), "{new} of {written}");
    let stored =
        place.sql("SELECT count(*) AS events, count(DISTINCT id) AS ids, max(seq) AS last FROM events");
    assert_eq!(stored, [serde_json::json!({"events": new, "ids": new, "last": new - 1})]);

    let rest: Vec<_> = (0..new + 10).map(numbered).collect();
    let again = program::run(place.command(&["import", "-"]), rest.join("\n").as_bytes()).quiet();
    assert!(again.stdout.contains(" 10 new, "), "{}", again.stdout);
}
