//! The logs of other services on real input: an Okta System Log and a GitHub audit log, imported by the command line
//! into a folder and into S3, by itself and through a server, and asked for again before and after compaction.
//!
//! Both logs were made anonymous and went through a data warehouse, so they hold what real ones seldom do: records
//! that are equal, ids that several records share, times that are missing or no times. The expected answers are reckoned
//! from the raw files, by a few lines of their own and not by the product's mapping.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use chrono::DateTime;
use serde_json::Value;

use crate::support::{
    place::{Place, in_every_place},
    program::{self, Ended},
    server::{ROOT_KEY, Server},
};

/// What to group by, and the same read from a raw record.
type Group = (&'static str, fn(&Value) -> String);
/// For each group, how many events each value has.
type Counts = Vec<BTreeMap<String, u64>>;

/// A log in `../shared/data/saas`; its tenant is called like its format.
struct Log {
    format: &'static str,
    file: &'static str,
    records: usize,
    /// Where the time is, best first.
    times: &'static [&'static str],
    id: &'static str,
    is_id: fn(&str) -> bool,
    groups: &'static [Group],
}

const OKTA: Log = Log {
    format: "okta",
    file: "okta-system-log.ndjson",
    records: 66,
    times: &["published", "p_event_time"],
    id: "uuid",
    is_id: |text| text.split('-').map(str::len).eq([8, 4, 4, 4, 12]),
    groups: &[
        ("action", |record| text(record, &["eventType"])),
        ("CAST(day AS VARCHAR)", |record| text(record, &["published"])[..10].to_owned()),
        ("metadata->'outcome'->>'result'", |record| text(record, &["outcome", "result"])),
        ("COALESCE(outcome_reason, '')", |record| text(record, &["outcome", "reason"])),
        ("COALESCE(ip_address, '')", |record| text(record, &["client", "ipAddress"])),
        ("COALESCE(session_id, '')", |record| text(record, &["authenticationContext", "externalSessionId"])),
        ("COALESCE(actor_name, '')", |record| text(record, &["actor", "displayName"])),
        ("COALESCE(target_name, '')", |record| text(&record["target"][0], &["displayName"])),
        ("metadata->>'severity'", |record| text(record, &["severity"])),
    ],
};

const GITHUB: Log = Log {
    format: "github",
    file: "github-audit-log.ndjson",
    records: 101,
    times: &["@timestamp", "at_sign_timestamp", "created_at", "p_event_time"],
    id: "_document_id",
    is_id: |text| text.len() > 20,
    groups: &[
        ("action", |record| text(record, &["action"])),
        ("COALESCE(actor_name, '')", |record| text(record, &["actor"])),
        ("COALESCE(workspace_id, '')", |record| text(record, &["org"])),
        ("COALESCE(country, '')", |record| text(record, &["actor_location", "country_code"])),
        ("COALESCE(ip_address, '')", |record| text(record, &["actor_ip"])),
        ("COALESCE(user_agent, '')", |record| text(record, &["user_agent"])),
        ("COALESCE(credential_id, '')", |record| {
            let token = text(record, &["hashed_token"]);
            if token.is_empty() { text(record, &["token_id"]) } else { token }
        }),
        ("COALESCE(metadata->>'operation_type', '')", |record| text(record, &["operation_type"])),
    ],
};

