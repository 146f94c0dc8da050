//! JSON bodies into what a handler expects, and the member that is wrong if they are not that.
//!
//! Out: 400 for a body that is not JSON, 422 for JSON of another form. Guaranteed: a problem that is about one member names
//! it by JSON pointer: the one of the wrong type, the one that is unknown, the one that is missing.

use serde::de::{DeserializeOwned, IgnoredAny};
use serde_path_to_error::{Path, Segment};

use super::problem::{Problem, ProblemType};
use crate::error::pointer_to;

/// How serde tells of a member that is not there: its path leads to the object only.
const MISSING: &str = "missing field `";

/// What `body` says; `form` shows what it should have been.
pub(super) fn parse<Q: DeserializeOwned>(body: &[u8], form: &str) -> Result<Q, Problem> {
    // serde would take an array for the members in their order.
    if body.trim_ascii_start().first().is_some_and(|first| *first != b'{') {
        return Err(no_object(body, form));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let parsed = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let pointer = pointer(error.path());
        (error.into_inner(), pointer)
    });
    let parsed = parsed
        .and_then(|value| deserializer.end().map(|()| value).map_err(|error| (error, Some(String::new()))));
    parsed.map_err(|(error, pointer)| wrong(&error, pointer, form))
}

fn no_object(body: &[u8], form: &str) -> Problem {
    match serde_json::from_slice::<IgnoredAny>(body) {
        Ok(_) => Problem::new(ProblemType::Invalid, format!("the body is not {form}: it is no object")),
        Err(error) => Problem::new(ProblemType::BadRequest, format!("the body is not {form}: {error}")),
    }
}

fn wrong(error: &serde_json::Error, pointer: Option<String>, form: &str) -> Problem {
    let detail = format!("the body is not {form}: {error}");
    if !error.is_data() {
        return Problem::new(ProblemType::BadRequest, detail);
    }
    let problem = Problem::new(ProblemType::Invalid, detail);
    let text = error.to_string();
    let missing = text.strip_prefix(MISSING).and_then(|rest| rest.split('`').next());
    match (pointer, missing) {
        (Some(parent), Some(name)) => problem.at(&pointer_to(&parent, name)),
        (Some(pointer), None) if !pointer.is_empty() => problem.at(&pointer),
        _ => problem,
    }
}

/// The path as RFC 6901 writes it; `None` if a part of it is not known.
fn pointer(path: &Path) -> Option<String> {
    path.iter().try_fold(String::new(), |pointer, segment| match segment {
        Segment::Map { key } => Some(pointer_to(&pointer, key)),
        Segment::Seq { index } => Some(format!("{pointer}/{index}")),
        Segment::Enum { .. } => Some(pointer),
        Segment::Unknown => None,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only what cannot be read matters here")]
    struct Form {
        name: String,
        list: Option<Vec<u32>>,
        by_name: Option<BTreeMap<String, u32>>,
    }

    /// Would catch a client that is told that something is wrong, and not where.
    #[test]
    fn what_is_wrong_is_pointed_at() {
        for (body, expected) in [
            (r#"{"list": [1]}"#, "/name"),
            (r#"{"name": 7}"#, "/name"),
            (r#"{"name": "x", "nmae": 1}"#, "/nmae"),
            (r#"{"name": "x", "a/b~c": 1}"#, "/a~1b~0c"),
            (r#"{"name": "x", "list": [1, -2]}"#, "/list/1"),
            (r#"{"name": "x", "by_name": {"a": 1, "b": "two"}}"#, "/by_name/b"),
        ] {
            let shown = format!("{:?}", parse::<Form>(body.as_bytes(), "a form").unwrap_err());
            assert!(shown.contains(&format!("\"pointer\": String(\"{expected}\")")), "{body}: {shown}");
            assert!(shown.contains("Invalid"), "{shown}");
        }
        for (body, kind) in [
            ("[1]", "Invalid"),
            ("SELECT 1", "BadRequest"),
            ("", "BadRequest"),
            ("{\"name\"", "BadRequest"),
            ("{\"name\": \"x\"} 1", "BadRequest"),
        ] {
            let shown = format!("{:?}", parse::<Form>(body.as_bytes(), "a form").unwrap_err());
            assert!(shown.contains(kind) && !shown.contains("pointer"), "{body}: {shown}");
        }
    }
}
