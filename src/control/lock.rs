//! Which object is locked, and until when; touches nothing.
//!
//! In: where an object is written, what is set for its tenant, the time. Out: its lock, or `None`. Guaranteed: only what is part of a
//! tenant's table or tree is locked; the lock of a data file ends before retention may remove its day, as long as `lock_days` is not
//! above `retention_days`; no lock ends before a bucket whose clock is fast would look at it.

use chrono::{DateTime, Days, NaiveTime, TimeDelta, Utc};
use object_store::path::Path;

use super::tenant::TenantSettings;
use crate::{event::TenantId, paths, store::Lock};

/// A lock that ends sooner is not made: a bucket refuses a date that its own clock has passed.
const HOLDS_MIN: TimeDelta = TimeDelta::hours(1);

/// The lock of what is written to `path` at `now`; `settings` says what is set for a tenant.
///
/// A data file is locked for `lock_days` after its day, whenever it is written: then a merged file is locked for as long as those that it
/// replaces. An entry of the log or a proof belongs to no day and is locked for `lock_days` from now on.
pub fn lock_of(
    path: &Path,
    settings: impl FnOnce(&TenantId) -> TenantSettings,
    now: DateTime<Utc>,
) -> Option<Lock> {
    let (tenant, _) = paths::parse_kept(path)?;
    let settings = settings(&tenant);
    let (until, hold) = (until(path, &settings, now, now), settings.legal_hold);
    (until.is_some() || hold).then_some(Lock { until, hold })
}

/// Until when the object at `path`, which was written at `written`, is locked; `None`: it is not, or not much longer than `now`.
pub fn until(
    path: &Path,
    settings: &TenantSettings,
    written: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let (_, day) = paths::parse_kept(path)?;
    let days = Days::new(settings.lock_days?.into());
    let until = match day {
        Some(day) => {
            let last = day.checked_add_days(days)?.checked_add_days(Days::new(1))?;
            last.and_time(NaiveTime::MIN).and_utc()
        }
        None => written.checked_add_days(days)?,
    };
    (until - now >= HOLDS_MIN).then_some(until)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths::TableLayout;

    fn settings(lock_days: Option<u32>, legal_hold: bool) -> TenantSettings {
        TenantSettings { lock_days, legal_hold, ..TenantSettings::default() }
    }

    fn at(time: &str) -> DateTime<Utc> {
        time.parse().unwrap()
    }

    /// Would catch a lock that outlives the retention of its events, one that a bucket refuses, and a log entry without one.
    #[test]
    fn locks_go_by_the_day_or_by_now() {
        let file = "events/acme/day=2026-11-01/x.parquet";
        let entry = "events/acme/_delta_log/00000000000000000007.json";
        let tile = "proof/tenant=acme/tile/0/000.p/7";
        let (noon, midnight) = ("2026-11-01T12:00:00Z", "2026-11-02T00:00:00Z");
        type Case = (&'static str, Option<u32>, bool, &'static str, Option<(Option<&'static str>, bool)>);
        let cases: [Case; 14] = [
            (file, Some(3), false, noon, Some((Some("2026-11-05T00:00:00Z"), false))),
            // Written late, as by a compaction: the same date.
            (file, Some(3), false, "2026-11-04T12:00:00Z", Some((Some("2026-11-05T00:00:00Z"), false))),
            (file, Some(3), false, "2026-11-04T23:00:01Z", None),
            (file, Some(3), false, "2027-01-01T00:00:00Z", None),
            (file, Some(3), true, "2027-01-01T00:00:00Z", Some((None, true))),
            (file, None, true, noon, Some((None, true))),
            (file, None, false, noon, None),
            (file, Some(3), true, noon, Some((Some("2026-11-05T00:00:00Z"), true))),
            (entry, Some(3), false, noon, Some((Some("2026-11-04T12:00:00Z"), false))),
            (tile, Some(3), true, midnight, Some((Some("2026-11-05T00:00:00Z"), true))),
            (
                "events/tenant=acme/_delta_log/_last_checkpoint",
                Some(1),
                false,
                midnight,
                Some((Some("2026-11-03T00:00:00Z"), false)),
            ),
            (
                "events/tenant=acme/day=2026-11-01/x.parquet",
                Some(3),
                false,
                noon,
                Some((Some("2026-11-05T00:00:00Z"), false)),
            ),
            ("index/tenant=acme/x.skip", Some(3), true, noon, None),
            ("wal/0000000001/00000000000000000001.arrow", Some(3), true, noon, None),
        ];
        for (path, days, hold, now, expected) in cases {
            let lock = lock_of(&Path::from(path), |_| settings(days, hold), at(now));
            let expected = expected.map(|(until, hold)| Lock { until: until.map(at), hold });
            assert_eq!(lock, expected, "{path} {days:?} {hold} {now}");
        }
    }

    /// Would catch a log entry that is locked anew for the whole time when it is found again.
    #[test]
    fn what_was_there_is_locked_from_when_it_was_written() {
        let entry = Path::from("events/acme/_delta_log/00000000000000000007.json");
        let (written, now) = (at("2026-11-01T12:00:00Z"), at("2026-11-03T12:00:00Z"));
        let until = |days| until(&entry, &settings(Some(days), false), written, now);
        assert_eq!((until(2), until(3)), (None, Some(at("2026-11-04T12:00:00Z"))));
    }

    /// Would catch a tenant that is locked as another one is.
    #[test]
    fn each_tenant_goes_by_its_own_settings() {
        let of = |tenant: &TenantId| settings((tenant.as_str() == "Acme").then_some(3), false);
        let lock = |path: &str| lock_of(&Path::from(path), of, at("2026-11-01T12:00:00Z"));
        let entry =
            |tenant: &str| TableLayout::Plain.table(&TenantId::parse(tenant).unwrap()).delta_commit(7);
        assert!(lock(entry("Acme").as_ref()).is_some());
        assert!(lock(entry("acme").as_ref()).is_none());
    }
}
