//! Tests of the catalogue: every built-in file, the user's folder, names and values that do not fit.

use std::{collections::BTreeSet, fs};

use serde_json::json;

use super::*;

const MINE: &str = "-- Mine\n--\n-- How many?\n--\n-- param from date today-1 first day\n-- param least integer 1 n\n\
                    -- column n  how many\nSELECT COUNT(*) AS n\nFROM events\n\
                    WHERE day >= $from\nHAVING COUNT(*) >= $least\n";

fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 3, 31).unwrap()
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn values(name: &str, given: Value) -> Result<Map<String, Value>> {
    Catalogue::load(None)?.get(name)?.values(&object(given), today())
}

/// A folder with these files, loaded.
fn load(files: &[(&str, &str)]) -> Result<Catalogue> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    Catalogue::load(Some(folder.path()))
}

/// Would catch a file of `queries/` that is not part of the program.
#[test]
fn every_file_is_built_in() {
    let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("queries")).unwrap();
    let files: BTreeSet<String> =
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    let built_in: BTreeSet<String> = BUILT_IN.iter().map(|(name, _)| format!("{name}.sql")).collect();
    assert_eq!(files, built_in);
}

/// Would catch a built-in file whose header and SQL speak of different parameters or columns, that cannot be planned,
/// or that reads days nobody asked for.
#[test]
fn every_built_in_file_keeps_its_promises() {
    let checking = || {
        for (name, text) in BUILT_IN {
            let description = header::read(name, text).unwrap_or_else(|wrong| panic!("{}", wrong.at(name)));
            let investigation = Investigation { description, sql: text.into() };
            check::check(&investigation).unwrap_or_else(|wrong| panic!("{}", wrong.at(name)));
            let code: Vec<&str> = text.lines().filter(|line| !line.starts_with("--")).collect();
            let code = code.join("\n");
            let (reads, bounded) = ("FROM events", "day BETWEEN $from AND $to");
            assert_eq!(code.matches(reads).count(), code.matches(bounded).count(), "{name}");
            assert!(code.contains(reads), "{name}");
        }
    };
    let thread = std::thread::Builder::new().stack_size(crate::limits::QUERY_STACK_BYTES).spawn(checking);
    thread.unwrap().join().unwrap();
}

/// Would catch a default that ends on the wrong day, or a value sent as another type than it has in the header.
#[test]
fn values_have_their_types_and_defaults() {
    assert_eq!(
        json!(values("account-takeover", json!({"failures": "3"})).unwrap()),
        json!({
            "from": "2026-03-02", "to": "2026-03-31", "failures": 3,
            "actions": [
                "user.login", "user.failed_login", "user.session.start", "signin.ConsoleLogin",
                "signin.CredentialVerification", "grafana.login-auth.sso",
            ],
        })
    );
    assert_eq!(
        json!(
            values("actor-timeline", json!({"actor": "u_1", "since": "2026-03-30", "until": null})).unwrap()
        ),
        json!({
            "actor": "u_1", "from": "2026-03-02", "to": "2026-03-31", "since": "2026-03-30T00:00:00.000000Z",
            "until": null,
        })
    );
}

/// Would catch an error that leaves a responder guessing which value was wrong and what would be right.
#[test]
fn errors_name_the_parameter_and_what_was_expected() {
    for (name, given, expected) in [
        (
            "actor-timeline",
            json!({}),
            "parameter 'actor' is missing; expected text that is not empty: the actor's id",
        ),
        ("actor-timeline", json!({"actor": null}), "parameter 'actor' is missing"),
        ("actor-timeline", json!({"actor": 17}), "parameter 'actor' is 17; expected text that is not empty"),
        (
            "who-deleted",
            json!({"target": "d", "from": "soon"}),
            "'from' is \"soon\"; expected a date, such as 2026-",
        ),
        (
            "who-deleted",
            json!({"target": "d", "actions": "(a"}),
            "'actions' is \"(a\"; expected a regular expression",
        ),
        ("mass-export", json!({"least": 1.5}), "parameter 'least' is 1.5; expected an integer"),
        (
            "mass-export",
            json!({"since": 1}),
            "query 'mass-export' has no parameter 'since'; it has from, to, actor",
        ),
        (
            "mass-export",
            json!({"from": "2026-03-02", "to": "2026-03-01"}),
            "parameter 'from' is 2026-03-02, which is after 'to', 2026-03-01",
        ),
        (
            "actor-timeline",
            json!({"actor": "u_1", "since": "2026-01-01T10:00:00Z"}),
            "parameter 'since' is 2026-01-01T10:00:00.000000Z, which lies outside of the days asked for, from 2026-03-02",
        ),
        (
            "new-locations",
            json!({"to": "2026-03-10"}),
            "parameter 'since' is 2026-03-25T00:00:00.000000Z, which lies outside of the days asked for",
        ),
    ] {
        let error = values(name, given).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(expected), "{error}");
    }
    let error = values("actor-timeline", json!({"actor": ["x".repeat(5_000)]})).unwrap_err().to_string();
    assert!(error.len() < 300 && error.contains("…; expected"), "{error}");
}

