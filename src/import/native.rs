//! Native events in files: what tells them, and their times as data warehouses write them.
//!
//! In: the text of an object. Out: whether it begins as an event does; the same text with its time in RFC 3339. Guaranteed:
//! nothing but `occurred_at` is touched, and that only where the decoder of events could not read it and
//! [`times`](super::times) can. So an event is stored letter by letter as it stands in the file.

use std::{borrow::Cow, sync::LazyLock};

use memchr::memmem::Finder;
use serde_json::Value;

use super::{envelope::Members, json, times};

const TIME: &str = "occurred_at";
static TIME_KEY: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"occurred_at\""));

/// The event with its time in RFC 3339.
pub(super) fn with_time(text: &[u8]) -> Cow<'_, [u8]> {
    let finder = &*TIME_KEY;
    let all_strict = finder.find_iter(text).all(|at| is_strict(&text[at + finder.needle().len()..]));
    if all_strict { Cow::Borrowed(text) } else { rewritten(text).map_or(Cow::Borrowed(text), Cow::Owned) }
}

/// Whether a value that has the form of RFC 3339 follows behind the key, so that there is nothing to do.
fn is_strict(behind: &[u8]) -> bool {
    const T_AT: usize = "YYYY-MM-DD".len();
    const SECONDS_AT: usize = "YYYY-MM-DDThh:mm".len();
    const OFFSET_BYTES: usize = "+00:00".len();
    let value = behind.trim_ascii_start().strip_prefix(b":").map(<[u8]>::trim_ascii_start);
    let Some(value) = value.and_then(|value| value.strip_prefix(b"\"")) else { return false };
    let Some(end) = memchr::memchr(b'"', value) else { return false };
    let time = &value[..end];
    let has_offset = match time.last() {
        Some(b'Z' | b'z') => true,
        _ => end > SECONDS_AT + OFFSET_BYTES && matches!(time[end - OFFSET_BYTES], b'+' | b'-'),
    };
    has_offset && matches!(time.get(T_AT), Some(b'T' | b't')) && time.get(SECONDS_AT) == Some(&b':')
}

/// The text with the time of the event, or of the event that a WorkOS body has inside, replaced; `None` if it is none or fine.
fn rewritten(text: &[u8]) -> Option<Vec<u8>> {
    let unicode = std::str::from_utf8(text).ok()?;
    let members = Members::of(unicode)?;
    let inside = members.get("event").and_then(Members::of);
    let value = members.get(TIME).or_else(|| inside.as_ref()?.get(TIME))?;
    let given = match value.as_bytes().first()? {
        b'"' => json::string(value)?.into_owned(),
        _ => value.to_owned(),
    };
    let time = times::read(&Value::from(given.as_str())).filter(|time| time.text != given)?;
    let start = value.as_ptr() as usize - unicode.as_ptr() as usize;
    let mut out = text[..start].to_vec();
    out.extend_from_slice(Value::from(time.text).to_string().as_bytes());
    out.extend_from_slice(&text[start + value.len()..]);
    Some(out)
}

/// Whether a text begins as native events do and envelopes do not, which saves looking at its members.
pub(super) fn begins_native(text: &[u8]) -> bool {
    const FIRST: [&[u8]; 7] = [
        b"tenant_id\"",
        b"action\"",
        b"occurred_at\"",
        b"actor\"",
        b"targets\"",
        b"context\"",
        b"organization_id\"",
    ];
    let key_of = |text: &'_ [u8], mark: u8| -> Option<usize> {
        let rest = text.strip_prefix(&[mark])?.trim_ascii_start();
        rest.starts_with(b"\"").then(|| text.len() - rest.len() + 1)
    };
    let is_first = |key: &[u8]| FIRST.iter().any(|name| key.starts_with(name));
    let Some(key) = key_of(text, b'{').map(|at| &text[at..]) else { return false };
    if is_first(key) {
        return true;
    }
    // Transports have ids as well; a native event goes on with something of its own.
    let Some(rest) = key.strip_prefix(b"id\"") else { return false };
    let Some(id) = key_of(rest.trim_ascii_start(), b':').map(|at| &rest.trim_ascii_start()[at..]) else {
        return false;
    };
    let Some(end) = memchr::memchr2(b'"', b'\\', id).filter(|end| id[*end] == b'"') else { return false };
    let behind = id[end + 1..].trim_ascii_start();
    key_of(behind, b',').is_some_and(|at| is_first(&behind[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> String {
        String::from_utf8(with_time(text.as_bytes()).into_owned()).unwrap()
    }

    /// Would catch a time of a data warehouse that the decoder refuses, and anything else in the event that is changed.
    #[test]
    fn times_of_warehouses_become_rfc_3339() {
        for (given, expected) in [
            ("\"2026-10-05 08:15:01.5\"", "\"2026-10-05T08:15:01.5Z\""),
            ("\"2026-10-05 08:15\"", "\"2026-10-05T08:15:00Z\""),
            ("\"2026-10-05T08:15:01\"", "\"2026-10-05T08:15:01Z\""),
            ("\"2026-10-05 08:15:01.000000 UTC\"", "\"2026-10-05T08:15:01.000000Z\""),
            ("\"2026-10-05 08:15:01+02\"", "\"2026-10-05T08:15:01+02:00\""),
            ("1791188101000", "\"2026-10-05T08:15:01.000Z\""),
            ("1791188101.5", "\"2026-10-05T08:15:01.500Z\""),
            ("\"2026-10-05T08:15:01Z\"", "\"2026-10-05T08:15:01Z\""),
            ("\"2026-10-05T08:15:01.123456789+02:00\"", "\"2026-10-05T08:15:01.123456789+02:00\""),
            // What is no time is for the decoder to refuse.
            ("7", "7"),
            ("null", "null"),
            ("\"2026-10-05\"", "\"2026-10-05\""),
            ("{\"a\":1}", "{\"a\":1}"),
        ] {
            let event = |time: &str| {
                format!(
                    "{{\"action\":\"a\", \"n\":1.10,\"metadata\":{{\"occurred_at\":{given}}},\"occurred_at\" : {time} }}"
                )
            };
            assert_eq!(time(&event(given)), event(expected));
            let body =
                |time: &str| format!("{{\"organization_id\":\"o\",\"event\":{{\"occurred_at\":{time}}}}}");
            assert_eq!(time(&body(given)), body(expected));
        }
        for same in
            ["", "x", "{\"occurred_at\"", "{\"occurred_at\":", "{\"occurred_at\":\"2026-10-05 08:15\""]
        {
            assert_eq!(time(same), same);
        }
        let bytes = b"{\"occurred_at\":\"2026-10-05 08:15\",\"x\":\"\xff\"}";
        assert_eq!(&*with_time(bytes), bytes);
    }
}
