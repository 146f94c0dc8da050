//! The client's address out of a field that may hold more than one.
//!
//! In: text as sources and their proxies write it: one address, a list (`203.0.113.90, 10.0.0.1`: the client comes first, as
//! in `X-Forwarded-For`; also with `|`, `;` or blanks between), the header `Forwarded` (RFC 7239: `for="[2001:db8::1]:443";by=…`),
//! brackets, ports, quotes, a mask of one address (`/32`), or a name such as `AWS Internal`; or a JSON list of such texts.
//! Out: the client's address: the first that is one, but for those of the proxies themselves (`by=…`) and what the client asked for
//! (`host=…`). Guaranteed: the address is text of the field, nothing is completed or guessed; the caller keeps the original unless
//! it is the address and nothing else.

use std::net::IpAddr;

use serde_json::{Map, Value};

use super::members::{take_text_at, text_at};

/// Longer text is no list of addresses.
const FIELD_BYTES_MAX: usize = 4_096;

/// The client's address in `text`: the first entry that is an address.
pub(super) fn client(text: &str) -> Option<&str> {
    if text.parse::<IpAddr>().is_ok() {
        return Some(text);
    }
    if text.len() > FIELD_BYTES_MAX {
        return None;
    }
    text.split([',', ';', '|', ' ', '\t', '\n', '\r']).find_map(address)
}

/// The address of one entry, without brackets, quotes, port and zone.
fn address(entry: &str) -> Option<&str> {
    let entry = match entry.split_once('=') {
        Some((name, value)) if name.eq_ignore_ascii_case("for") => value,
        // `by=` is the proxy that was asked.
        Some(_) => return None,
        None => entry,
    };
    // Quotation marks, and the brackets of lists that were turned into text.
    let entry = entry.trim_matches(['"', '\'', '{', '}']);
    let entry = entry.strip_prefix("[\"").or(entry.strip_suffix("\"]")).unwrap_or(entry);
    let bare = match entry.strip_prefix('[') {
        Some(inner) => {
            let (address, port) = inner.split_once(']')?;
            let is_port = |port: &str| port.parse::<u16>().is_ok();
            (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)).then_some(address)?
        }
        None => match entry.split_once(':') {
            Some((address, port)) if address.contains('.') && port.parse::<u16>().is_ok() => address,
            _ => entry,
        },
    };
    let bare = match bare.split_once('/') {
        Some((address, mask)) if mask == if address.contains(':') { "128" } else { "32" } => address,
        _ => bare,
    };
    let bare = bare.split_once('%').map_or(bare, |(address, _)| address);
    bare.parse::<IpAddr>().is_ok().then_some(bare)
}

/// The client's address in the member at `path`. The member moves if it is this address and stays if it says more.
pub(super) fn take(rest: &mut Map<String, Value>, path: &[&str]) -> Option<String> {
    let Some(text) = text_at(rest, path) else { return first_of_list(rest, path) };
    let address = client(text)?;
    if address == text {
        return take_text_at(rest, path, usize::MAX);
    }
    Some(address.to_owned())
}

/// The client's address in a list of texts.
fn first_of_list(rest: &Map<String, Value>, path: &[&str]) -> Option<String> {
    let (first, inner) = path.split_first()?;
    let value = inner.iter().try_fold(rest.get(*first)?, |value, member| value.get(member))?;
    value.as_array()?.iter().filter_map(Value::as_str).find_map(client).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Would catch the proxy's address taken for the client's, a port taken for a part of it, and a name taken for one.
    #[test]
    fn the_first_address_is_the_clients() {
        for (text, expected) in [
            ("203.0.113.90", Some("203.0.113.90")),
            ("203.0.113.90, 10.0.0.1", Some("203.0.113.90")),
            ("203.0.113.90,198.51.100.3", Some("203.0.113.90")),
            ("2001:db8::1,10.0.0.1", Some("2001:db8::1")),
            ("203.0.113.90:443", Some("203.0.113.90")),
            ("[2001:db8::1]:443, 10.0.0.1:80", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("\"[2001:db8::1]:443\"", Some("2001:db8::1")),
            ("fe80::1%eth0", Some("fe80::1")),
            ("::ffff:203.0.113.7", Some("::ffff:203.0.113.7")),
            ("unknown, 203.0.113.90", Some("203.0.113.90")),
            ("203.0.113.90 | 10.0.0.1", Some("203.0.113.90")),
            ("203.0.113.90|10.0.0.1", Some("203.0.113.90")),
            ("for=203.0.113.90;by=10.0.0.1;proto=https", Some("203.0.113.90")),
            ("by=10.0.0.1; For=\"[2001:db8::1]:4711\", for=198.51.100.3", Some("2001:db8::1")),
            ("for=_hidden, for=203.0.113.90:80", Some("203.0.113.90")),
            ("for=unknown;by=10.0.0.1;host=198.51.100.3", None),
            ("203.0.113.90/32", Some("203.0.113.90")),
            ("2001:db8::1/128", Some("2001:db8::1")),
            ("203.0.113.0/24", None),
            ("[\"203.0.113.90\",\"10.0.0.1\"]", Some("203.0.113.90")),
            ("{203.0.113.90,10.0.0.1}", Some("203.0.113.90")),
            ("_hidden", None),
            ("203.0.113.90;10.0.0.1", Some("203.0.113.90")),
            ("proto=https;by=10.0.0.1", None),
            ("AWS Internal", None),
            ("ec2.amazonaws.com", None),
            ("203.0.113.90:http", None),
            ("[2001:db8::1", None),
            ("[2001:db8::1]x", None),
            ("203.0.113.900", None),
            ("", None),
        ] {
            assert_eq!(client(text), expected, "{text}");
        }
    }

    /// Would catch the other addresses of a list being dropped.
    #[test]
    fn a_list_stays_where_it_is() {
        let Value::Object(mut rest) = json!({"a": {"ip": "203.0.113.90,10.0.0.1"}, "b": "203.0.113.7", "c": 7, "l": [7, "203.0.113.8", "10.0.0.1"]})
        else {
            panic!("an object")
        };
        assert_eq!(take(&mut rest, &["a", "ip"]).as_deref(), Some("203.0.113.90"));
        assert_eq!(take(&mut rest, &["b"]).as_deref(), Some("203.0.113.7"));
        assert_eq!(take(&mut rest, &["l"]).as_deref(), Some("203.0.113.8"));
        assert_eq!((take(&mut rest, &["c"]), take(&mut rest, &["d"])), (None, None));
        let kept = json!({"a": {"ip": "203.0.113.90,10.0.0.1"}, "c": 7, "l": [7, "203.0.113.8", "10.0.0.1"]});
        assert_eq!(Value::from(rest), kept);
    }
}
