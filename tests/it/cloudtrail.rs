//! The main job on real input: 2,900 CloudTrail events of an attack exercise, imported by the command line into a folder
//! and into S3, by itself and through a server, and asked for again before and after compaction.
//!
//! The expected answers are counted over the raw files, by a few lines of their own and not by the product's mapping.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde_json::Value;

use crate::support::{
    place::{Place, in_every_place},
    program::{self, Ended},
    server::{ROOT_KEY, Server},
};

const TENANT: &str = "invictus";
const RECORDS: u64 = 2_900;

/// What to group by, and the same read from a raw record.
type Group = (&'static str, fn(&Value) -> String);

/// Grouping by id shows each event.
const GROUPS: [Group; 6] = [
    ("id", |record| text(record, "eventID").to_owned()),
    ("action", |record| {
        format!(
            "{}.{}",
            text(record, "eventSource").trim_end_matches(".amazonaws.com"),
            text(record, "eventName")
        )
    }),
    ("CAST(day AS VARCHAR)", |record| text(record, "eventTime")[..10].to_owned()),
    ("workspace_id", |record| text(record, "recipientAccountId").to_owned()),
    ("COALESCE(metadata ->> 'errorCode', '')", |record| text(record, "errorCode").to_owned()),
    ("metadata ->> 'awsRegion'", |record| text(record, "awsRegion").to_owned()),
];

/// For each of [`GROUPS`], how many events each value has.
type Counts = Vec<BTreeMap<String, u64>>;

fn text<'a>(record: &'a Value, member: &str) -> &'a str {
    record[member].as_str().unwrap_or_default()
}

/// The raw files, in the order of their names; `None` if they are not there.
fn raw_files() -> Option<Vec<PathBuf>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data/cloudtrail");
    let Ok(entries) = fs::read_dir(&folder) else {
        println!("skipped: there are no CloudTrail files in {}", folder.display());
        return None;
    };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    Some(files)
}

fn records(files: &[PathBuf]) -> Vec<Value> {
    let read = |file: &PathBuf| -> Value { serde_json::from_slice(&fs::read(file).unwrap()).unwrap() };
    files.iter().flat_map(|file| read(file)["Records"].as_array().unwrap().clone()).collect()
}

fn expected(records: &[Value]) -> Counts {
    let count = |group: fn(&Value) -> String| {
        records.iter().fold(BTreeMap::new(), |mut counts, record| {
            *counts.entry(group(record)).or_default() += 1;
            counts
        })
    };
    GROUPS.map(|(_, group)| count(group)).into()
}

/// Asks for the counts by the command line; `way` says how it reaches the events.
fn answers(ask: impl Fn(&[&str]) -> Ended) -> Counts {
    let counts = |expression: &str| {
        let sql = format!("SELECT {expression} AS value, count(*) AS events FROM events GROUP BY 1");
        let rows = ask(&["sql", "--tenant", TENANT, "--format", "ndjson", &sql]).rows();
        let count = |row: &Value| (text(row, "value").to_owned(), row["events"].as_u64().unwrap());
        rows.iter().map(count).collect()
    };
    GROUPS.map(|(expression, _)| counts(expression)).into()
}

/// Imports files; returns how many events were new and how many known before. None may be refused.
fn import(ask: impl Fn(&[&str]) -> Ended, files: &[PathBuf]) -> (u64, u64) {
    let mut arguments = vec!["import", "--tenant", TENANT, "--format", "cloudtrail"];
    arguments.extend(files.iter().map(|file| file.to_str().unwrap()));
    let said = ask(&arguments).quiet().stdout;
    let number_before = |words: &str| {
        let before = said.split_once(words).unwrap_or_else(|| panic!("no {words:?} in {said}")).0;
        before.rsplit([' ', ':']).next().unwrap().replace(',', "").parse::<u64>().unwrap()
    };
    assert_eq!(number_before(" refused"), 0, "{said}");
    (number_before(" new"), number_before(" known before"))
}

in_every_place!(
    the_command_line_imports_once_and_answers_the_same,
    a_server_imports_once_and_answers_the_same
);

/// Would catch a record that is lost, doubled or mapped to another action on its way through import, commit,
/// compaction and a second import; and a summary that does not say so.
async fn the_command_line_imports_once_and_answers_the_same(place: &Place) {
    let Some(files) = raw_files() else { return };
    let (half, all) = (files.len() / 2, records(&files));
    let first = records(&files[..half]).len() as u64;
    let (expected, count) = (expected(&all), all.len() as u64);
    let run = |arguments: &[&str]| place.run(arguments);
    assert_eq!(count, RECORDS);

    assert_eq!(import(run, &files[..half]), (first, 0));
    assert_eq!(import(run, &files), (RECORDS - first, first), "an import that overlaps the one before");
    let total = "SELECT count(*) AS events FROM events";
    assert_eq!(place.sql(total)[0]["events"], RECORDS);
    assert_eq!(answers(run), expected);
    assert_eq!(import(run, &files), (0, RECORDS), "the same files again");

    let compacted = run(&["compact"]).quiet().stdout;
    assert!(compacted.starts_with("2 files, ") && compacted.contains(" → 1 file, "), "{compacted}");
    assert_eq!(answers(run), expected, "after compaction");
    assert_eq!(import(run, &files), (0, RECORDS), "the same files again after compaction");
    assert_eq!(place.sql(total)[0]["events"], RECORDS);
}

/// Would catch a way through a server that differs from the one without, while the server commits and merges all the
/// time; and a store that the next process reads differently.
async fn a_server_imports_once_and_answers_the_same(place: &Place) {
    let Some(files) = raw_files() else { return };
    let expected = expected(&records(&files));
    let server = Server::start(&place.busy(), &[]).await;
    let through = |arguments: &[&str]| {
        let mut command = program::command(arguments);
        command.args(["--server", server.api().address(), "--key", ROOT_KEY]);
        program::run(command, b"")
    };
    for expected_import in [(RECORDS, 0), (0, RECORDS)] {
        assert_eq!(import(through, &files), expected_import);
        assert_eq!(answers(through), expected);
    }
    let exit = server.terminate().await;
    assert!(exit.status.success(), "{exit:?}");
    assert_eq!(answers(|arguments: &[&str]| place.run(arguments)), expected, "read from the store itself");
    assert_eq!(import(|arguments: &[&str]| place.run(arguments), &files), (0, RECORDS));
}
