//! Where a request comes from, if a proxy stands in front.
//!
//! In: the other end of the connection, the headers, and the proxies that are trusted. Out: the client's address. Guaranteed: only
//! what a trusted proxy says is believed. `X-Forwarded-For` is read from its end, where the nearest proxy has written whom it
//! heard from; the first address that is no trusted proxy's is the client's, and what is before it is the client's own
//! invention.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName};

use crate::{error::Result, query::AddressBlock};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Reads addresses and blocks, separated by commas.
pub(super) fn parse_trusted(text: &str) -> Result<Vec<AddressBlock>> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(AddressBlock::parse).collect()
}

/// The client behind `peer`.
pub(super) fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[AddressBlock]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|block| block.holds(address));
    if !is_trusted(peer) {
        return peer;
    }
    let mut nearest = peer;
    let values: Vec<&str> =
        headers.get_all(X_FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok()).collect();
    for heard_from in values.iter().rev().flat_map(|value| value.rsplit(',')) {
        // Past what is no address nothing is known.
        let Ok(address) = heard_from.trim().parse() else { break };
        nearest = address;
        if !is_trusted(address) {
            break;
        }
    }
    nearest
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    /// Would catch a client that chooses its own address, and a proxy that is taken for the client.
    #[test]
    fn only_trusted_proxies_are_believed() {
        let trusted = parse_trusted("10.0.0.0/8, ::1").unwrap();
        for (peer, forwarded, client) in [
            ("203.0.113.9", vec!["198.51.100.1"], "203.0.113.9"),
            ("10.0.0.1", vec![], "10.0.0.1"),
            ("10.0.0.1", vec!["198.51.100.1"], "198.51.100.1"),
            ("::ffff:10.0.0.1", vec!["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", vec!["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", vec!["1.1.1.1", "198.51.100.1, 10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", vec!["10.0.0.3,10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", vec!["1.1.1.1, unknown, 10.0.0.2"], "10.0.0.2"),
            ("::1", vec!["2001:db8::7"], "2001:db8::7"),
        ] {
            let mut headers = HeaderMap::new();
            for value in &forwarded {
                headers.append(X_FORWARDED_FOR, HeaderValue::from_str(value).unwrap());
            }
            let found = client_address(peer.parse().unwrap(), &headers, &trusted);
            assert_eq!(found, client.parse::<IpAddr>().unwrap(), "{peer} {forwarded:?}");
        }
        assert!(parse_trusted("10.0.0.0/8, proxy.example").is_err());
        assert!(parse_trusted("").unwrap().is_empty());
    }
}
