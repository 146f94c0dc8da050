//! A user's own folder of investigations.
//!
//! In: a folder. Out: its `*.sql` files as investigations, in the order of their names; other files and folders in it
//! are passed over. Guaranteed: each of them can be planned with the columns it promises; otherwise the error names
//! the file and the line.

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
};

use super::{
    Investigation, check,
    header::{self, Wrong},
    invalid,
};
use crate::{
    error::{Error, ErrorKind, Result},
    limits::{QUERY_STACK_BYTES, SAVED_FILES_MAX, SAVED_NAME_BYTES_MAX, SQL_BYTES_MAX},
};

/// Reads and checks every file.
pub(super) fn read(folder: &Path) -> Result<Vec<(PathBuf, Investigation)>> {
    let paths = files(folder).map_err(|error| unreadable(folder, error))?;
    if paths.len() > SAVED_FILES_MAX {
        let message =
            format!("{} has {} files; the most is {SAVED_FILES_MAX}", folder.display(), paths.len());
        return Err(invalid(message));
    }
    let read = move || paths.into_iter().map(|path| read_file(&path).map(|found| (path, found))).collect();
    // Parsing and planning want the stack of a query's thread.
    let thread = thread::Builder::new().name("queries".into()).stack_size(QUERY_STACK_BYTES).spawn(read);
    let internal =
        |source| Error::with_source(ErrorKind::Internal, "start a thread to check queries", source);
    let joined = thread.map_err(internal)?.join();
    joined.unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "checking queries panicked")))
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<PathBuf>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "sql"));
    paths.sort_unstable();
    Ok(paths)
}

fn read_file(path: &Path) -> Result<Investigation> {
    let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let is_name = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'-';
    if name.is_empty() || name.len() > SAVED_NAME_BYTES_MAX || !name.bytes().all(is_name) {
        return Err(invalid(format!(
            "{}: a query's name has 1 to {SAVED_NAME_BYTES_MAX} lowercase letters, digits and hyphens",
            path.display()
        )));
    }
    let bytes = fs::metadata(path).map_err(|error| unreadable(path, error))?.len();
    if bytes > SQL_BYTES_MAX as u64 {
        let message = format!("{} has {bytes} bytes; the most is {SQL_BYTES_MAX}", path.display());
        return Err(invalid(message));
    }
    let text = fs::read_to_string(path).map_err(|error| unreadable(path, error))?;
    let wrong = |wrong: Wrong| invalid(wrong.at(&path.display().to_string()));
    let description = header::read(name, &text).map_err(wrong)?;
    let investigation = Investigation { description, sql: text.into() };
    check::check(&investigation).map_err(wrong)?;
    Ok(investigation)
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    Error::with_source(ErrorKind::Invalid, format!("cannot read queries from {}", path.display()), error)
}
