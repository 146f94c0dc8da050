//! Tests that `docs/import-fields.md` says what the mappings do.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{cloudtrail, github, members::NotARecord, okta};

const PAGE: &str = include_str!("../../docs/import-fields.md");

/// A section of the page: its heading, the record that the examples are added to, and the rows.
struct Section {
    heading: String,
    base: Value,
    rows: Vec<Row>,
}

struct Row {
    members: String,
    record: Value,
    event: Value,
}

fn sections() -> Vec<Section> {
    let mut sections = Vec::new();
    for text in PAGE.split("\n## ").skip(1) {
        let heading = text.lines().next().unwrap().to_owned();
        let base = text.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
        let rows =
            text.lines().filter(|line| line.starts_with("| ") && line.contains('{')).map(row).collect();
        sections.push(Section { heading, base: serde_json::from_str(base).unwrap(), rows });
    }
    sections
}

fn row(line: &str) -> Row {
    let cells: Vec<&str> = line.trim_matches(['|', ' ']).split(" | ").collect();
    let json = |cell: &str| serde_json::from_str(cell.trim_matches('`')).unwrap_or_else(|_| panic!("{line}"));
    let [members, .., record, event] = cells.as_slice() else { panic!("{line}") };
    Row { members: (*members).to_owned(), record: json(record), event: json(event) }
}

fn add(to: &mut Value, example: &Value) {
    match (to, example) {
        (Value::Object(to), Value::Object(example)) => {
            for (name, value) in example {
                add(to.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (to, example) => *to = example.clone(),
    }
}

/// Whether all of `part` is in `whole`; texts of a list in any order, objects of a list one by one.
fn holds(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(name, value)| whole.get(name).is_some_and(|inner| holds(inner, value)))
        }
        (Value::Array(whole), Value::Array(part)) if part.iter().all(Value::is_string) => {
            part.iter().all(|text| whole.contains(text))
        }
        (Value::Array(whole), Value::Array(part)) => {
            whole.len() == part.len() && whole.iter().zip(part).all(|(whole, part)| holds(whole, part))
        }
        (whole, part) => whole == part,
    }
}

/// Would catch a member that goes elsewhere than the page says.
#[test]
fn the_page_says_where_members_go() {
    type Mapping = fn(Value) -> Result<Map<String, Value>, NotARecord>;
    let mappings: [(&str, Mapping); 3] =
        [("CloudTrail", cloudtrail::event), ("Okta", okta::event), ("GitHub", github::event)];
    let sections = sections();
    assert_eq!(sections.len(), mappings.len());
    for (section, (heading, mapping)) in sections.iter().zip(mappings) {
        assert_eq!(section.heading, heading);
        assert!(section.rows.len() > 30, "{heading}");
        for row in &section.rows {
            let mut record = section.base.clone();
            add(&mut record, &row.record);
            let event = mapping(record).unwrap().into();
            assert!(holds(&event, &row.event), "{}: {} is not in {event}", row.members, row.event);
        }
    }
}

/// Would catch a documented member that the page forgets.
#[test]
fn the_page_has_every_member() {
    let sections = sections();
    for (section, documented) in sections.iter().zip([&cloudtrail::MEMBERS[..], &okta::MEMBERS[..]]) {
        let named: BTreeSet<&str> = section
            .rows
            .iter()
            .flat_map(|row| row.members.split('`'))
            .flat_map(|name| name.split(['.', '[']))
            .collect();
        for member in documented {
            assert!(named.contains(member), "{}: {member}", section.heading);
        }
    }
}
