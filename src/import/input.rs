//! Where the bytes come from: how an input is opened and decompressed.
//!
//! In: a file or standard input. Out: a reader of plain bytes, in UTF-8. The compression is told by the first bytes, not by
//! a name, and may be there more than once: Firehose packs what CloudWatch Logs packed before. So is UTF-16, which is what
//! `>` writes in Windows PowerShell.

mod utf16;

use std::{
    fmt, fs,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    envelope::{GZIP, ZSTD},
    folder::{self, Found},
};
use crate::{error::Result, limits::IMPORT_COMPRESSIONS_MAX};

const BUFFER_BYTES: usize = 256 * 1024;
/// The name under which AWS Config tests whether it can write into a bucket.
const CONFIG_CHECK: &str = "ConfigWritabilityCheckFile";

/// One stream of bytes to import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file on this machine.
    File(PathBuf),
    /// Standard input, named `-`.
    Stdin,
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Input::File(path) => path.display().fmt(f),
            Input::Stdin => f.write_str("standard input"),
        }
    }
}

impl Input {
    /// All inputs that `paths` stand for: a file is itself, `-` is standard input, and a folder is every file below
    /// it that begins as JSON does, packed or not, by name; [`Found`] says which ones do not.
    ///
    /// Errors: [`NotFound`](crate::error::ErrorKind::NotFound) for a path that does not exist,
    /// [`Invalid`](crate::error::ErrorKind::Invalid) for a folder without such a file or one that cannot be listed.
    pub fn find(paths: &[PathBuf]) -> Result<Found> {
        folder::find(paths)
    }

    /// What the file is if its name says that it holds no events.
    pub(super) fn without_events(&self) -> Option<&'static str> {
        let Input::File(path) = self else { return None };
        (path.file_name()? == CONFIG_CHECK).then_some("a write test of AWS Config")
    }

    /// Size as stored (compressed), for progress; 0 where it is unknown.
    pub(super) fn stored_bytes(&self) -> u64 {
        match self {
            Input::File(path) => fs::metadata(path).map_or(0, |metadata| metadata.len()),
            Input::Stdin => 0,
        }
    }

    /// The plain bytes. Every stored byte read is added to `bytes_read`.
    pub(super) fn open(&self, bytes_read: &Arc<AtomicU64>) -> io::Result<Box<dyn BufRead + Send>> {
        let raw: Box<dyn Read + Send> = match self {
            Input::File(path) => Box::new(fs::File::open(path)?),
            Input::Stdin => Box::new(io::stdin()),
        };
        let counted = Counted { inner: raw, bytes_read: bytes_read.clone() };
        decompress(Box::new(BufReader::with_capacity(BUFFER_BYTES, counted)))
    }
}

/// The plain bytes of a file, to look at its beginning.
pub(super) fn open_file(path: &Path) -> io::Result<Box<dyn BufRead + Send>> {
    decompress(Box::new(BufReader::new(fs::File::open(path)?)))
}

fn decompress(mut reader: Box<dyn BufRead + Send>) -> io::Result<Box<dyn BufRead + Send>> {
    for _ in 0..IMPORT_COMPRESSIONS_MAX {
        let first = reader.fill_buf()?;
        if first.starts_with(GZIP) {
            reader = Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(reader)));
        } else if first.starts_with(ZSTD) {
            reader = Box::new(BufReader::new(zstd::stream::read::Decoder::with_buffer(reader)?));
        } else {
            break;
        }
    }
    let first = reader.fill_buf()?;
    Ok(match utf16::order_of(first) {
        Some(order) => Box::new(BufReader::new(utf16::Decoder::new(reader, order))),
        None => reader,
    })
}

struct Counted {
    inner: Box<dyn Read + Send>,
    bytes_read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes_read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// Would catch compression guessed from the name, and only the first member of a joined gzip file read.
    #[test]
    fn compression_is_told_by_the_bytes() {
        let gzip = |text: &str| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(text.as_bytes()).unwrap();
            encoder.finish().unwrap()
        };
        let folder = tempfile::tempdir().unwrap();
        let two_members = [gzip("{}"), gzip("[]")].concat();
        let twice = zstd::encode_all(&gzip("{}[]")[..], 1).unwrap();
        let bodies = [two_members, zstd::encode_all(&b"{}[]"[..], 1).unwrap(), twice, b"{}[]".to_vec()];
        for (number, body) in bodies.iter().enumerate() {
            let path = folder.path().join(format!("{number}.json"));
            fs::write(&path, body).unwrap();
            let counter = Arc::new(AtomicU64::new(0));
            let mut text = String::new();
            Input::File(path).open(&counter).unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "{}[]");
            assert_eq!(counter.load(Ordering::Relaxed), body.len() as u64);
        }
    }
}
