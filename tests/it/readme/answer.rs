//! What the README says of an answer, compared with the answer.
//!
//! In: comment lines below a command, as `#  422: {"title":"…",…}`. Out: a status and a text, or either. Guaranteed: `…` stands for
//! anything, also for nothing; space counts nowhere, as answers are broken into lines for readers; what begins as JSON is the whole
//! answer, anything else a part of it.

/// What an answer is said to be.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Announced {
    pub(super) status: Option<u16>,
    /// Without space.
    text: String,
}

impl Announced {
    /// Reads comment lines, without their `#`.
    pub(super) fn of(comment: &str) -> Self {
        let comment = comment.trim();
        let digits = comment.get(..3).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let rest = comment.get(3..).unwrap_or_default();
        let status = digits.filter(|_| rest.is_empty() || rest.starts_with([' ', ':']));
        let text = status.map_or(comment, |_| rest.trim_start_matches(':'));
        Self { status: status.and_then(|digits| digits.parse().ok()), text: without_space(text) }
    }

    /// Whether an answer is what was said.
    pub(super) fn fits(&self, answer: &str) -> bool {
        let answer = without_space(answer);
        let is_whole = self.text.starts_with(['{', '[']);
        let parts: Vec<&str> = self.text.split('…').collect();
        let mut rest = answer.as_str();
        for (position, part) in parts.iter().enumerate() {
            let (is_first, is_last) = (position == 0, position + 1 == parts.len());
            let found = match is_whole {
                true if is_first => rest.starts_with(part).then_some(0),
                true if is_last => rest.ends_with(part).then(|| rest.len() - part.len()),
                _ => rest.find(part),
            };
            let Some(at) = found else { return false };
            rest = &rest[at + part.len()..];
        }
        !is_whole || parts.len() > 1 || rest.is_empty()
    }
}

fn without_space(text: &str) -> String {
    text.split_whitespace().collect()
}

/// Would catch an answer that is taken for one it is not, so that a stale README passes.
#[test]
fn only_what_was_said_fits() {
    for (comment, status, fitting, others) in [
        (
            "201 {\"a\":1}",
            Some(201),
            vec!["{\"a\":1}", "{\"a\": 1}\n"],
            vec!["{\"a\":1,\"b\":2}", "[{\"a\":1}]", ""],
        ),
        (
            "422: \"a\":[1]",
            Some(422),
            vec!["{\"a\":[1]}", "{\"b\":2,\"a\":[1],\"c\":3}"],
            vec!["{\"a\":[2]}"],
        ),
        (
            "{\"a\":…,\"z\":2}",
            None,
            vec!["{\"a\":1,\"z\":2}", "{\"a\":[],\"b\":7,\"z\":2}"],
            vec!["{\"a\":1,\"z\":3}"],
        ),
        ("{\"a\":…}", None, vec!["{\"a\":1}"], vec!["{\"b\":1}", "{\"a\":1"]),
        ("…", None, vec!["", "x"], vec![]),
        ("204", Some(204), vec![""], vec![]),
        ("2041", None, vec!["2041"], vec![""]),
    ] {
        let announced = Announced::of(comment);
        assert_eq!(announced.status, status, "{comment}");
        for answer in fitting {
            assert!(announced.fits(answer), "{comment} {answer}");
        }
        for answer in others {
            assert!(!announced.fits(answer), "{comment} {answer}");
        }
    }
}
