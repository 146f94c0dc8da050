//! The live data files of a tenant's table by name, for programs that read Parquet by a list of files and know nothing of Delta.
//!
//! In: which days, and how many files about. Out: their files, in pages of whole days. Guaranteed: the files of a page hold each committed
//! event of its days once, at the version that is named. Compaction replaces files within a day, so that the pages of a walk can be
//! read together though versions come in between. A folder says less: it also has files that compaction has replaced.

use chrono::{DateTime, NaiveDate, SecondsFormat};
use datafusion::scalar::ScalarValue;
use serde::{Deserialize, Serialize};

use super::{DataFile, Tables};
use crate::{
    error::{Error, ErrorKind, Result},
    event::{TenantId, schema::OCCURRED_AT},
};

/// Which days of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Days {
    /// The first; `None`: from the first that there is.
    #[serde(rename = "f")]
    pub first: Option<NaiveDate>,
    /// The last; `None`: to the last that there is.
    #[serde(rename = "l")]
    pub last: Option<NaiveDate>,
}

impl Days {
    /// # Errors
    /// [`ErrorKind::Invalid`] if they end before they begin.
    pub fn new(first: Option<NaiveDate>, last: Option<NaiveDate>) -> Result<Self> {
        match (first, last) {
            (Some(first), Some(last)) if last < first => {
                let message = format!("the last day, {last}, is before the first, {first}");
                Err(Error::new(ErrorKind::Invalid, message))
            }
            _ => Ok(Self { first, last }),
        }
    }

    fn have(self, day: NaiveDate) -> bool {
        self.first.is_none_or(|first| first <= day) && self.last.is_none_or(|last| day <= last)
    }

    /// Those after one of them.
    #[must_use]
    pub fn after(self, day: NaiveDate) -> Self {
        Self { first: day.succ_opt().or(self.first), ..self }
    }
}

/// A live file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveFile {
    /// Its URL.
    pub url: String,
    /// Its path below the table.
    pub path: String,
    /// The day that all its events are of. The file has no column for it.
    pub day: NaiveDate,
    /// Its events.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// No event in it is before this; `None`: not known.
    pub first_occurred_at: Option<String>,
    /// No event in it is after this; `None`: not known.
    pub last_occurred_at: Option<String>,
}

/// Live files of whole days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveFiles {
    /// The table's URL.
    pub location: String,
    /// The version whose files they are; `None`: nothing is committed yet.
    pub version: Option<u64>,
    /// They, by day.
    pub files: Vec<LiveFile>,
    /// The last day they are of, if there are more days.
    #[serde(skip)]
    pub end: Option<NaiveDate>,
}

impl Tables {
    /// Live files of `days`: of as many whole days as have `count` files together, and of one day at least.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if the store is in memory; as the store.
    pub async fn live_files(&self, tenant: &TenantId, days: Days, count: usize) -> Result<LiveFiles> {
        let (address, folder) = (self.address()?, self.folder(tenant));
        let snapshot = self.get(tenant).await?.map(|table| table.snapshot());
        let all = snapshot.as_ref().map(|snapshot| snapshot.files.as_slice()).unwrap_or_default();
        let wanted: Vec<&DataFile> =
            all.iter().map(AsRef::as_ref).filter(|file| days.have(file.day)).collect();
        let (page, end) = whole_days(&wanted, count);
        let live = |file: &&DataFile| {
            let (first_occurred_at, last_occurred_at) = times(file);
            LiveFile {
                url: address.url(&folder.data_file(&file.path)),
                path: file.path.clone(),
                day: file.day,
                rows: file.rows,
                bytes: file.size_bytes,
                first_occurred_at,
                last_occurred_at,
            }
        };
        Ok(LiveFiles {
            location: address.url(&folder.path()),
            version: snapshot.as_ref().and_then(|snapshot| snapshot.version),
            files: page.iter().map(live).collect(),
            end,
        })
    }
}

/// The first of `files`, which are sorted by day: those of as many whole days as have `count` together, and of one day at least. The
/// last of these days, if there are more.
fn whole_days<'a, 'f>(files: &'a [&'f DataFile], count: usize) -> (&'a [&'f DataFile], Option<NaiveDate>) {
    let mut taken = 0;
    for day in files.chunk_by(|left, right| left.day == right.day) {
        if taken > 0 && taken + day.len() > count {
            return (&files[..taken], Some(files[taken - 1].day));
        }
        taken += day.len();
    }
    (files, None)
}

/// The earliest and the latest time in a file, as its statistics say.
fn times(file: &DataFile) -> (Option<String>, Option<String>) {
    let stats = file.stats.get(OCCURRED_AT);
    let text = |value: Option<&ScalarValue>| match value {
        Some(ScalarValue::TimestampMicrosecond(Some(micros), _)) => {
            let time = DateTime::from_timestamp_micros(*micros)?;
            Some(time.to_rfc3339_opts(SecondsFormat::Micros, true))
        }
        _ => None,
    };
    (text(stats.and_then(|stats| stats.min.as_ref())), text(stats.and_then(|stats| stats.max.as_ref())))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn date(day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 11, day).unwrap()
    }

    fn file(day: u32, number: usize) -> DataFile {
        DataFile {
            path: format!("day={}/{number}.parquet", date(day)),
            day: date(day),
            rows: 1,
            size_bytes: 1,
            added_at_ms: 0,
            stats: BTreeMap::new(),
        }
    }

    proptest! {
        /// Would catch a file that is left out or given twice where a page ends, a day that is cut in two, so that a compaction between
        /// two pages could double or lose its events, and a walk without an end.
        #[test]
        fn pages_are_whole_days(
            counts in prop::collection::vec(0_usize..6, 1..20), count in 0_usize..9, bounds in (1_u32..20, 1_u32..20),
        ) {
            let files: Vec<DataFile> = (1..).zip(&counts)
                .flat_map(|(day, count)| (0..*count).map(move |number| file(day, number))).collect();
            let first = date(bounds.0.min(bounds.1));
            let days = Days::new(Some(first), Some(date(bounds.0.max(bounds.1)))).unwrap();
            let (mut rest, mut given) = (days, Vec::new());
            loop {
                let wanted: Vec<&DataFile> = files.iter().filter(|file| rest.have(file.day)).collect();
                let (page, end) = whole_days(&wanted, count);
                let of_page: std::collections::BTreeSet<_> = page.iter().map(|file| file.day).collect();
                prop_assert!(page.len() <= count || of_page.len() == 1);
                given.extend(page.iter().map(|file| file.path.clone()));
                let Some(end) = end else { break };
                prop_assert_eq!(of_page.last(), Some(&end));
                rest = rest.after(end);
            }
            let expected: Vec<String> =
                files.iter().filter(|file| days.have(file.day)).map(|file| file.path.clone()).collect();
            prop_assert_eq!(given, expected);
        }
    }

    /// Would catch days that end before they begin and answer with nothing, as if there were nothing.
    #[test]
    fn days_that_end_before_they_begin_are_refused() {
        let error = Days::new(Some(date(2)), Some(date(1))).unwrap_err();
        assert_eq!(error.to_string(), "the last day, 2026-11-01, is before the first, 2026-11-02");
        assert!(Days::new(Some(date(2)), Some(date(2))).is_ok());
    }
}
