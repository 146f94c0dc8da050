//! Which files of a folder hold JSON, told by what they begin with and not by their names alone.
//!
//! In: paths as the user gave them. Out: the inputs, sorted by name, and every file that is left out, with the reason.
//! Guaranteed: a file that is named by itself, one whose name ends like JSON or says that it holds no events, and one that
//! cannot be read are inputs whatever they hold, so that reading them says what is wrong; every other file is either an input or left out by name.

use std::{
    fs,
    io::{self, BufRead},
    path::{Path, PathBuf},
};

use super::{Input, input};
use crate::error::{Error, ErrorKind, Result};

/// Endings of the files that are taken for JSON without a look at them.
const ENDINGS: [&str; 3] = [".json", ".ndjson", ".jsonl"];
const COMPRESSED_ENDINGS: [&str; 3] = ["", ".gz", ".zst"];
/// What other formats begin with.
const FORMATS: [(&[u8], &str); 13] = [
    (b"PK\x03\x04", "it is a zip archive"),
    (b"PK\x05\x06", "it is a zip archive"),
    (b"7z\xbc\xaf", "it is a 7z archive"),
    (b"\x04\x22\x4d\x18", "it is packed with lz4"),
    (b"\xff\x06\x00\x00sNaPpY", "it is packed with snappy"),
    (b"PAR1", "it is a Parquet file"),
    (b"Obj\x01", "it is an Avro file"),
    (b"ORC", "it is an ORC file"),
    (b"BZh", "it is packed with bzip2"),
    (b"\xfd7zXZ", "it is packed with xz"),
    (b"<?xml", "it is XML"),
    (b"<html", "it is HTML"),
    (b"<!DOCTYPE", "it is HTML"),
];
/// In a tar archive, where the word stands that says so.
const TAR: (usize, &[u8]) = (257, b"ustar");

/// What paths stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// What is to be read, in this order.
    pub inputs: Vec<Input>,
    /// What is not.
    pub left_out: Vec<LeftOut>,
}

/// A file of a folder that is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Where it is.
    pub path: PathBuf,
    /// Why it is not read.
    pub reason: &'static str,
}

impl From<Vec<Input>> for Found {
    fn from(inputs: Vec<Input>) -> Self {
        Self { inputs, left_out: Vec::new() }
    }
}

/// What is to be read.
impl IntoIterator for Found {
    type Item = Input;
    type IntoIter = std::vec::IntoIter<Input>;

    fn into_iter(self) -> Self::IntoIter {
        self.inputs.into_iter()
    }
}

/// See [`Input::find`].
pub(super) fn find(paths: &[PathBuf]) -> Result<Found> {
    let mut found = Found::default();
    for path in paths {
        if path.as_os_str() == "-" {
            found.inputs.push(Input::Stdin);
            continue;
        }
        let metadata = fs::metadata(path).map_err(|error| {
            Error::with_source(ErrorKind::NotFound, format!("cannot read {}", path.display()), error)
        })?;
        if !metadata.is_dir() {
            found.inputs.push(Input::File(path.clone()));
            continue;
        }
        let before = (found.inputs.len(), found.left_out.len());
        find_in_folder(path, &mut found).map_err(|error| {
            Error::with_source(ErrorKind::Invalid, format!("cannot list {}", path.display()), error)
        })?;
        if found.inputs.len() == before.0 {
            return Err(nothing_found(path, &found.left_out[before.1..]));
        }
    }
    Ok(found)
}

/// A folder of something else is more likely a mistake than nothing to do.
fn nothing_found(path: &Path, left_out: &[LeftOut]) -> Error {
    let mut message = format!("folder {} holds no file that begins as JSON does", path.display());
    if let Some(LeftOut { path, reason }) = left_out.first() {
        let name = path.file_name().unwrap_or_default().display();
        message = format!("{message}; {} left out, the first one is {name}: {reason}", left_out.len());
    }
    Error::new(ErrorKind::Invalid, message)
}

fn find_in_folder(folder: &Path, found: &mut Found) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        // `file_type` does not follow links, so a link to a parent folder cannot make this endless.
        let kind = entry.file_type()?;
        let name = entry.file_name().to_string_lossy().to_lowercase();
        let reason = if name.starts_with('.') {
            Some("its name begins with a dot")
        } else if kind.is_dir() {
            find_in_folder(&path, found)?;
            continue;
        } else if kind.is_symlink() && path.is_dir() {
            Some("it is a link to a folder")
        } else if !path.is_file() {
            Some("it is no file")
        } else if is_events_name(&name) || Input::File(path.clone()).without_events().is_some() {
            None
        } else {
            why_left_out(&path)
        };
        match reason {
            Some(reason) => found.left_out.push(LeftOut { path, reason }),
            None => found.inputs.push(Input::File(path)),
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

/// Why a file is not read; `None` if it begins as JSON does, is empty, or cannot be read, which reading it will tell.
fn why_left_out(path: &Path) -> Option<&'static str> {
    let mut reader = input::open_file(path).ok()?;
    let first = reader.fill_buf().ok()?;
    if begins_as_json(first) {
        return None;
    }
    Some(other_format(first).unwrap_or("it does not begin as JSON does"))
}