/// Would catch a mistyped name that ends at a bare "not found", or hints that have nothing to do with it.
#[test]
fn names_that_do_not_exist_are_told_from_what() {
    let catalogue = Catalogue::load(None).unwrap();
    for (name, hint) in [
        ("mass-exprot", "did you mean mass-export?"),
        ("Mass_Export", "did you mean mass-export?"),
        ("deleted", "did you mean who-deleted?"),
        ("actor", "did you mean actor-timeline?"),
        ("zzz", "`auditlake query` list all"),
    ] {
        let error = catalogue.get(name).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let text = error.to_string();
        assert!(text.contains(&format!("there is no query '{name}'")) && text.contains(hint), "{text}");
    }
}

/// Would catch a user's file that is not found, or one that takes the place of a built-in one unseen.
#[test]
fn a_folder_adds_and_never_replaces() {
    let catalogue = load(&[("mine.sql", MINE), ("notes.txt", "no query")]).unwrap();
    assert_eq!(catalogue.descriptions().count(), BUILT_IN.len() + 1);
    let request = catalogue.get("mine").unwrap().request(&Map::new(), Scope::All, today()).unwrap();
    assert_eq!(json!(request.params), json!({"from": "2026-03-30", "least": 1}));
    assert_eq!(request.sql, MINE);

    let error = load(&[("who-deleted.sql", MINE)]).unwrap_err().to_string();
    assert!(error.contains("who-deleted.sql: there is a built-in query 'who-deleted'"), "{error}");
    let error = load(&[("Mine.sql", MINE)]).unwrap_err().to_string();
    assert!(error.contains("Mine.sql: a query's name has"), "{error}");
    let nowhere = Catalogue::load(Some(Path::new("no-such-folder"))).unwrap_err();
    assert!(nowhere.report().contains("no-such-folder: "), "{}", nowhere.report());
}

/// Would catch a broken file that is found out only when somebody needs its answer, or an error that does not lead to
/// the place.
#[test]
fn broken_files_are_named_with_their_line() {
    for (from, to, line, reason) in [
        ("-- param from date today-1", "-- param from date soon", 5, "the default of 'from' is \"soon\""),
        ("WHERE day >= $from", "WHERE day >= $form", 10, "$form is not a parameter of the header"),
        ("HAVING COUNT(*) >= $least", "", 6, "does not use the parameter $least"),
        ("FROM events", "FROM events WHERE true", 10, "sql: Expected: end of statement, found: WHERE"),
        ("SELECT COUNT(*) AS n", "SELECT 1; SELECT COUNT(*) AS n", 8, "2 statements in one request"),
        ("day >= $from", "dya >= $from", 8, "dya"),
        ("AS n", "AS number", 7, "column 1 is 'n' in the header and 'number' in the answer"),
        ("AS n", "AS n, MAX(day) AS last", 7, "lacks the answer's column 'last'"),
        (
            "-- column n  how many",
            "-- column n  how many\n-- column m  more",
            8,
            "the answer has no column 'm'",
        ),
    ] {
        assert!(MINE.contains(from), "{from}");
        let error = load(&[("mine.sql", &MINE.replacen(from, to, 1))]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{to}");
        let text = error.to_string();
        assert!(text.contains(&format!("mine.sql:{line}: ")) && text.contains(reason), "{to}: {text}");
    }
}
