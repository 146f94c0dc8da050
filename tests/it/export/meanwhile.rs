//! What changes while an export reads: compaction, the sweep, events that come late, and retention.
//!
//! Each read of a data file is held back in turn, until the change has been made, and goes on then.

use auditlake::{
    control::{Change, TenantSettings},
    retention::{Expiry, expire_all},
};

use super::*;

/// With this retention the first two of the four days have expired on the first of November.
const RETENTION_DAYS: u32 = 29;
const KEPT_FROM: &str = "2026-10-03";
/// Files that are read at the least, each of which is held back once.
const READS_MIN: usize = 2 * DAYS as usize;

/// Two files for each day, and one more for one that waits to be committed.
async fn fill_twice(lake: &Lake, clock: &Clock) {
    fill(lake, clock, "early").await;
    fill(lake, clock, "more").await;
    append(lake.ingest().unwrap(), decoded(&events_of(2, "just"), clock)).await.unwrap();
}

/// Late events of all days are committed, all files of a day become one, and what has been dead for long enough goes.
async fn arrive_and_compact(lake: &Lake, clock: &Clock) {
    fill(lake, clock, "late").await;
    compact_to(DAYS as usize, lake).await;
    let swept = lake.tables().sweep(lake.config().background.sweep_grace_ms as i64).await;
    assert_eq!(swept.failed, 0);
}

/// Of each day one file is left.
async fn compact_to(days: usize, lake: &Lake) {
    assert!(compact(lake).await.jobs > 0);
    let table = lake.tables().get(&tenant()).await.unwrap().unwrap();
    assert_eq!(table.snapshot().files.len(), days);
}

/// The first days go.
async fn expire(lake: &Lake) {
    let settings = TenantSettings { retention_days: Some(RETENTION_DAYS), ..TenantSettings::default() };
    let change = Change::TenantSet { id: tenant(), settings };
    lake.control().change("root", |_| Ok((change.clone(), ()))).await.unwrap();
    let stop = CancellationToken::new();
    let expired =
        expire_all(lake.tables(), lake.control(), &stop, async |_: Expiry| Ok(())).await.unwrap().expired;
    assert_eq!((expired.len(), expired[0].days.len()), (1, 2));
}

/// What came of an export one of whose reads was held back.
struct Held {
    /// The ids that were stored when it was asked for, in order.
    expected: Vec<String>,
    status: Status,
    events: Vec<Value>,
    manifest: Value,
}

/// Carries `new` out, while `change` is made at its read of a data file that follows `position` others; `None`: it has no such read.
fn held_at(position: usize, new: &NewExport, change: impl AsyncFn(&Lake, &Clock)) -> Option<Held> {
    loop {
        match try_held_at(position, new, &change) {
            Tried::Held(held) => return Some(*held),
            Tried::NoSuchRead => return None,
            // A question is looked at before it is an export, and what it began to read then may be what was held.
            Tried::OfAnother => {}
        }
    }
}

enum Tried {
    Held(Box<Held>),
    NoSuchRead,
    OfAnother,
}

fn try_held_at(position: usize, new: &NewExport, change: impl AsyncFn(&Lake, &Clock)) -> Tried {
    life(async {
        let (faulty, clock) = (FaultyStore::over_memory(), Clock::manual(START_MICROS));
        let lake = open(Arc::new(faulty.clone()), &clock, in_small_pieces()).await.unwrap();
        fill_twice(&lake, &clock).await;
        let expected = stored(&lake).await;
        let exports = lake.exports().await.unwrap();
        let asked = exports.create(new.clone()).await.unwrap();
        let gate = Gate::new();
        let is_data = |path: &str| path.starts_with("events/acme/day=");
        faulty.plan(Operation::Get, is_data, position, Action::HoldBefore(gate.clone()));
        let working = Working::with(exports);
        let is_held = tokio::select! {
            () = gate.arrived() => true,
            _ = working.ended(&asked) => false,
        };
        let mut is_of_another = false;
        if is_held {
            change(&lake, &clock).await;
            let id = ExportId::parse(&asked.id).unwrap();
            is_of_another = working.exports.get(None, &id).unwrap().ended_at.is_some();
            gate.open();
        }
        let status = working.ended(&asked).await;
        assert_eq!(status.state, "completed", "{position}: {status:?}");
        let get = async |name: &str| {
            let path = Path::from(format!("exports/tenant=acme/{}/files/{name}", status.id));
            faulty.inner().get(&path).await.unwrap().bytes().await.unwrap()
        };
        let events = match new.what {
            What::Filter(_) => exported(&*faulty.inner(), &status).await,
            What::Sql { .. } => {
                let text = String::from_utf8(get("part-00001.ndjson").await.to_vec()).unwrap();
                text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
            }
        };
        let manifest = serde_json::from_slice(&get("manifest.json").await).unwrap();
        working.end().await;
        lake.close().await.unwrap();
        match (is_held, is_of_another) {
            (false, _) => Tried::NoSuchRead,
            (true, true) => Tried::OfAnother,
            (true, false) => Tried::Held(Box::new(Held { expected, status, events, manifest })),
        }
    })
}

