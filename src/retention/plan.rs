//! Decides what has expired; touches nothing.
//!
//! In: a tenant's snapshot, its settings, the day that it is. Out: all committed files of days before the first that is kept, or
//! `None`. Guaranteed: whole days; nothing without a number of days to keep, and nothing under a legal hold.

use std::{fmt, sync::Arc};

use chrono::NaiveDate;

use crate::{
    control::TenantSettings,
    event::TenantId,
    table::{Commit, DataFile, Snapshot},
};

/// Days of one tenant whose time is over.
#[derive(Clone, Debug)]
pub struct Expiry {
    /// Whose.
    pub tenant: TenantId,
    /// The version of the table that it was planned on. With the tenant it tells one expiry from another.
    pub version: u64,
    /// The first day that stays.
    pub first_kept: NaiveDate,
    /// What goes, oldest day first; never empty.
    pub days: Vec<ExpiredDay>,
    /// All files of these days.
    pub files: Vec<Arc<DataFile>>,
}

/// What goes of one day: everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiredDay {
    /// The day (UTC) on which the events occurred.
    pub day: NaiveDate,
    /// Its files.
    pub files: usize,
    /// Its events.
    pub rows: u64,
    /// Size of its files.
    pub bytes: u64,
}

impl Expiry {
    /// Events that go.
    pub fn rows(&self) -> u64 {
        self.days.iter().map(|day| day.rows).sum()
    }

    /// Size of the files that go.
    pub fn bytes(&self) -> u64 {
        self.days.iter().map(|day| day.bytes).sum()
    }

    /// The first and the last day that go; there may be days without events between them.
    pub fn range(&self) -> (NaiveDate, NaiveDate) {
        let day = |day: Option<&ExpiredDay>| day.map_or(self.first_kept, |day| day.day);
        (day(self.days.first()), day(self.days.last()))
    }

    /// The commit that makes it.
    pub(super) fn commit(&self) -> Commit {
        Commit {
            operation: "DELETE",
            add: Vec::new(),
            remove: self.files.clone(),
            data_change: true,
            wal_through: None,
            next_seq: None,
            tree: None,
        }
    }
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = self.range();
        let (tenant, days, files, rows) = (&self.tenant, self.days.len(), self.files.len(), self.rows());
        write!(f, "tenant '{tenant}': {days} days from {first} to {last}, {files} files, {rows} events")
    }
}

/// What has expired on `today`.
pub fn plan(snapshot: &Snapshot, settings: &TenantSettings, today: NaiveDate) -> Option<Expiry> {
    let (first_kept, version) = (settings.first_day(today)?, snapshot.version?);
    let files: Vec<Arc<DataFile>> =
        snapshot.files.iter().filter(|file| file.day < first_kept).cloned().collect();
    let mut days: Vec<ExpiredDay> = Vec::new();
    // A snapshot's files are sorted by day.
    for file in &files {
        match days.last_mut().filter(|last| last.day == file.day) {
            Some(last) => {
                last.files += 1;
                last.rows += file.rows;
                last.bytes += file.size_bytes;
            }
            None => {
                days.push(ExpiredDay { day: file.day, files: 1, rows: file.rows, bytes: file.size_bytes })
            }
        }
    }
    let tenant = snapshot.tenant.clone();
    (!files.is_empty()).then_some(Expiry { tenant, version, first_kept, days, files })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::table::{Uncommitted, fixture};

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn snapshot(days: &[&str]) -> Snapshot {
        let file = |(number, day): (usize, &&str)| DataFile {
            path: format!("day={day}/{number:04}.parquet"),
            day: date(day),
            rows: 10 + number as u64,
            size_bytes: 100,
            added_at_ms: 0,
            stats: BTreeMap::new(),
        };
        let files = days.iter().enumerate().map(file).map(Arc::new).collect();
        Snapshot { version: Some(7), files: Arc::new(files), ..Snapshot::empty(fixture::tenant()) }
    }

    fn settings(retention_days: Option<u32>, legal_hold: bool) -> TenantSettings {
        TenantSettings { retention_days, legal_hold, ..TenantSettings::default() }
    }

    /// Would catch a day that goes a day too early or stays a day too long, one that goes in part, and one that goes although
    /// nobody said so or a hold says no.
    #[test]
    fn whole_days_go_when_their_time_is_over() {
        let stored = ["2026-01-01", "2026-01-01", "2026-01-02", "2026-01-05"];
        type Case = (&'static str, Option<u32>, bool, &'static str, &'static [(&'static str, usize, u64)]);
        let cases: [Case; 9] = [
            ("kept for ever", None, false, "2099-01-01", &[]),
            ("on the last day of the first", Some(3), false, "2026-01-04", &[]),
            ("the day after", Some(3), false, "2026-01-05", &[("2026-01-01", 2, 21)]),
            ("two days", Some(3), false, "2026-01-06", &[("2026-01-01", 2, 21), ("2026-01-02", 1, 12)]),
            (
                "the gap after them",
                Some(3),
                false,
                "2026-01-08",
                &[("2026-01-01", 2, 21), ("2026-01-02", 1, 12)],
            ),
            (
                "all",
                Some(1),
                false,
                "2026-01-07",
                &[("2026-01-01", 2, 21), ("2026-01-02", 1, 12), ("2026-01-05", 1, 13)],
            ),
            ("held", Some(3), true, "2099-01-01", &[]),
            ("held, without days", None, true, "2099-01-01", &[]),
            ("more days than there were", Some(u32::MAX), false, "2026-01-08", &[]),
        ];
        for (name, days, hold, today, expected) in cases {
            let planned = plan(&snapshot(&stored), &settings(days, hold), date(today));
            let found: Vec<_> = planned.iter().flat_map(|expiry| &expiry.days).collect();
            let found: Vec<_> = found.iter().map(|day| (day.day.to_string(), day.files, day.rows)).collect();
            let expected: Vec<_> =
                expected.iter().map(|(day, files, rows)| (day.to_string(), *files, *rows)).collect();
            assert_eq!(found, expected, "{name}");
            if let Some(expiry) = planned {
                assert_eq!(expiry.version, 7);
                assert_eq!(expiry.files.len(), expected.iter().map(|(_, files, _)| files).sum::<usize>());
                assert!(expiry.files.iter().all(|file| file.day < expiry.first_kept));
                assert_eq!(expiry.range().0, date("2026-01-01"));
                assert!(expiry.commit().add.is_empty() && expiry.commit().wal_through.is_none());
            }
        }
    }

    /// Would catch a plan for a table that has no commit, or one that counts what waits.
    #[test]
    fn what_is_not_committed_is_not_planned() {
        let long_ago = settings(Some(1), false);
        assert!(plan(&Snapshot::empty(fixture::tenant()), &long_ago, date("2026-01-08")).is_none());
        let waiting = fixture::accepted(&fixture::events(0, 5));
        let uncommitted = Arc::new(Uncommitted { active: vec![waiting], ..Uncommitted::default() });
        let snapshot = Snapshot { uncommitted, ..snapshot(&[]) };
        assert!(plan(&snapshot, &long_ago, date("2099-01-01")).is_none());
    }
}