/// A member of a member; names count whatever their case, as a data warehouse may have changed it.
fn text(record: &Value, path: &[&str]) -> String {
    let value = path.iter().try_fold(record, |value, name| {
        let mut members = value.as_object()?.iter();
        members.find(|(member, _)| member.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    });
    value.and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// What a log should come to.
struct Expected {
    events: Vec<Value>,
    /// Lines of the records that have no time.
    timeless: BTreeSet<usize>,
    /// Lines of the records whose id belongs to another record of that day.
    conflicts: BTreeSet<usize>,
}

impl Log {
    /// The raw file; `None` if it is not there.
    fn path(&self) -> Option<PathBuf> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/saas").join(self.file);
        if !path.is_file() {
            println!("skipped: there is no {}", path.display());
            return None;
        }
        Some(path)
    }

    /// The day of a record, if the first of its times that can be read gives one.
    fn day(&self, record: &Value) -> Option<String> {
        self.times.iter().find_map(|member| match &record[*member] {
            Value::String(text) => {
                let digits = text.bytes().take(19).filter(u8::is_ascii_digit).count();
                let ends = matches!(text.as_bytes().get(19), None | Some(b'.' | b'Z'));
                (digits == 14 && ends).then(|| text[..10].to_owned())
            }
            Value::Number(millis) => {
                let time = DateTime::from_timestamp_millis(millis.as_f64()? as i64)?;
                Some(time.date_naive().to_string())
            }
            _ => None,
        })
    }

    fn expected(&self, path: &Path) -> Expected {
        let (mut timeless, mut conflicts) = (BTreeSet::new(), BTreeSet::new());
        let mut events: Vec<(Option<(String, String)>, Value)> = Vec::new();
        let content = fs::read_to_string(path).unwrap();
        assert_eq!(content.lines().count(), self.records);
        for (index, line) in content.lines().enumerate() {
            let record: Value = serde_json::from_str(line).unwrap();
            let Some(day) = self.day(&record) else {
                timeless.insert(index + 1);
                continue;
            };
            let id = Some(text(&record, &[self.id])).filter(|id| (self.is_id)(id)).map(|id| (id, day));
            if events.iter().any(|(_, other)| *other == record) {
                continue;
            }
            if id.is_some() && events.iter().any(|(other, _)| *other == id) {
                conflicts.insert(index + 1);
            } else {
                events.push((id, record));
            }
        }
        Expected { events: events.into_iter().map(|(_, record)| record).collect(), timeless, conflicts }
    }

    fn counts(&self, events: &[Value]) -> Counts {
        let count = |group: fn(&Value) -> String| {
            events.iter().fold(BTreeMap::new(), |mut counts, record| {
                *counts.entry(group(record)).or_default() += 1;
                counts
            })
        };
        self.groups.iter().map(|(_, group)| count(*group)).collect()
    }

    fn answers(&self, ask: &dyn Fn(&[&str]) -> Ended) -> Counts {
        let counts = |expression: &str| {
            let sql = format!("SELECT {expression} AS value, count(*) AS events FROM events GROUP BY 1");
            let rows = ask(&["sql", "--tenant", self.format, "--format", "ndjson", &sql]).rows();
            let count = |row: &Value| (text(row, &["value"]), row["events"].as_u64().unwrap());
            rows.iter().map(count).collect()
        };
        self.groups.iter().map(|(expression, _)| counts(expression)).collect()
    }
}

/// What an import said: how many were new, known before, refused; and the lines it refused by name.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    new: usize,
    known: usize,
    refused: usize,
    lines: BTreeSet<usize>,
}

fn import(ask: &dyn Fn(&[&str]) -> Ended, format: &str, path: &Path) -> Said {
    let ended = ask(&["import", "--tenant", format, "--format", format, path.to_str().unwrap()]);
    let number_before = |words: &str| {
        let before = ended.stdout.split_once(words).unwrap_or_else(|| panic!("no {words:?} in {ended:?}")).0;
        before.rsplit([' ', ':']).next().unwrap().replace(',', "").parse::<usize>().unwrap()
    };
    let (new, known, refused) = (number_before(" new"), number_before(" known"), number_before(" refused"));
    assert_eq!(ended.code, Some(if refused == 0 { 0 } else { 3 }), "{ended:?}");
    let line = |text: &str| text.split_once(" (line ")?.1.split_once(')')?.0.parse().ok();
    let refusals = ended
        .stderr
        .lines()
        .filter(|text| text.starts_with("refused ") && text.contains(path.to_str().unwrap()));
    let lines: BTreeSet<usize> = refusals.filter_map(line).collect();
    assert_eq!(lines.len(), refused.min(20), "{}", ended.stderr);
    Said { new, known, refused, lines }
}

