//! Content-Type of request bodies: JSON or NDJSON, in UTF-8.
//!
//! A missing type means JSON. A type is never guessed from the bytes: one event and one line of NDJSON look the
//! same, and a guess would change what a client's mistake means.

use axum::http::{HeaderMap, header};

use super::problem::{Problem, ProblemType};

/// What a body is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    Json,
    Ndjson,
}

impl Media {
    /// The type that the headers name; 415 for any other, and for another character set than UTF-8.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(Self::Json) };
        let text = value.to_str().unwrap_or("(not text)");
        let mut parts = text.split(';').map(str::trim);
        let media = match parts.next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "application/json" => Self::Json,
            "application/x-ndjson" | "application/ndjson" => Self::Ndjson,
            _ => return Err(unsupported(text)),
        };
        match parts.filter_map(|parameter| parameter.split_once('=')).find(|(name, _)| is(name, "charset")) {
            Some((_, charset)) if !is(charset.trim_matches('"'), "utf-8") => Err(unsupported(text)),
            _ => Ok(media),
        }
    }
}

fn is(text: &str, expected: &str) -> bool {
    text.trim().eq_ignore_ascii_case(expected)
}

fn unsupported(text: &str) -> Problem {
    let detail = format!(
        "content type {text:?} is not read here; send application/json or application/x-ndjson in UTF-8"
    );
    Problem::new(ProblemType::UnsupportedMediaType, detail).of_header("content-type")
}

#[cfg(test)]
mod tests {
    use axum::{http::HeaderValue, response::IntoResponse as _};

    use super::*;

    /// Would catch a form, a foreign character set or a typing slip that is parsed as JSON after all.
    #[test]
    fn types_are_read_by_name() {
        let of = |text: &'static str| {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(text))]);
            Media::of(&headers).map_err(|problem| problem.into_response().status().as_u16())
        };
        assert!(matches!(Media::of(&HeaderMap::new()), Ok(Media::Json)));
        for json in
            ["application/json", "Application/JSON; Charset=UTF-8", "application/json;charset=\"utf-8\""]
        {
            assert_eq!(of(json), Ok(Media::Json), "{json}");
        }
        assert_eq!(of("application/x-ndjson"), Ok(Media::Ndjson));
        for refused in
            ["application/x-www-form-urlencoded", "text/plain", "", "application/json; charset=latin1"]
        {
            assert_eq!(of(refused), Err(415), "{refused}");
        }
    }
}