/// Would catch an export that loses events whose files were replaced after it had looked for them, has them twice, or has events that
/// came meanwhile.
#[test]
fn compaction_and_late_events_change_nothing() {
    let mut reads = 0;
    while let Some(held) = held_at(reads, &all_events(), arrive_and_compact) {
        assert_eq!(ids(&held.events), held.expected, "read {reads}");
        assert_eq!(
            (held.status.rows, &held.manifest["kept_from"]),
            (held.expected.len() as u64, &Value::Null)
        );
        assert_eq!(held.manifest["seq_before"], held.expected.len());
        reads += 1;
    }
    assert!(reads > READS_MIN, "only {reads} reads were held back");
}

/// Would catch the same in the answer to a question, which is read as a whole.
#[test]
fn an_answer_is_of_one_state_whatever_happens() {
    let what = What::Sql {
        text: "SELECT id, seq FROM events ORDER BY occurred_at, seq".to_owned(),
        params: serde_json::Map::new(),
        query: None,
    };
    let question = NewExport { what, ..all_events() };
    let mut reads = 0;
    while let Some(held) = held_at(reads, &question, async |lake: &Lake, clock: &Clock| {
        arrive_and_compact(lake, clock).await;
        expire(lake).await;
    }) {
        assert_eq!(ids(&held.events), held.expected, "read {reads}");
        assert_eq!(held.manifest["kept_from"], KEPT_FROM, "what was read was of days that are gone now");
        reads += 1;
    }
    assert!(reads > READS_MIN, "only {reads} reads were held back");
}

/// Would catch an export that fails or is silent when days go while it reads them, has events of them twice or in another order, or
/// loses one of a day that is kept. Days are read in parts, so of one that goes the beginning may be there.
#[test]
fn retention_takes_days_and_the_manifest_says_so() {
    let (mut reads, mut days_there) = (0, Vec::new());
    while let Some(held) = held_at(reads, &all_events(), async |lake: &Lake, clock: &Clock| {
        expire(lake).await;
        arrive_and_compact_kept(lake, clock).await;
    }) {
        assert_eq!(held.manifest["kept_from"], KEPT_FROM);
        assert_eq!(held.status.kept_from.unwrap().to_string(), KEPT_FROM);
        let found = ids(&held.events);
        let of_day = |ids: &[String], day: u32| -> Vec<String> {
            let infix = format!("-{day}-");
            ids.iter().filter(|id| id.contains(&infix)).cloned().collect()
        };
        let mut gone = 0;
        for day in 1..=DAYS {
            let (expected, found) = (of_day(&held.expected, day), of_day(&found, day));
            let has_expired = day <= 2;
            gone += u32::from(found.is_empty());
            let is_right = found == expected || has_expired && expected.starts_with(&found);
            assert!(is_right, "read {reads}, day {day}: {found:?}");
        }
        days_there.push(DAYS - gone);
        reads += 1;
    }
    assert!(days_there.contains(&2) || days_there.contains(&3), "no day was missing: {days_there:?}");
    assert!(days_there.contains(&DAYS), "a day that is being read stays: {days_there:?}");
}

/// Events of days that have expired are refused, so late ones are of the others.
async fn arrive_and_compact_kept(lake: &Lake, clock: &Clock) {
    for day in 3..=DAYS {
        append(lake.ingest().unwrap(), decoded(&events_of(day, "late"), clock)).await.unwrap();
    }
    lake.ingest().unwrap().flush().await.unwrap();
    compact_to(DAYS as usize - 2, lake).await;
}
