//! Text on its way into a file: as it is, or through gzip or zstd.
//!
//! In: text in pieces of any size. Out: bytes that wait to be taken. Guaranteed: the bytes depend on the text only, not on
//! its pieces: compressors get blocks of one size. Gzip has neither name nor time.

use std::io::{self, Write};

use flate2::{GzBuilder, write::GzEncoder};

use super::Compression;
use crate::error::{Error, ErrorKind, Result};

const BLOCK_BYTES: usize = 64 * 1024;
const ZSTD_LEVEL: i32 = 3;
const GZIP_LEVEL: u32 = 6;
/// "Unknown", so that the file does not tell where it was made.
const GZIP_SYSTEM: u8 = 255;

enum Codec {
    Plain(Vec<u8>),
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

/// Where text goes.
pub(super) struct Sink {
    codec: Codec,
    /// Text that waits for its block to fill; empty if nothing compresses.
    block: Vec<u8>,
}

impl Sink {
    pub(super) fn new(compression: Compression) -> Result<Self> {
        let codec = match compression {
            Compression::None => Codec::Plain(Vec::new()),
            Compression::Gzip => {
                let header = GzBuilder::new().mtime(0).operating_system(GZIP_SYSTEM);
                Codec::Gzip(header.write(Vec::new(), flate2::Compression::new(GZIP_LEVEL)))
            }
            Compression::Zstd => {
                let mut encoder =
                    zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL).map_err(failed)?;
                encoder.include_checksum(true).map_err(failed)?;
                Codec::Zstd(encoder)
            }
        };
        Ok(Self { codec, block: Vec::new() })
    }

    pub(super) fn put(&mut self, text: &[u8]) -> Result<()> {
        self.write_all(text).map_err(failed)
    }

    /// What is ready.
    pub(super) fn ready(&mut self) -> &mut Vec<u8> {
        match &mut self.codec {
            Codec::Plain(ready) => ready,
            Codec::Gzip(encoder) => encoder.get_mut(),
            Codec::Zstd(encoder) => encoder.get_mut(),
        }
    }

    pub(super) fn ready_bytes(&self) -> u64 {
        let ready = match &self.codec {
            Codec::Plain(ready) => ready,
            Codec::Gzip(encoder) => encoder.get_ref(),
            Codec::Zstd(encoder) => encoder.get_ref(),
        };
        ready.len() as u64
    }

    /// Ends the stream; returns what was ready and its rest.
    pub(super) fn end(mut self) -> Result<Vec<u8>> {
        self.send_block().map_err(failed)?;
        match self.codec {
            Codec::Plain(ready) => Ok(ready),
            Codec::Gzip(encoder) => encoder.finish().map_err(failed),
            Codec::Zstd(encoder) => encoder.finish().map_err(failed),
        }
    }

    fn send_block(&mut self) -> io::Result<()> {
        match &mut self.codec {
            Codec::Plain(ready) => ready.extend_from_slice(&self.block),
            Codec::Gzip(encoder) => encoder.write_all(&self.block)?,
            Codec::Zstd(encoder) => encoder.write_all(&self.block)?,
        }
        self.block.clear();
        Ok(())
    }
}

impl Write for Sink {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        if let Codec::Plain(ready) = &mut self.codec {
            ready.extend_from_slice(text);
            return Ok(text.len());
        }
        let taken = &text[..text.len().min(BLOCK_BYTES - self.block.len())];
        self.block.extend_from_slice(taken);
        if self.block.len() == BLOCK_BYTES {
            self.send_block()?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Compressing into memory fails only if the compressor itself does.
fn failed(cause: io::Error) -> Error {
    Error::with_source(ErrorKind::Internal, "compress an export file", cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(compression: Compression, pieces: &[&[u8]]) -> Vec<u8> {
        let mut sink = Sink::new(compression).unwrap();
        let mut packed = Vec::new();
        for piece in pieces {
            sink.put(piece).unwrap();
            packed.append(sink.ready());
        }
        packed.append(&mut sink.end().unwrap());
        packed
    }

    /// Would catch bytes that depend on how text arrives or when it is taken, and a header that tells time or place.
    #[test]
    fn pieces_do_not_show() {
        let text: Vec<u8> =
            (0..BLOCK_BYTES * 5 + 77).map(|at| (at * at / 7 % 251) as u8 ^ (at >> 9) as u8).collect();
        for compression in Compression::ALL {
            let whole = packed(compression, &[&text]);
            for size in [1_000, BLOCK_BYTES - 1, BLOCK_BYTES * 2 + 1] {
                let pieces: Vec<&[u8]> = text.chunks(size).collect();
                assert!(packed(compression, &pieces) == whole, "{compression:?} in pieces of {size}");
            }
        }
        let gzip = packed(Compression::Gzip, &[b"x"]);
        // No flags, no time; the level's hint, no system (RFC 1952, 2.3.1).
        assert_eq!((gzip[3], &gzip[4..8], gzip[9]), (0, &[0; 4][..], 255));
    }
}
