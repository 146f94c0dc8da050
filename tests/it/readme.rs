//! The README says what the code does.

mod answer;
mod clients;
mod curl;
mod fence;
mod tour;

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use auditlake::{
    config::Config,
    control::TenantSettings,
    export::{encode::Format, ocsf::mapping},
    http::{self, ProblemType},
    limits, rate,
};

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

/// Whether there is such a program; if not, says that what needs it is not tested.
fn is_there(program: &str) -> bool {
    let mut command = Command::new(program);
    let version = command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let found = version.is_ok_and(|status| status.success());
    if !found {
        eprintln!("there is no {program} here: what the README says to do with it is not tested");
    }
    found
}

/// Would catch a limit that changed, came or went without its reader being told.
#[test]
fn every_limit_is_in_its_table() {
    let readme = readme();
    let rows: Vec<String> = limits::TABLE
        .iter()
        .map(|limit| {
            format!("| {} | {} {} | {} |", limit.name, limit.value, limit.unit, limit.effect)
                .replace("  |", " |")
        })
        .collect();
    let missing: Vec<&String> = rows.iter().filter(|row| !readme.contains(row.as_str())).collect();
    assert!(missing.is_empty(), "the README's table of limits lacks:\n{missing:#?}");
}

/// Would catch a rate or a time whose default changed, or that came, without its reader being told.
#[test]
fn every_rate_and_time_is_in_its_table() {
    let readme = readme();
    let rates = serde_json::to_value(rate::Settings::default()).unwrap();
    let times = serde_json::to_value(http::Settings::default()).unwrap();
    for (section, fields) in [("rate", rates), ("http", times)] {
        for (field, value) in fields.as_object().unwrap() {
            let row = format!("| `{section}.{field}` | {value} | ");
            assert!(readme.contains(&row), "the README lacks a row that begins with {row}");
        }
    }
}

/// Would catch a setting of write-once storage whose default changed without its reader being told.
#[test]
fn settings_of_locks_are_in_their_table() {
    let readme = readme();
    let defaults = serde_json::to_value(Config::default()).unwrap();
    for (field, pointer) in [
        ("object_store.s3.object_lock", "/object_store/s3/object_lock"),
        ("background.protect_every_ms", "/background/protect_every_ms"),
    ] {
        let row = format!("| `{field}` | {} | ", defaults.pointer(pointer).unwrap());
        assert!(readme.contains(&row), "the README lacks a row that begins with {row}");
    }
    let tenant = serde_json::to_value(TenantSettings::default()).unwrap();
    for field in ["lock_days", "legal_hold"] {
        let row = format!("| `{field}` of a tenant | {} | ", tenant[field]);
        assert!(readme.contains(&row), "the README lacks a row that begins with {row}");
    }
}

/// Would catch an error that its readers are not told of, or told of wrongly.
#[test]
fn every_error_is_in_its_table() {
    let readme = readme();
    let rows: Vec<String> = ProblemType::ALL
        .iter()
        .map(|kind| {
            format!("| {} | `{}` | {} | {} |", kind.status(), kind.name(), kind.title(), kind.advice())
        })
        .collect();
    let missing: Vec<&String> = rows.iter().filter(|row| !readme.contains(row.as_str())).collect();
    assert!(missing.is_empty(), "the README's table of errors lacks:\n{}", rows.join("\n"));
}

/// Would catch a room that the map of the code does not show.
#[test]
fn the_map_shows_every_room() {
    let readme = readme();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap() {
        let path = entry.unwrap().path();
        let room = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if !["lib", "main"].contains(&room.as_str()) {
            assert!(readme.contains(&format!("`{room}`")), "the README's map of the code lacks `{room}`");
        }
    }
}

/// Would catch an investigation that its readers are not told of.
#[test]
fn the_guide_names_every_saved_query() {
    let (readme, saved) = (readme(), auditlake::query::saved::Catalogue::load(None).unwrap());
    for query in saved.descriptions() {
        assert!(readme.contains(&query.name), "the README does not name {}", query.name);
    }
}

/// Would catch a format of exports, or a mapping to OCSF, that its readers are not told of, or told of wrongly.
#[test]
fn every_export_format_and_mapping_is_in_its_table() {
    let readme = readme();
    let formats = Format::ALL.into_iter().map(Format::row);
    let rules = mapping::RULES.iter().map(mapping::Rule::row);
    let verbs = mapping::VERBS.iter().map(mapping::Verbs::row);
    let fields = mapping::FIELDS.iter().map(mapping::Field::row);
    let rows: Vec<String> = formats.chain(rules).chain(verbs).chain(fields).collect();
    let missing: Vec<&String> = rows.iter().filter(|row| !readme.contains(row.as_str())).collect();
    assert!(missing.is_empty(), "the README's tables of exports lack:\n{}", rows.join("\n"));
    assert!(readme.contains(mapping::SCHEMA_VERSION));
}
