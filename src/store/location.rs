//! The text after `--store`, parsed once: a folder, `file://`, `s3://bucket/prefix` or `memory://`.

use std::{fmt, path::PathBuf};

use object_store::path::Path;
use url::Url;

use crate::error::{Error, ErrorKind, Result};

const FORMS: &str = "a folder, file:///absolute/folder, s3://bucket/prefix or memory://";

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Location {
    /// A folder of this machine, as given: it may be relative.
    Folder(PathBuf),
    /// A bucket and a prefix in it, empty for the bucket's root.
    S3 { bucket: String, prefix: Path },
    /// The memory of this process.
    Memory,
}

impl Location {
    /// Parses the text; the error names it and lists the four forms. URLs are percent-decoded, folders are not.
    pub(super) fn parse(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Err(invalid(text, "it is empty"));
        }
        let Some((scheme, rest)) = text.split_once(':') else {
            return Ok(Self::Folder(text.into()));
        };
        match (scheme, rest.starts_with("//")) {
            ("memory", true) if matches!(rest, "//" | "///") => Ok(Self::Memory),
            ("memory", true) => Err(invalid(text, "memory:// takes no path")),
            ("file", true) => file(text),
            ("s3" | "s3a", true) => s3(text),
            ("memory" | "file" | "s3" | "s3a", false) => {
                Err(invalid(text, "two slashes must follow the colon"))
            }
            (_, true) => Err(invalid(text, "its scheme is unknown")),
            (_, false) => Ok(Self::Folder(text.into())),
        }
    }
}

fn file(text: &str) -> Result<Location> {
    let url = url(text)?;
    let folder = url.to_file_path();
    folder.map(Location::Folder).map_err(|()| invalid(text, "a file URL has three slashes and no host"))
}

fn s3(text: &str) -> Result<Location> {
    let url = url(text)?;
    if !url.username().is_empty() || url.password().is_some() || url.port().is_some() {
        return Err(invalid(text, "credentials and ports come from the AWS_* variables, not from the URL"));
    }
    let bucket = url.host_str().filter(|host| !host.is_empty());
    let bucket = bucket.ok_or_else(|| invalid(text, "the bucket is missing"))?;
    let prefix = Path::from_url_path(url.path()).map_err(|error| {
        Error::with_source(ErrorKind::Invalid, message(text, "its prefix is not a path"), error)
    })?;
    Ok(Location::S3 { bucket: bucket.to_owned(), prefix })
}

fn url(text: &str) -> Result<Url> {
    let url = Url::parse(text)
        .map_err(|error| Error::with_source(ErrorKind::Invalid, message(text, "it is not a URL"), error))?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(invalid(text, "'?' and '#' must be written as %3F and %23"));
    }
    Ok(url)
}

fn invalid(text: &str, reason: &str) -> Error {
    Error::new(ErrorKind::Invalid, message(text, reason))
}

/// Names the text without what may be a password in it.
fn message(text: &str, reason: &str) -> String {
    let shown = match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        _ => text.to_owned(),
    };
    format!("store {shown:?} cannot be opened: {reason}; give {FORMS}")
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "{}", folder.display()),
            Self::S3 { bucket, prefix } if prefix.as_ref().is_empty() => write!(f, "s3://{bucket}"),
            Self::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
            Self::Memory => f.write_str("memory://"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a form of `--store` that opens another place than the one written.
    #[test]
    fn four_forms_are_understood() {
        let folder = |path: &str| Location::Folder(path.into());
        let s3 =
            |bucket: &str, prefix: &str| Location::S3 { bucket: bucket.into(), prefix: Path::from(prefix) };
        for (text, expected) in [
            ("data", folder("data")),
            ("./a b/%20", folder("./a b/%20")),
            ("/srv/lake", folder("/srv/lake")),
            ("a:b", folder("a:b")),
            ("file:///srv/my%20lake", folder("/srv/my lake")),
            ("file://localhost/srv", folder("/srv")),
            ("s3://logs", s3("logs", "")),
            ("s3://logs/", s3("logs", "")),
            ("s3a://logs/prod/eu", s3("logs", "prod/eu")),
            ("s3://logs/my%20prefix/", s3("logs", "my prefix")),
            ("memory://", Location::Memory),
        ] {
            assert_eq!(Location::parse(text).unwrap(), expected, "{text}");
        }
    }

    /// Would catch a typo that silently becomes a new local folder, or an error that does not say what is accepted.
    #[test]
    fn everything_else_is_refused_with_the_forms() {
        for text in [
            "",
            "gs://b/p",
            "http://h/p",
            "s3:bucket",
            "s3://",
            "s3:///p",
            "file:relative",
            "file://host/p",
            "memory://x",
            "memory:",
            "s3://b?x=1",
            "s3://b/a#1",
            "s3://b//a//b",
        ] {
            let error = Location::parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{text}");
            assert!(error.to_string().contains(FORMS), "{error}");
        }
    }

    /// Would catch a password written into a URL that reaches the log.
    #[test]
    fn passwords_are_not_repeated() {
        let message = Location::parse("s3://key:hunter2@bucket/p").unwrap_err().to_string();
        assert!(!message.contains("hunter2"), "{message}");
    }
}