/// What begins with these bytes, if it is none of what is read.
pub(super) fn other_format(first: &[u8]) -> Option<&'static str> {
    let known = FORMATS.iter().find(|(magic, _)| first.starts_with(magic)).map(|(_, what)| *what);
    let is_tar = first.get(TAR.0..).is_some_and(|rest| rest.starts_with(TAR.1));
    known.or(is_tar.then_some("it is a tar archive"))
}

/// Whether bytes begin as a file of objects does, or are too few to say.
pub(super) fn begins_as_json(first: &[u8]) -> bool {
    let is_skipped = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, 0x1e | 0);
    let mut text = first;
    while let Some(rest) = text.strip_prefix(b"\xef\xbb\xbf") {
        text = rest;
    }
    let mut letters = text.iter().copied().filter(|byte| !is_skipped(byte));
    let (first, second) = (letters.next(), letters.next());
    match first {
        None => true,
        Some(b'{') => matches!(second, None | Some(b'"' | b'}')),
        Some(b'[') => matches!(second, None | Some(b'{' | b'[' | b'"' | b']')),
        Some(b'"') => matches!(second, Some(b'{' | b'[')),
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    /// Would catch a folder read in the file system's order, a file of events that is left out because of its name, and
    /// one that is left out without a word.
    #[test]
    fn a_folder_gives_its_files_by_what_they_are() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("b")).unwrap();
        fs::create_dir(folder.path().join(".git")).unwrap();
        let packed = gzip("{\"a\":1}\n");
        let files: [(&str, &[u8]); 17] = [
            ("z.json", b"eventID,eventName"),
            ("a.JSON.GZ", b""),
            ("b/c.ndjson.zst", b""),
            ("b/d.json.log.gz", &packed),
            ("b/stream-2026-10-05", b"\xef\xbb\xbf {\"a\":1}"),
            ("b/events.log", b"\x1e{\"a\":1}\n"),
            ("b/list.txt", b"[\n {\"a\":1}]"),
            ("empty", b""),
            ("broken.gz", &packed[..12]),
            ("utf16", b"\xff\xfe{\0}\0"),
            (".hidden.json", b"{}"),
            ("LICENSE", b"MIT License"),
            ("server.log", b"[2026-10-05] {started}"),
            ("template", b"{{ name }}"),
            ("x.csv.gz", &gzip("a,b\n")),
            ("x.zip", b"PK\x03\x04"),
            ("page", b"<html>"),
        ];
        for (name, bytes) in files {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        let found = find(&[folder.path().to_owned(), "-".into()]).unwrap();
        let short = |path: String| path.replace(&format!("{}/", folder.path().display()), "");
        let names: Vec<String> = found.inputs.iter().map(|input| short(input.to_string())).collect();
        let expected = [
            "a.JSON.GZ",
            "b/c.ndjson.zst",
            "b/d.json.log.gz",
            "b/events.log",
            "b/list.txt",
            "b/stream-2026-10-05",
            "broken.gz",
            "empty",
            "utf16",
            "z.json",
            "standard input",
        ];
        assert_eq!(names, expected);
        let left_out: Vec<String> = found
            .left_out
            .iter()
            .map(|left_out| format!("{}: {}", short(left_out.path.display().to_string()), left_out.reason))
            .collect();
        let expected = [
            ".git: its name begins with a dot",
            ".hidden.json: its name begins with a dot",
            "LICENSE: it does not begin as JSON does",
            "page: it is HTML",
            "server.log: it does not begin as JSON does",
            "template: it does not begin as JSON does",
            "x.csv.gz: it does not begin as JSON does",
            "x.zip: it is a zip archive",
        ];
        assert_eq!(left_out, expected);
    }

    /// Would catch a path with a typing error, or a folder of something else, taken as "nothing to do".
    #[test]
    fn a_path_without_events_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let empty = find(&[folder.path().to_owned()]).unwrap_err();
        assert_eq!(empty.kind(), ErrorKind::Invalid);
        fs::write(folder.path().join("LICENSE"), "MIT").unwrap();
        let other = find(&[folder.path().to_owned()]).unwrap_err();
        assert!(other.to_string().contains("1 left out, the first one is LICENSE"), "{other}");
        let missing = find(&[folder.path().join("nothing.json")]).unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        assert!(missing.to_string().contains("nothing.json"));
    }
}
