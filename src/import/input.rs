//! Where the bytes come from: which files a path stands for, and how one is opened and decompressed.
//!
//! In: paths as the user gave them. Out: a sorted list of [`Input`]s, and for each a reader of plain bytes.
//! The compression is told by a file's first bytes, not by its name.

use std::{
    fmt, fs,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::error::{Error, ErrorKind, Result};

/// Endings of the files that are taken from a folder; files named one by one are read whatever their name.
const ENDINGS: [&str; 3] = [".json", ".ndjson", ".jsonl"];
const COMPRESSED_ENDINGS: [&str; 3] = ["", ".gz", ".zst"];
const BUFFER_BYTES: usize = 256 * 1024;

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
    /// All inputs that `paths` stand for: a file is itself, `-` is standard input, a folder is every
    /// `.json`, `.ndjson` or `.jsonl` file below it (also `.gz` and `.zst`), by name, hidden ones left out.
    ///
    /// Errors: [`ErrorKind::NotFound`] for a path that does not exist, [`ErrorKind::Invalid`] for a folder
    /// without such a file or one that cannot be listed.
    pub fn find(paths: &[PathBuf]) -> Result<Vec<Input>> {
        let mut inputs = Vec::new();
        for path in paths {
            if path.as_os_str() == "-" {
                inputs.push(Input::Stdin);
                continue;
            }
            let metadata = fs::metadata(path).map_err(|error| {
                Error::with_source(ErrorKind::NotFound, format!("cannot read {}", path.display()), error)
            })?;
            if !metadata.is_dir() {
                inputs.push(Input::File(path.clone()));
                continue;
            }
            let before = inputs.len();
            find_in_folder(path, &mut inputs).map_err(|error| {
                Error::with_source(ErrorKind::Invalid, format!("cannot list {}", path.display()), error)
            })?;
            if inputs.len() == before {
                let message = format!("folder {} holds no .json, .ndjson or .jsonl file", path.display());
                return Err(Error::new(ErrorKind::Invalid, message));
            }
        }
        Ok(inputs)
    }

    /// Size as stored (compressed), for progress; 0 where it is unknown.
    pub(super) fn stored_bytes(&self) -> u64 {
        match self {
            Input::File(path) => fs::metadata(path).map_or(0, |metadata| metadata.len()),
            Input::Stdin => 0,
        }
    }

    /// The plain bytes. Every stored byte read is added to `bytes_read`.
    pub(super) fn open(&self, bytes_read: &Arc<AtomicU64>) -> io::Result<Box<dyn Read + Send>> {
        let raw: Box<dyn Read + Send> = match self {
            Input::File(path) => Box::new(fs::File::open(path)?),
            Input::Stdin => Box::new(io::stdin()),
        };
        let counted = Counted { inner: raw, bytes_read: bytes_read.clone() };
        let mut stored = BufReader::with_capacity(BUFFER_BYTES, counted);
        let first = stored.fill_buf()?;
        if first.starts_with(&[0x1f, 0x8b]) {
            return Ok(Box::new(flate2::bufread::MultiGzDecoder::new(stored)));
        }
        if first.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            return Ok(Box::new(zstd::stream::read::Decoder::with_buffer(stored)?));
        }
        Ok(Box::new(stored))
    }
}

fn find_in_folder(folder: &Path, inputs: &mut Vec<Input>) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().to_lowercase();
        if name.starts_with('.') {
            continue;
        }
        // `file_type` does not follow links, so a link to a parent folder cannot make this endless.
        let kind = entry.file_type()?;
        if kind.is_dir() {
            find_in_folder(&entry.path(), inputs)?;
        } else if is_events_name(&name) && entry.path().is_file() {
            inputs.push(Input::File(entry.path()));
        }
    }
    Ok(())
}

fn is_events_name(lowercase: &str) -> bool {
    COMPRESSED_ENDINGS.iter().any(|compressed| {
        lowercase
            .strip_suffix(compressed)
            .is_some_and(|plain| ENDINGS.iter().any(|ending| plain.ends_with(ending)))
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

    /// Would catch a folder read in the file system's order, a hidden or foreign file taken, a name missed.
    #[test]
    fn a_folder_gives_its_event_files_by_name() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("b")).unwrap();
        for name in ["z.json", "a.JSON.GZ", "b/c.ndjson.zst", ".hidden.json", "LICENSE", "x.csv.gz"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let found = Input::find(&[folder.path().to_owned(), "-".into()]).unwrap();
        let names: Vec<String> = found
            .iter()
            .map(|input| input.to_string().replace(&format!("{}/", folder.path().display()), ""))
            .collect();
        assert_eq!(names, ["a.JSON.GZ", "b/c.ndjson.zst", "z.json", "standard input"]);
    }

    /// Would catch a path with a typing error, or a folder of something else, taken as "nothing to do".
    #[test]
    fn a_path_without_events_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let empty = Input::find(&[folder.path().to_owned()]).unwrap_err();
        assert_eq!(empty.kind(), ErrorKind::Invalid);
        let missing = Input::find(&[folder.path().join("nothing.json")]).unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        assert!(missing.to_string().contains("nothing.json"));
    }

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
        let bodies = [two_members, zstd::encode_all(&b"{}[]"[..], 1).unwrap(), b"{}[]".to_vec()];
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
