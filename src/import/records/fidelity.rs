//! The guarantee of the import, tried on random records: from the event as it is stored, every value of the record can be
//! found again, under its own name; what cannot be kept is refused or told.

use std::{cell::RefCell, collections::BTreeMap};

use arrow::array::{Array, AsArray};
use proptest::prelude::*;

use super::*;
use crate::{
    event::{
        TenantId,
        decode::{BodyFormat, DecodeContext, decode},
    },
    import::decimal::Decimal,
};

/// A JSON value as a sender writes it: numbers by their letters, text with its escapes.
#[derive(Clone, Debug)]
enum Node {
    Null,
    Bool(bool),
    Number(String),
    /// Parts that stand in the text with hyphens between them; whether each is half a surrogate pair.
    Text(Vec<(String, bool)>),
    Array(Vec<Node>),
    Object(BTreeMap<String, Node>),
}

impl Node {
    fn write(&self, out: &mut String) {
        match self {
            Node::Null => out.push_str("null"),
            Node::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Node::Number(letters) => out.push_str(letters),
            Node::Text(parts) => {
                let written = parts.iter().map(|(text, half)| match half {
                    true => text.clone(),
                    false => Value::from(text.as_str()).to_string().trim_matches('"').to_owned(),
                });
                let joined: Vec<String> = written.collect();
                out.push_str(&format!("\"{}\"", joined.join("-")));
            }
            Node::Array(elements) => {
                out.push('[');
                for (index, element) in elements.iter().enumerate() {
                    out.push_str(if index > 0 { ", " } else { "" });
                    element.write(out);
                }
                out.push(']');
            }
            Node::Object(members) => {
                out.push('{');
                for (index, (name, value)) in members.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    out.push_str(&Value::from(name.as_str()).to_string());
                    out.push_str(" : ");
                    value.write(out);
                }
                out.push('}');
            }
        }
    }

    /// Whether `value` is what has to be kept of this.
    fn is_kept_in(&self, value: &Value) -> bool {
        match (self, value) {
            (Node::Null, Value::Null) => true,
            (Node::Bool(given), Value::Bool(kept)) => given == kept,
            (Node::Number(given), Value::Number(kept)) => {
                Decimal::parse(given) == Decimal::parse(&kept.to_string())
            }
            (Node::Number(given), Value::String(kept)) => given == kept,
            (Node::Text(parts), Value::String(kept)) => {
                let parts: Vec<&str> =
                    parts.iter().map(|(text, half)| if *half { "\u{fffd}" } else { text.as_str() }).collect();
                parts.join("-") == *kept
            }
            (Node::Array(given), Value::Array(kept)) => {
                given.len() == kept.len()
                    && given.iter().zip(kept).all(|(given, kept)| given.is_kept_in(kept))
            }
            (Node::Object(given), Value::Object(kept)) => {
                let is_kept = |(name, given): (&String, &Node)| {
                    kept.get(name).is_some_and(|kept| given.is_kept_in(kept))
                };
                given.len() == kept.len() && given.iter().all(is_kept)
            }
            _ => false,
        }
    }

    fn halves(&self) -> usize {
        match self {
            Node::Text(parts) => usize::from(parts.iter().any(|(_, half)| *half)),
            Node::Array(elements) => elements.iter().map(Node::halves).sum(),
            Node::Object(members) => members.values().map(Node::halves).sum(),
            Node::Null | Node::Bool(_) | Node::Number(_) => 0,
        }
    }

    /// The values inside that are not null, as they are compared wherever they went.
    fn leaves(&self, found: &mut Vec<String>) {
        match self {
            Node::Null => {}
            Node::Bool(value) => found.push(value.to_string()),
            Node::Number(letters) => found.push(leaf_of(letters)),
            Node::Text(parts) => {
                let parts: Vec<&str> =
                    parts.iter().map(|(text, half)| if *half { "\u{fffd}" } else { text.as_str() }).collect();
                found.push(leaf_of(&parts.join("-")));
            }
            Node::Array(elements) => elements.iter().for_each(|element| element.leaves(found)),
            Node::Object(members) => members.values().for_each(|value| value.leaves(found)),
        }
    }
}

/// A number by its value, whether it is written as a number or as text.
fn leaf_of(text: &str) -> String {
    Decimal::parse(text).map_or_else(|| text.to_owned(), |decimal| format!("{decimal:?}"))
}