/// Imports a log once and again, and asks for it each time.
fn import_and_ask(ask: &dyn Fn(&[&str]) -> Ended, log: &Log, path: &Path) -> Counts {
    let expected = log.expected(path);
    let counts = log.counts(&expected.events);
    let wrong: BTreeSet<usize> = expected.timeless.union(&expected.conflicts).copied().collect();
    let (new, refused) = (expected.events.len(), wrong.len());

    let first = import(ask, log.format, path);
    println!("{}: {first:?}", log.format);
    assert_eq!((first.new, first.refused), (new, refused));
    assert_eq!(first.known, log.records - new - refused, "records that are equal");
    assert!(first.lines.is_subset(&wrong), "{first:?}");
    assert_eq!(log.answers(ask), counts);

    let again = import(ask, log.format, path);
    assert_eq!((again.new, again.known + again.refused), (0, log.records), "the same file again");
    assert!(again.refused >= expected.timeless.len(), "{again:?}");
    assert_eq!(log.answers(ask), counts, "the same file again");
    counts
}

in_every_place!(
    the_command_line_imports_once_and_answers_the_same,
    a_server_imports_once_and_answers_the_same
);

/// Would catch a record that is lost, doubled or mapped to another action on its way through import, commit,
/// compaction and a second import; and a summary that does not say so.
async fn the_command_line_imports_once_and_answers_the_same(place: &Place) {
    let ask = |arguments: &[&str]| place.run(arguments);
    for log in [OKTA, GITHUB] {
        let Some(path) = log.path() else { continue };
        let counts = import_and_ask(&ask, &log, &path);
        assert_eq!(ask(&["compact"]).code, Some(0));
        assert_eq!(log.answers(&ask), counts, "after compaction");
        assert_eq!(import(&ask, log.format, &path).new, 0, "the same file again after compaction");
        assert_eq!(log.answers(&ask), counts, "after compaction and import");
    }
}

/// Would catch a way through a server that differs from the one without, while the server commits and merges all the time.
async fn a_server_imports_once_and_answers_the_same(place: &Place) {
    let server = Server::start(&place.busy(), &[]).await;
    let through = |arguments: &[&str]| {
        let mut command = program::command(arguments);
        command.args(["--server", server.api().address(), "--key", ROOT_KEY]);
        program::run(command, b"")
    };
    let mut counts = Vec::new();
    for log in [OKTA, GITHUB] {
        if let Some(path) = log.path() {
            counts.push(import_and_ask(&through, &log, &path));
        }
    }
    let exit = server.terminate().await;
    assert!(exit.status.success(), "{exit:?}");
    for (log, counts) in [OKTA, GITHUB].iter().zip(counts) {
        assert_eq!(
            log.answers(&|arguments: &[&str]| place.run(arguments)),
            counts,
            "read from the store itself"
        );
    }
}

/// Would catch a bad line that stops the others, is named by another line, or does not show in the summary and the exit
/// code; in each format, with few bad lines and with more than are named one by one.
#[test]
fn bad_lines_are_named_and_the_rest_goes_in() {
    for format in ["okta", "github", "native"] {
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("testdata/saas/{format}.ndjson"));
        let sample = fs::read_to_string(sample).unwrap();
        let good = sample.lines().count();
        let place = Place::folder();
        let files = tempfile::tempdir().unwrap();
        let file = files.path().join("log.ndjson");
        let lines: Vec<&str> = sample.lines().collect();
        let (first, rest) = lines.split_first().unwrap();
        fs::write(&file, format!("{first}\n{{\"broken\n{}\n{{\"x\": 1}}\n", rest.join("\n"))).unwrap();
        let ask = |arguments: &[&str]| place.run(arguments);
        let expected =
            |new: usize, known: usize| Said { new, known, refused: 2, lines: [2, good + 2].into() };
        assert_eq!(import(&ask, format, &file), expected(good, 0), "{format}");
        assert_eq!(import(&ask, format, &file), expected(0, good), "{format}");
        assert_eq!(place.sql("SELECT count(*) AS events FROM events")[0]["events"], good, "{format}");

        fs::write(&file, format!("{sample}{}", "{\"x\": 1}\n".repeat(25))).unwrap();
        let ended = place.run(&["import", "--tenant", format, "--format", format, file.to_str().unwrap()]);
        assert!(ended.stderr.contains("refused 5 more, not shown\n  5 × "), "{}", ended.stderr);
        assert!(
            ended.stdout.contains(&format!("0 new, {good} known before, 25 refused")),
            "{}",
            ended.stdout
        );
    }
}
