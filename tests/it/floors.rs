//! A file of `src/` imports only floors below its own: the map of `lib.rs`, checked.

use std::{collections::BTreeMap, fs, path::Path};

const FLOORS: [&[&str]; 8] = [
    &["error", "limits", "telemetry"],
    &["event", "seal"],
    &["store", "paths"],
    &["wal", "table", "index", "control", "evidence"],
    &["ingest", "compact", "retention", "query", "import", "generate", "verify"],
    &["auth", "erasure", "export", "rate", "logbook"],
    &["http"],
    &["main", "cli", "config", "server"],
];

fn floor_of(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// The top floor is one program; on the bottom floor, telemetry stands on the error and the limits.
fn may_use_own_floor(floor: usize, room: &str) -> bool {
    floor == FLOORS.len() - 1 || room == "telemetry"
}

/// The rooms that a source text names by `crate::…`, in `use` lines and in paths.
fn rooms_used(text: &str) -> Vec<String> {
    let code =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut rooms = Vec::new();
    for after in code.split("crate::").skip(1) {
        let names = match after.strip_prefix('{') {
            Some(group) => top_level_names(group),
            None => vec![first_name(after)],
        };
        rooms.extend(names);
    }
    rooms
}

fn first_name(text: &str) -> String {
    text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
}

/// The first name of each item of a `use crate::{…}` group.
fn top_level_names(group: &str) -> Vec<String> {
    let mut names = Vec::new();
    let (mut depth, mut item) = (0, String::new());
    for letter in group.chars() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(std::mem::take(&mut item)),
            _ if depth == 0 => item.push(letter),
            _ => {}
        }
    }
    names.push(item);
    names.iter().map(|item| first_name(item.trim())).filter(|name| !name.is_empty()).collect()
}

fn sources(folder: &Path, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.insert(path.display().to_string(), fs::read_to_string(&path).unwrap());
        }
    }
}

/// Would catch a storage file that reaches up into the API, and two rooms of floor 4 that know each other.
#[test]
fn every_file_imports_only_lower_floors() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = BTreeMap::new();
    sources(&root, &mut files);
    assert!(files.len() > 20, "found only {} source files", files.len());
    let mut wrong = Vec::new();
    for (path, text) in &files {
        let relative = Path::new(path).strip_prefix(&root).unwrap();
        let room = relative.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
        if room == "lib" {
            continue;
        }
        let floor = floor_of(&room).unwrap_or_else(|| panic!("{path} is in no room of the map"));
        for used in rooms_used(text).into_iter().filter(|used| *used != room) {
            match floor_of(&used) {
                Some(below) if below < floor || may_use_own_floor(floor, &room) => {}
                Some(_) => wrong.push(format!("{path} imports {used}, which is not below it")),
                None => wrong.push(format!("{path} imports {used}, which is no room of the map")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Would catch a check that sees nothing.
#[test]
fn nested_imports_are_seen() {
    let text = "use crate::{\n    error::{Error, Result},\n    http,\n};\nlet x = crate::wal::list();";
    assert_eq!(rooms_used(text), ["error", "http", "wal"]);
}