fn leaves_of(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Null => {}
        Value::Bool(value) => found.push(value.to_string()),
        Value::Number(number) => found.push(leaf_of(&number.to_string())),
        Value::String(text) => found.push(leaf_of(text)),
        Value::Array(elements) => elements.iter().for_each(|element| leaves_of(element, found)),
        Value::Object(members) => members.values().for_each(|value| leaves_of(value, found)),
    }
}

fn arbitrary_node() -> impl Strategy<Value = Node> {
    let number = prop_oneof![
        "-?(0|[1-9][0-9]{0,25})",
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?",
        "-?[1-9][0-9]{14,19}\\.0{1,3}",
    ];
    let half = "\\\\u[dD][89a-fA-F][0-9a-f]{2}".prop_map(|escape| (escape, true));
    let part = prop_oneof![4 => "[^\"\\\\]{0,10}".prop_map(|text| (text, false)), 1 => half];
    let leaf = prop_oneof![
        Just(Node::Null),
        any::<bool>().prop_map(Node::Bool),
        number.prop_map(Node::Number),
        prop::collection::vec(part, 1..3).prop_map(Node::Text),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        let name = prop_oneof![
            "\\PC{0,6}",
            prop::sample::select(vec![
                "",
                "a.b",
                "/x",
                "~",
                "~1",
                "Name",
                "name",
                "$ref",
                "ключ",
                "q\"d",
                "aws:RequestTag/Team",
                "Records"
            ])
            .prop_map(str::to_owned),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Node::Array),
            prop::collection::btree_map(name, inner, 0..5).prop_map(Node::Object),
        ]
    })
}

/// For each format the text of a record that has no more than it needs, its closing bracket left out; and members that its mapping
/// looks at.
const RECORDS: [(Source, &str, [&str; 7]); 3] = [
    (
        Source::Cloudtrail,
        r#"{"eventID":"e-1","eventTime":"2026-10-05T10:00:00Z","eventSource":"s3.amazonaws.com","eventName":"X""#,
        [
            "userIdentity",
            "requestParameters",
            "responseElements",
            "resources",
            "sourceIPAddress",
            "errorCode",
            "userAgent",
        ],
    ),
    (
        Source::Okta,
        r#"{"uuid":"7d3b1c52-9a41-11ef-8f0e-000000000001","published":"2026-10-05T10:00:00Z","eventType":"x""#,
        ["actor", "target", "client", "outcome", "transaction", "debugContext", "displayMessage"],
    ),
    (
        Source::Github,
        r#"{"_document_id":"kT3vN9xQ2mZ8aL5cR7w001","@timestamp":1791194400000,"action":"x.y""#,
        ["actor", "actor_id", "repo", "user", "org", "data", "permission"],
    ),
];

/// The event's line in API form and the metadata as it is stored, or why there is none; and what was told of changes.
fn stored(source: Source, text: &str) -> Result<(Value, Value, usize), String> {
    #[derive(Default)]
    struct Line(Vec<u8>, Option<String>, RefCell<usize>);
    impl Outlet for Line {
        fn body(&mut self) -> &mut Vec<u8> {
            &mut self.0
        }
        fn event(&mut self, _: u64) {}
        fn refused(&mut self, _: u64, problem: Problem) {
            self.1 = Some(problem.reason);
        }
        fn changed(&mut self, _: u64, _: Option<String>, _: String) {
            *self.2.borrow_mut() += 1;
        }
        fn without_events(&mut self, _: u64, what: &'static str) {
            self.1 = Some(what.to_owned());
        }
    }
    let mut line = Line::default();
    read(source, Cut { text: text.as_bytes(), line: 1, broken: false }, &mut line);
    if let Some(reason) = line.1 {
        return Err(reason);
    }
    let context = DecodeContext {
        limits: source.limits(),
        ..DecodeContext::new(TenantId::parse("acme").ok(), 1_800_000_000_000_000)
    };
    let decoded = decode(&line.0, BodyFormat::Ndjson, &context).unwrap();
    if let Some(rejected) = decoded.rejected.first() {
        return Err(format!("decoder: {:?}", rejected.errors));
    }
    let column = decoded.batch.column_by_name("metadata").unwrap();
    let metadata = arrow::compute::cast(column, &arrow::datatypes::DataType::Utf8).unwrap();
    let metadata = metadata.as_string::<i32>();
    let metadata = if metadata.is_null(0) { "{}" } else { metadata.value(0) };
    let event = json::parse(&line.0).unwrap().value;
    Ok((event, json::parse(metadata.as_bytes()).unwrap().value, line.2.into_inner()))
}

