//! How something ended, by the words and numbers that sources write for it.
//!
//! In: a word (`Success`, `FAILED`, `timed_out`) or a status code (`200`, `403.0`, `"403"`, `HTTP 412`). Out: one of the three endings.
//! Guaranteed: what is not in the tables is `None`, so that a word nobody understood never becomes a success.

use serde_json::Value;

/// How something ended; the larger one counts where several are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ending {
    /// It was done.
    Success,
    /// Parts of it were not done: neither of the others.
    Partial,
    /// It was not done.
    Failure,
    /// It was not allowed.
    Denied,
}

impl Ending {
    /// `outcome.result` of an event.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Partial => "unknown",
            Self::Failure => "failure",
            Self::Denied => "denied",
        }
    }
}

const SUCCESS: [&str; 16] = [
    "success",
    "successful",
    "successfully",
    "succeeded",
    "succeed",
    "ok",
    "pass",
    "passed",
    "complete",
    "completed",
    "allow",
    "allowed",
    "accepted",
    "approved",
    "granted",
    "authenticated",
];
const FAILURE: [&str; 15] = [
    "fail",
    "failed",
    "failure",
    "unsuccessful",
    "error",
    "errored",
    "faulted",
    "invalid",
    "expired",
    "aborted",
    "abandoned",
    "unanswered",
    "timedout",
    "timeout",
    "startupfailure",
];
const DENIED: [&str; 12] = [
    "deny",
    "denied",
    "accessdenied",
    "forbidden",
    "unauthorized",
    "notauthorized",
    "blocked",
    "rejected",
    "reject",
    "ratelimit",
    "ratelimited",
    "throttled",
];
/// Longer text is no word.
const WORD_BYTES_MAX: usize = 32;

/// What a value of a member that tells a result means.
pub(super) fn of(value: &Value) -> Option<Ending> {
    match value {
        Value::Bool(true) => Some(Ending::Success),
        Value::Bool(false) => Some(Ending::Failure),
        // Some writers have no integers: `200.0`.
        Value::Number(number) => of_code(number.as_u64().or_else(|| status_code(&number.to_string()))?),
        Value::String(text) => status_code(text).map_or_else(|| of_word(text), of_code),
        _ => None,
    }
}

/// A word, whatever its case and the signs in it.
pub(super) fn of_word(text: &str) -> Option<Ending> {
    if text.len() > WORD_BYTES_MAX {
        return None;
    }
    let word = plain(text);
    let is_in = |table: &[&str]| table.contains(&word.as_str());
    match () {
        () if is_in(&SUCCESS) => Some(Ending::Success),
        () if is_in(&FAILURE) => Some(Ending::Failure),
        () if is_in(&DENIED) => Some(Ending::Denied),
        () => None,
    }
}

/// A status code of HTTP: 2xx is success, 401 and 403 are denials, all others from 400 on failures.
pub(super) fn of_code(code: u64) -> Option<Ending> {
    match code {
        200..=299 => Some(Ending::Success),
        401 | 403 => Some(Ending::Denied),
        400..=599 => Some(Ending::Failure),
        _ => None,
    }
}

/// The status code in `403`, `403.0`, `403 Forbidden` or `HTTP 403`.
pub(super) fn status_code(text: &str) -> Option<u64> {
    if text.len() > WORD_BYTES_MAX * 2 {
        return None;
    }
    let text = text.trim();
    let text = text.strip_prefix("HTTP").or(text.strip_prefix("http")).unwrap_or(text).trim_start();
    let digits = text.split(|letter: char| !letter.is_ascii_digit()).next().unwrap_or_default();
    let rest = &text[digits.len()..];
    let rest = match rest.strip_prefix(".0") {
        Some(zeros) => zeros.trim_start_matches('0'),
        None => rest,
    };
    let after = rest.chars().next();
    (digits.len() == 3 && after.is_none_or(|letter| letter == ' ' || letter == ':'))
        .then(|| digits.parse().ok())
        .flatten()
        .filter(|code| (100..600).contains(code))
}

/// Lowercase, letters and digits only: `timed_out`, `TimedOut` and `TIMED OUT` are one word.
pub(super) fn plain(text: &str) -> String {
    // Nearly all names are ASCII, and each record has dozens.
    if text.is_ascii() {
        let mut letters = Vec::with_capacity(text.len());
        letters.extend(text.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_lowercase()));
        return String::from_utf8(letters).unwrap_or_default();
    }
    text.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Would catch a word or code that means another ending, and one that is guessed.
    #[test]
    fn words_and_codes_have_one_meaning() {
        use Ending::{Denied, Failure, Success};
        for (value, expected) in [
            (json!("Success"), Some(Success)),
            (json!("SUCCEEDED"), Some(Success)),
            (json!("failure"), Some(Failure)),
            (json!("TIMED_OUT"), Some(Failure)),
            (json!("ACCESS_DENIED"), Some(Denied)),
            (json!("RATE_LIMIT"), Some(Denied)),
            (json!(200), Some(Success)),
            (json!("200"), Some(Success)),
            (json!("204 No Content"), Some(Success)),
            (json!("HTTP 403"), Some(Denied)),
            (json!("401"), Some(Denied)),
            (json!(412), Some(Failure)),
            (json!("503"), Some(Failure)),
            (json!(200.0), Some(Success)),
            (json!("200.0"), Some(Success)),
            (json!(403.0), Some(Denied)),
            (json!("412.00"), Some(Failure)),
            (json!(200.5), None),
            (json!("200.5"), None),
            (json!("200.0.1"), None),
            (json!(true), Some(Success)),
            (json!(false), Some(Failure)),
            (json!("creating"), None),
            (json!("CHALLENGE"), None),
            (json!("304"), None),
            (json!("2000"), None),
            (json!("200px"), None),
            (json!(0), None),
            (json!(""), None),
            (json!(null), None),
        ] {
            assert_eq!(of(&value), expected, "{value}");
        }
        assert!(Denied > Failure && Failure > Ending::Partial && Ending::Partial > Success);
    }
}
