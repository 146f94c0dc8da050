//! The column `sealed`: what is known of each sealed field of an event.
//!
//! In and out: canonical JSON, `{"/actor/name":{"salt":"…"},"/actor/email":{"digest":"…"}}`.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{event::jcs, telemetry};

/// Bytes of a salt: the 128 bits that RFC 9901 (9.3) recommends.
const SALT_BYTES: usize = 16;

/// What is known of a sealed field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mark {
    /// The value stands in its place, and is hashed with this salt.
    Salt(String),
    /// The value is erased, and this is its digest.
    Digest(String),
}

/// The fields of one event by their JSON pointers.
pub(super) type Marks = BTreeMap<String, Mark>;

impl Mark {
    /// A new salt.
    pub(super) fn salted() -> Self {
        Self::Salt(BASE64_URL_SAFE_NO_PAD.encode(telemetry::random_bytes::<SALT_BYTES>()))
    }
}

/// Reads a text of the column; `None` if it is not one.
pub(super) fn parse(text: &str) -> Option<Marks> {
    serde_json::from_str(text).ok()
}

/// Whether a text of the column says that a value of its event is erased: then what the event said as a whole is not known any more.
pub fn is_erased(text: &str) -> bool {
    parse(text).is_some_and(|marks| marks.values().any(|mark| matches!(mark, Mark::Digest(_))))
}

/// The text of the column.
pub(super) fn write(marks: &Marks) -> String {
    object(marks.iter().map(|(pointer, mark)| {
        let (kind, text) = match mark {
            Mark::Salt(salt) => ("salt", salt),
            Mark::Digest(digest) => ("digest", digest),
        };
        let mut value = format!("{{\"{kind}\":");
        jcs::push_text(&mut value, text);
        value.push('}');
        (pointer.as_str(), value)
    }))
}

/// Canonical JSON of an object.
pub(super) fn object<'k>(members: impl Iterator<Item = (&'k str, String)>) -> String {
    let mut members: Vec<_> = members.collect();
    members.sort_by(|(left, _), (right, _)| jcs::compare_keys(left, right));
    let mut out = String::new();
    for (key, value) in members {
        out.push(if out.is_empty() { '{' } else { ',' });
        jcs::push_text(&mut out, key);
        out.push(':');
        out.push_str(&value);
    }
    out.push_str(if out.is_empty() { "{}" } else { "}" });
    out
}

/// The digest of a value, given as canonical JSON: base64url of the SHA-256 of `[salt, pointer, value]`.
pub(super) fn digest(salt: &str, pointer: &str, value: &str) -> String {
    let mut text = String::from("[");
    jcs::push_text(&mut text, salt);
    text.push(',');
    jcs::push_text(&mut text, pointer);
    text.push(',');
    text.push_str(value);
    text.push(']');
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(text.as_bytes()))
}

/// The steps of a JSON pointer (RFC 6901).
pub(super) fn steps(pointer: &str) -> Option<Vec<String>> {
    let steps = pointer.strip_prefix('/')?.split('/');
    Some(steps.map(|step| step.replace("~1", "/").replace("~0", "~")).collect())
}

/// The JSON pointer of steps.
pub(super) fn pointer<'s>(steps: impl IntoIterator<Item = &'s str>) -> String {
    steps.into_iter().map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1"))).collect()
}
