//! Tests of opening one envelope; what comes of it is tested with the records.

use std::io::Write;

use base64::engine::general_purpose::STANDARD;

use super::*;

/// Would catch a packed text that fills the memory, whatever it is small packed.
#[test]
fn what_is_unpacked_has_a_largest_size() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(b"{\"a\":\"").unwrap();
    encoder.write_all(&vec![b' '; IMPORT_UNPACKED_BYTES_MAX]).unwrap();
    let text = STANDARD.encode(encoder.finish().unwrap());
    let reason = unpack(&text).unwrap_err();
    assert!(reason.contains("bytes when it is decompressed"), "{reason}");
}

/// Would catch text that is JSON by itself taken for base64, and one of base64's spellings that is not read.
#[test]
fn text_is_json_or_base64_of_it() {
    assert_eq!(unpack(" {\"a\":1}\n").unwrap(), b"{\"a\":1}");
    assert_eq!(unpack("eyJhIjoxfQ==").unwrap(), b"{\"a\":1}");
    assert_eq!(unpack("eyJhIjoxfQ").unwrap(), b"{\"a\":1}");
    assert_eq!(unpack("eyJhIjoiw7_Dv8O_In0=").unwrap(), "{\"a\":\"ÿÿÿ\"}".as_bytes());
    assert!(unpack("").is_err() && unpack("hello world").is_err() && unpack("H4sI").is_err());
}
