//! Import: files of audit events of other systems become batches of native events.
//!
//! In: files and folders (plain, gzip or zstd; NDJSON, arrays, single objects, pages and envelopes of transports).
//! Out: [`Batch`]es of NDJSON in the API form of `POST /v1/events`, each event with its [`Origin`], ready for
//! the same decoder that HTTP uses. Guaranteed: each value of a foreign record is in its event with all its digits and
//! letters, or the record is refused; what cannot be mapped is named with file, line, id and reason and
//! never stops the rest; what is left out and what holds no events is named; one file is open at a time and memory is
//! bounded by a batch and a value, whatever the size of the files; the same files give the same bytes, so that
//! importing twice changes nothing. `docs/import.md` is the user's side of this.
//!
//! The way of the bytes: `folder` finds the files, `input` opens them, `values` cuts them into JSON values, `records`
//! finds the records in these, by `envelope` and `recognize`, `json` parses them, a module a format maps them, `reader` gathers
//! the events. Where a text is broken, `resync` and `salvage` find the records that are whole.

mod addresses;
pub mod cloudtrail;
mod countries;
mod decimal;
mod envelope;
#[cfg(test)]
mod fields;
mod folder;
pub mod github;
mod input;
mod json;
mod members;
mod names;
mod native;
pub mod okta;
mod reader;
mod recognize;
mod records;
mod results;
mod resync;
mod salvage;
mod texts;
mod times;
mod values;

pub use folder::{Found, LeftOut};
pub use input::Input;
pub use members::NotARecord;
pub use reader::{Batch, Counts, Note, NoteKind, Origin, Reader, Refusal, Settings, Step};

use crate::event::decode::EventLimits;

/// What the files hold.
///
/// ```
/// use auditlake::import::Source;
/// assert_eq!("cloudtrail".parse(), Ok(Source::Cloudtrail));
/// assert!("syslog".parse::<Source>().unwrap_err().contains("native, cloudtrail"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Events in auditlake's own API form (WorkOS bodies included); passed through as they are.
    Native,
    /// AWS CloudTrail log files or single records; see [`cloudtrail`].
    Cloudtrail,
    /// Events of the Okta System Log; see [`okta`].
    Okta,
    /// Events of GitHub's audit log; see [`github`].
    Github,
}

impl Source {
    /// Every source by the name the command line knows it.
    pub const NAMES: [(&str, Source); 4] = [
        ("native", Source::Native),
        ("cloudtrail", Source::Cloudtrail),
        ("okta", Source::Okta),
        ("github", Source::Github),
    ];

    /// Whether the records say which tenant they belong to; if not, somebody has to.
    ///
    /// ```
    /// use auditlake::import::Source;
    /// assert!(Source::Native.names_tenants() && !Source::Okta.names_tenants());
    /// ```
    pub fn names_tenants(self) -> bool {
        self == Source::Native
    }

    /// How large an event may be that was mapped from a record of this source.
    ///
    /// ```
    /// use auditlake::{event::decode::EventLimits, import::Source};
    /// assert_eq!(Source::Cloudtrail.limits(), EventLimits::IMPORTED);
    /// ```
    pub fn limits(self) -> EventLimits {
        match self {
            Source::Native => EventLimits::NATIVE,
            Source::Cloudtrail | Source::Okta | Source::Github => EventLimits::IMPORTED,
        }
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let known = Self::NAMES.iter().find(|(_, source)| source == self);
        f.write_str(known.map_or("unknown", |(name, _)| name))
    }
}

impl std::str::FromStr for Source {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, source)| *source).ok_or_else(|| {
            let known: Vec<&str> = Self::NAMES.iter().map(|(known, _)| *known).collect();
            format!("format {name:?} is not one of {}", known.join(", "))
        })
    }
}
