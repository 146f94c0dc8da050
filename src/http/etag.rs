//! Entity tags: of which version of something a client knows, and wants to change no other.
//!
//! In: versions, and `If-Match` of requests. Out: `ETag`, and what has to hold for a change to be made (RFC 9110, sections 8.8.3 and
//! 13.1.1). Guaranteed: tags are compared strongly, so a weak one fits nothing; what is no list of tags is an error, not a change
//! without a condition.

use axum::http::{HeaderMap, HeaderValue, header};

use super::problem::{Problem, ProblemType};
use crate::auth::Expected;

/// The `ETag` of a version.
pub(super) fn of_version(version: u64) -> Result<HeaderValue, Problem> {
    HeaderValue::try_from(format!("\"{version}\"")).map_err(|error| Problem::internal(error.to_string()))
}

/// What `If-Match` says.
pub(super) fn if_match(headers: &HeaderMap) -> Result<Expected, Problem> {
    let wrong = || {
        let detail = "If-Match: it is neither * nor a list of entity tags, as \"3\"";
        Problem::new(ProblemType::BadRequest, detail).of_header("if-match")
    };
    let mut lines = Vec::new();
    for value in headers.get_all(header::IF_MATCH) {
        lines.push(value.to_str().map_err(|_| wrong())?.trim());
    }
    match lines.as_slice() {
        [] => Ok(Expected::Anything),
        ["*"] => Ok(Expected::Something),
        lines => read(&lines.join(",")).map(Expected::OneOf).ok_or_else(wrong),
    }
}

/// The versions that a list of tags names. Tags that are weak, or that no version has, name none.
fn read(list: &str) -> Option<Vec<u64>> {
    let (mut versions, mut rest) = (Vec::new(), list);
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return (!list.is_empty()).then_some(versions);
        }
        let (is_weak, tag) = rest.strip_prefix("W/").map_or((false, rest), |tag| (true, tag));
        let (text, after) = tag.strip_prefix('"')?.split_once('"')?;
        if !text.bytes().all(|byte| byte > b' ' && byte != 0x7f) {
            return None;
        }
        // As written here and no other way: "03" is another tag than "3".
        let version = text.parse().ok().filter(|version: &u64| version.to_string() == text);
        versions.extend(version.filter(|_| !is_weak));
        rest = after.trim_start_matches([' ', '\t']);
        if !rest.is_empty() && !rest.starts_with(',') {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&'static str]) -> Result<Expected, Problem> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::IF_MATCH, HeaderValue::from_static(line));
        }
        if_match(&headers)
    }

    /// Would catch a condition that is lost on the way, so that a change is made that its client did not want.
    #[test]
    fn conditions_are_read_as_they_are_written() {
        let one_of = |versions: &[u64]| Expected::OneOf(versions.to_vec());
        for (lines, expected) in [
            (&[][..], Expected::Anything),
            (&["*"], Expected::Something),
            (&["\"3\""], one_of(&[3])),
            (&["\"3\", \"0\" ,, \"12\""], one_of(&[3, 0, 12])),
            (&["\"3\"", "\"4\""], one_of(&[3, 4])),
            (&["W/\"3\""], one_of(&[])),
            (&["W/\"3\", \"4\", \"a,b\", \"03\", \"+3\""], one_of(&[4])),
            (&["\"\""], one_of(&[])),
        ] {
            assert_eq!(of(lines).unwrap(), expected, "{lines:?}");
        }
        for wrong in
            [&[""][..], &["3"], &["\"3"], &["\"3\" \"4\""], &["*", "\"3\""], &["w/\"3\""], &["\"a b\""]]
        {
            assert_eq!(of(wrong).unwrap_err().kind(), ProblemType::BadRequest, "{wrong:?}");
        }
        assert_eq!(of_version(3).unwrap(), "\"3\"");
    }
}
