//! Request ids: the client's own if it is harmless, else a new one; in every answer and every log line.

use std::{fmt, sync::Arc};

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::{limits, telemetry};

/// The header that brings a request's id and takes it back.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// 1–128 visible ASCII characters: safe in a header, a log line and a problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequestId(Arc<str>);

impl RequestId {
    /// The client's id if there is exactly one and it is harmless; else 128 random bits.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut given = headers.get_all(X_REQUEST_ID).iter();
        match (given.next().and_then(sane), given.next()) {
            (Some(id), None) => Self(id.into()),
            _ => Self(telemetry::random_hex::<16>().into()),
        }
    }

    /// The id as a header's value.
    pub(super) fn to_header(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).expect("an id is visible ASCII")
    }
}

fn sane(value: &HeaderValue) -> Option<&str> {
    let text = value.to_str().ok()?;
    let length_ok = (1..=limits::REQUEST_ID_BYTES_MAX).contains(&text.len());
    (length_ok && text.bytes().all(|byte| byte.is_ascii_graphic())).then_some(text)
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_for(values: &[&[u8]]) -> String {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(X_REQUEST_ID, HeaderValue::from_bytes(value).unwrap());
        }
        RequestId::of(&headers).to_string()
    }

    /// Would catch an id that forges a log line or grows without bound, and one that is not kept.
    #[test]
    fn only_one_short_visible_id_is_kept() {
        assert_eq!(id_for(&[b"abc-1"]), "abc-1");
        let too_long: &[u8] = &[b'x'; 129];
        let several: [&[&[u8]]; 6] =
            [&[], &[b""], &[b"two words"], &[b"\xc3\xa9"], &[too_long], &[b"a", b"b"]];
        for refused in several {
            assert_eq!(id_for(refused).len(), 32, "{refused:?}");
        }
    }
}