proptest! {
    /// Would catch a digit, letter, key or element that is not in the stored event, and a change nobody is told of.
    #[test]
    fn every_value_of_a_record_is_found_in_its_event(extra in arbitrary_node(), which in 0..3_usize) {
        let (source, start, _) = RECORDS[which];
        let mut text = format!("{start},\"zz_extra\":");
        extra.write(&mut text);
        text.push('}');
        let (_, metadata, changes) = stored(source, &text).map_err(TestCaseError::fail)?;
        match &extra {
            Node::Null => prop_assert!(metadata.get("zz_extra").is_none()),
            Node::Array(elements) if elements.is_empty() => {}
            Node::Object(members) if members.is_empty() => {}
            node => prop_assert!(node.is_kept_in(&metadata["zz_extra"]), "{}: {}", text, metadata),
        }
        prop_assert_eq!(changes, extra.halves().min(crate::limits::IMPORT_PROBLEMS_MAX), "{}", text);
    }

    /// Would catch a value that the mapping of a format drops because it is not of the type that is documented.
    #[test]
    fn every_value_of_a_documented_member_is_found(value in arbitrary_node(), which in 0..3_usize, member in 0..7_usize) {
        let (source, start, members) = RECORDS[which];
        let mut text = format!("{start},\"{}\":", members[member]);
        value.write(&mut text);
        text.push('}');
        let (event, ..) = stored(source, &text).map_err(TestCaseError::fail)?;
        let (mut given, mut kept) = (Vec::new(), Vec::new());
        value.leaves(&mut given);
        leaves_of(&event, &mut kept);
        for leaf in given {
            let place = kept.iter().position(|kept| *kept == leaf);
            prop_assert!(place.is_some(), "{} of {} is lost in {}", leaf, text, event);
            kept.swap_remove(place.unwrap());
        }
    }

    /// Would catch a member that a data warehouse turned into text and that is understood in another way, or that is lost.
    #[test]
    fn a_member_that_is_a_text_is_understood_and_kept(value in arbitrary_node(), which in 0..3_usize, member in 0..7_usize) {
        let (source, start, members) = RECORDS[which];
        let name = members[member];
        let mut inner = String::new();
        value.write(&mut inner);
        let text = Value::from(inner.as_str());
        let (event, metadata, _) = stored(source, &format!("{start},\"{name}\":{text}}}")).map_err(TestCaseError::fail)?;
        let mut kept = Vec::new();
        leaves_of(&event, &mut kept);
        leaves_of(&metadata, &mut kept);
        prop_assert!(kept.contains(&leaf_of(&inner)), "{} is lost in {} {}", inner, event, metadata);
        // These are objects or lists in the log itself.
        let is_object = matches!(value, Node::Object(_) | Node::Array(_))
            && !["sourceIPAddress", "errorCode", "userAgent", "displayMessage", "actor_id", "repo", "user", "org", "permission"]
                .contains(&name)
            && !(source == Source::Github && name == "actor");
        if is_object {
            let (plain, ..) = stored(source, &format!("{start},\"{name}\":{inner}}}")).map_err(TestCaseError::fail)?;
            for field in ["actor", "targets", "outcome", "context", "changes", "action", "occurred_at"] {
                prop_assert_eq!(&event[field], &plain[field], "{} of {}", field, inner);
            }
        }
    }

    /// Would catch a member that is given twice and costs the first value, wherever it is.
    #[test]
    fn a_member_given_twice_is_refused_by_name(
        value in arbitrary_node(),
        around in prop::collection::vec("[a-z/~]{1,3}", 0..5),
        which in 0..3_usize,
    ) {
        let (source, start, _) = RECORDS[which];
        let mut inner = String::from("{\"k\":1,\"other\":");
        value.write(&mut inner);
        inner.push_str(",\"k\":1}");
        let mut pointer = String::from("/zz_extra");
        for name in &around {
            pointer.push_str(&format!("/0/{}", name.replace('~', "~0").replace('/', "~1")));
        }
        for name in around.iter().rev() {
            inner = format!("[{{{}:{inner}}}]", Value::from(name.as_str()));
        }
        let reason = stored(source, &format!("{start},\"zz_extra\":{inner}}}")).unwrap_err();
        prop_assert_eq!(reason, format!("has a member twice: {pointer}/k"));
    }
}
