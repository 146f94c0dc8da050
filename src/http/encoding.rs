//! Content-Encoding: gzip and zstd bodies, unpacked no further than their cap.
//!
//! In: a compressed body. Out: at most `bytes_max` bytes, or a problem. Guaranteed: a body made to explode costs
//! the time and memory of `bytes_max` bytes and no more.

use std::io::{self, Read};

use axum::http::{HeaderMap, HeaderValue, header};
use bytes::Bytes;
use flate2::bufread::GzDecoder;

use super::{
    body::{Share, too_large},
    problem::{Problem, ProblemType},
};
use crate::limits;

/// Bytes unpacked between two looks at the cap.
const STEP_BYTES: usize = 64 << 10;

/// How a body is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

impl Encoding {
    /// The encoding that the headers name; 415 for one that is not read here, or for several.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return if headers.contains_key(header::CONTENT_ENCODING) {
                Err(unsupported("several encodings"))
            } else {
                Ok(Self::Identity)
            };
        };
        let name = value.to_str().unwrap_or("(not text)").trim();
        match name.to_ascii_lowercase().as_str() {
            "identity" => Ok(Self::Identity),
            "gzip" | "x-gzip" => Ok(Self::Gzip),
            "zstd" => Ok(Self::Zstd),
            _ => Err(unsupported(name)),
        }
    }

    /// Unpacks `packed` into at most `bytes_max` bytes, which `share` pays for. Blocks: call it off the runtime.
    pub(super) fn unpack(self, packed: Bytes, bytes_max: usize, share: &mut Share) -> Result<Bytes, Problem> {
        match self {
            Self::Identity => Ok(packed),
            Self::Gzip => unpack_gzip(&packed, bytes_max, share),
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(&packed[..]).map_err(damaged)?;
                decoder.window_log_max(limits::ZSTD_WINDOW_LOG_MAX).map_err(damaged)?;
                let mut unpacked = Vec::new();
                read_capped(&mut decoder, &mut unpacked, bytes_max, share)?;
                Ok(unpacked.into())
            }
        }
    }
}

/// Gzip files may be concatenated (RFC 1952, section 2.2); the cap on members bounds the time that empty ones take.
fn unpack_gzip(packed: &[u8], bytes_max: usize, share: &mut Share) -> Result<Bytes, Problem> {
    let mut rest = packed;
    let mut unpacked = Vec::new();
    for _ in 0..limits::GZIP_MEMBERS_MAX {
        let mut decoder = GzDecoder::new(rest);
        read_capped(&mut decoder, &mut unpacked, bytes_max, share)?;
        rest = decoder.into_inner();
        if rest.is_empty() {
            return Ok(unpacked.into());
        }
    }
    let detail = format!("the body has more than {} gzip members", limits::GZIP_MEMBERS_MAX);
    Err(Problem::new(ProblemType::ContentTooLarge, detail))
}

fn read_capped(
    source: &mut impl Read,
    into: &mut Vec<u8>,
    bytes_max: usize,
    share: &mut Share,
) -> Result<(), Problem> {
    let mut step = vec![0; STEP_BYTES];
    loop {
        let count = source.read(&mut step).map_err(damaged)?;
        if count == 0 {
            return Ok(());
        }
        if into.len() + count > bytes_max {
            return Err(too_large(bytes_max));
        }
        share.grow(count)?;
        into.extend_from_slice(&step[..count]);
    }
}

fn damaged(error: io::Error) -> Problem {
    Problem::new(ProblemType::BadRequest, format!("the body does not match its Content-Encoding: {error}"))
}

/// 415 names what is read here in `Accept-Encoding` (RFC 9110, section 15.5.16).
fn unsupported(name: &str) -> Problem {
    let detail = format!("content encoding {name:?} is not read here; use gzip, zstd or identity");
    Problem::new(ProblemType::UnsupportedMediaType, detail)
        .of_header("content-encoding")
        .with_header(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, zstd, identity"))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use axum::response::IntoResponse as _;
    use flate2::{Compression, write::GzEncoder};
    use prometheus_client::metrics::gauge::Gauge;

    use super::{super::body::BodyBudget, *};

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn unpack(encoding: Encoding, packed: Vec<u8>, bytes_max: usize) -> Result<Bytes, u16> {
        let mut share = BodyBudget::new(64 << 20, Gauge::default()).share();
        let unpacked = encoding.unpack(packed.into(), bytes_max, &mut share);
        unpacked.map_err(|problem| problem.into_response().status().as_u16())
    }

    /// Would catch a body that is unpacked past the cap, however small it comes, and a cap that cuts the last byte of an honest body.
    #[test]
    fn unpacking_stops_at_the_cap() {
        let cap = 1 << 20;
        for (encoding, pack) in [
            (Encoding::Gzip, gzip as fn(&[u8]) -> Vec<u8>),
            (Encoding::Zstd, |data| zstd::encode_all(data, 19).unwrap()),
        ] {
            let honest = vec![b'x'; cap];
            assert_eq!(unpack(encoding, pack(&honest), cap).unwrap().len(), cap);
            let past = pack(&vec![b'x'; cap + 1]);
            assert!(past.len() < cap / 8, "it is small as it comes");
            assert_eq!(unpack(encoding, past, cap), Err(413));
        }
    }

    /// Would catch a second gzip member that is silently left out, and a flood of empty ones.
    #[test]
    fn gzip_members_are_joined_up_to_a_number() {
        let two = [gzip(b"[1,"), gzip(b"2]")].concat();
        assert_eq!(unpack(Encoding::Gzip, two, 100).unwrap(), "[1,2]");
        let flood = gzip(b"").repeat(limits::GZIP_MEMBERS_MAX + 1);
        assert_eq!(unpack(Encoding::Gzip, flood, 100), Err(413));
    }

    /// Would catch a cut or mislabelled body that passes as a shorter one.
    #[test]
    fn damaged_bodies_are_refused() {
        let mut cut = gzip(b"hello");
        cut.truncate(cut.len() - 3);
        assert_eq!(unpack(Encoding::Gzip, cut, 100), Err(400));
        assert_eq!(unpack(Encoding::Gzip, b"{}".to_vec(), 100), Err(400));
        assert_eq!(unpack(Encoding::Zstd, b"{}".to_vec(), 100), Err(400));
        let mut cut = zstd::encode_all(&b"hello hello hello"[..], 3).unwrap();
        cut.truncate(cut.len() - 3);
        assert_eq!(unpack(Encoding::Zstd, cut, 100), Err(400));
    }

    /// Would catch an encoding that is taken for identity because it is unknown or doubled.
    #[test]
    fn only_known_single_encodings_pass() {
        let of = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::CONTENT_ENCODING, HeaderValue::from_static(value));
            }
            Encoding::of(&headers).map_err(|problem| problem.into_response().status().as_u16())
        };
        assert_eq!(of(&[]), Ok(Encoding::Identity));
        assert_eq!(of(&["GZIP"]), Ok(Encoding::Gzip));
        assert_eq!(of(&["zstd"]), Ok(Encoding::Zstd));
        for refused in [&["br"][..], &["gzip, zstd"], &["gzip", "gzip"], &["gzip", "identity"]] {
            assert_eq!(of(refused), Err(415), "{refused:?}");
        }
    }
}
