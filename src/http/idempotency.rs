//! The `Idempotency-Key` header (draft-ietf-httpapi-idempotency-key-header-07).
//!
//! The draft makes it a structured-field string (`"8e03978e-…"`, RFC 9651); most clients send the bare text.
//! Both forms name the same key. A key is 1–255 visible ASCII characters.

use axum::http::{HeaderMap, HeaderName};

use super::problem::{Problem, ProblemType};
use crate::limits;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The key that the headers name, if any; 400 for one that breaks the rules.
pub(super) fn key_of(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(refused("it is given more than once"));
    }
    let text = value.to_str().map_err(|_| refused("it is not ASCII"))?.trim();
    let key = match text.strip_prefix('"') {
        Some(quoted) => unquote(quoted)?,
        None => text.to_owned(),
    };
    if !(1..=limits::IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len()) {
        let rule = format!("it has {} characters of 1–{}", key.len(), limits::IDEMPOTENCY_KEY_BYTES_MAX);
        return Err(refused(&rule));
    }
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(refused("it has characters other than visible ASCII"));
    }
    Ok(Some(key))
}

/// The rest of a structured-field string after its first quote; `\"` and `\\` are the only escapes.
fn unquote(quoted: &str) -> Result<String, Problem> {
    let mut key = String::with_capacity(quoted.len());
    let mut letters = quoted.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if letters.as_str().is_empty() => return Ok(key),
            '\\' => match letters.next() {
                Some(escaped @ ('"' | '\\')) => key.push(escaped),
                _ => return Err(refused("it has an escape other than \\\" and \\\\")),
            },
            '"' => return Err(refused("something follows its closing quote")),
            other => key.push(other),
        }
    }
    Err(refused("its closing quote is missing"))
}

fn refused(reason: &str) -> Problem {
    let detail = format!("the Idempotency-Key is not valid: {reason}");
    Problem::new(ProblemType::BadRequest, detail).of_header("idempotency-key")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn key(values: &[&str]) -> Result<Option<String>, ()> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IDEMPOTENCY_KEY, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        key_of(&headers).map_err(drop)
    }

    /// Would catch a retry in the other form that counts as another request.
    #[test]
    fn quoted_and_bare_are_one_key() {
        assert_eq!(key(&[]), Ok(None));
        assert_eq!(key(&["8e03-97"]), Ok(Some("8e03-97".into())));
        assert_eq!(key(&["\"8e03-97\""]), Ok(Some("8e03-97".into())));
        assert_eq!(key(&[r#""a\"b\\c""#]), Ok(Some(r#"a"b\c"#.into())));
        assert_eq!(key(&[&"x".repeat(255)]), Ok(Some("x".repeat(255))));
    }

    /// Would catch a broken key that is ignored, so that a retry stores its events twice.
    #[test]
    fn broken_keys_are_refused() {
        let long = "x".repeat(256);
        for bad in ["", "\"\"", "\"a", "\"a\"b", "\"a\\n\"", "a b", "\u{e9}", &long] {
            assert_eq!(key(&[bad]), Err(()), "{bad:?}");
        }
        assert_eq!(key(&["a", "a"]), Err(()));
    }
}
