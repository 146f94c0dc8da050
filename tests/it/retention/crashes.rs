//! Every kind of write beside retention fails once, or the process dies there: no kept event is lost, no expired one comes back.

use std::{collections::BTreeSet, sync::Arc};

use auditlake::{server::Lake, telemetry::Clock};
use serde_json::json;

use super::{DAYS, KEPT_DAYS, days_of, decoded, event_on, expire, new_store, opened, set, table};
use crate::support::{
    faulty::{Action, FaultyStore, Gate, Operation},
    lake::{append, compact, config, life, open, sql},
};

/// What should be seen: everything acknowledged but what has expired.
#[derive(Default)]
struct Book {
    seen: BTreeSet<String>,
    /// Sent and not answered: it may be there.
    open: BTreeSet<String>,
    sent: usize,
}

impl Book {
    /// Sends one event of each day and tenant. Those that are expired are only sent before the days are set.
    async fn send(&mut self, lake: &Lake, days: &[u32]) {
        for name in ["acme", "globex"] {
            for day in days {
                let text = format!("{name} {day} {}", self.sent);
                self.sent += 1;
                let is_kept = name == "globex" || *day > DAYS[0];
                self.open.insert(text.clone());
                let events = decoded(&[event_on(name, *day, &text)], lake.clock());
                if append(lake.ingest().unwrap(), events).await.is_ok() {
                    self.open.remove(&text);
                    if is_kept {
                        self.seen.insert(text);
                    }
                }
            }
        }
    }

    async fn check(&self, lake: &Lake) {
        let rows = sql(lake, "SELECT description AS text FROM events WHERE description IS NOT NULL").await;
        let found: BTreeSet<String> =
            rows.iter().map(|row| row["text"].as_str().unwrap().to_owned()).collect();
        assert_eq!(found.len(), rows.len(), "an event is there twice");
        let expired = format!("acme {} ", DAYS[0]);
        let missing: Vec<_> = self.seen.difference(&found).collect();
        let wrong: Vec<_> = found
            .difference(&self.seen)
            .filter(|text| !self.open.contains(*text) || text.starts_with(&expired))
            .collect();
        assert!(missing.is_empty() && wrong.is_empty(), "missing: {missing:?}, should not be: {wrong:?}");
    }
}

/// Events of all days in files and in the WAL; then acme's first day is over.
async fn first_process(faulty: &FaultyStore, clock: &Clock, book: &mut Book) {
    let lake = opened(faulty, clock).await;
    let ingest = lake.ingest().unwrap();
    for _ in 0..2 {
        book.send(&lake, &DAYS).await;
        ingest.flush().await.unwrap();
    }
    book.send(&lake, &DAYS).await;
    set(&lake, "acme", Some(KEPT_DAYS), false).await;
    book.check(&lake).await;
}

/// Removes, commits, merges and sweeps under whatever fails.
async fn second_process(faulty: &FaultyStore, clock: &Clock, book: &mut Book) {
    let lake = loop {
        // A fault happens once: the second start meets none.
        if let Ok(lake) = open(Arc::new(faulty.clone()), clock, config()).await {
            break lake;
        }
    };
    let ingest = lake.ingest().unwrap();
    for round in 0..2 {
        book.check(&lake).await;
        expire(&lake).await;
        book.check(&lake).await;
        book.send(&lake, &DAYS[1..]).await;
        let _ = ingest.flush().await;
        book.check(&lake).await;
        if round == 0 {
            compact(&lake).await;
        }
        book.check(&lake).await;
    }
}

/// Over a store without faults: what is left is what should be, also once nothing is hidden any more.
fn last_process(faulty: &FaultyStore, clock: &Clock, book: &Book) {
    faulty.heal();
    life(async {
        let lake = opened(faulty, clock).await;
        book.check(&lake).await;
        lake.ingest().unwrap().flush().await.unwrap();
        assert!(expire(&lake).await.failures.is_empty());
        compact(&lake).await;
        book.check(&lake).await;
        // The last of them is the day on which it is told that an event expired that was in no file yet.
        assert_eq!(
            days_of(&table(&lake, "acme").await.snapshot()),
            ["2026-10-29", "2026-10-30", "2026-11-01"]
        );
        let told = "SELECT tenant_id, metadata->>'rows' AS rows FROM events
            WHERE action = 'auditlog.retention.expire' AND actor_id = 'retention'";
        assert_eq!(sql(&lake, told).await, [json!({"tenant_id": "acme", "rows": "1"})]);
        assert_eq!(days_of(&table(&lake, "globex").await.snapshot()).len(), 3);
        lake.close().await.unwrap();
    });
    life(async {
        let lake = opened(faulty, clock).await;
        set(&lake, "acme", None, false).await;
        book.check(&lake).await;
        let numbers =
            sql(&lake, "SELECT count(*) AS n, count(DISTINCT seq) AS seqs FROM events GROUP BY tenant_id")
                .await;
        assert!(numbers.iter().all(|tenant| tenant["n"] == tenant["seqs"]), "{numbers:?}");
    });
}

/// What it is, how it is written, and whether a path is of its kind.
type Write = (&'static str, Operation, fn(&str) -> bool);

/// What retention, and what runs beside it, writes.
const WRITES: [Write; 4] = [
    ("data file", Operation::Put, |path| path.contains("/day=")),
    ("Delta log entry", Operation::Create, |path| path.contains("_delta_log") && path.ends_with(".json")),
    ("index segment", Operation::Put, |path| path.starts_with("index/")),
    ("WAL removal", Operation::Delete, |path| path.starts_with("wal/")),
];
const PASSES: usize = 5;

/// Would catch a failure between two steps that loses a kept event, shows an expired one again, or tells of one that was never in a file
/// not at all or twice.
#[test]
fn a_failed_write_neither_loses_nor_resurrects() {
    for action in [Action::FailBefore, Action::FailAfter] {
        for (what, operation, path) in WRITES {
            for passes in 0..PASSES {
                println!("{what} after {passes}: {action:?}");
                let ((faulty, clock), mut book) = (new_store(), Book::default());
                life(first_process(&faulty, &clock, &mut book));
                faulty.plan(operation, path, passes, action.clone());
                life(second_process(&faulty, &clock, &mut book));
                last_process(&faulty, &clock, &book);
            }
        }
    }
}

/// Would catch a step that relies on more than what is stored when it begins.
#[test]
fn a_crash_at_any_write_neither_loses_nor_resurrects() {
    let mut crashes = 0;
    for gated in [Action::HoldBefore as fn(Gate) -> Action, Action::HoldAfter] {
        for (what, operation, path) in WRITES {
            for passes in 0..PASSES {
                println!("{what} after {passes}");
                let ((faulty, clock), mut book) = (new_store(), Book::default());
                life(first_process(&faulty, &clock, &mut book));
                let gate = Gate::new();
                faulty.plan(operation, path, passes, gated(gate.clone()));
                life(async {
                    tokio::select! {
                        biased;
                        () = gate.arrived() => crashes += 1,
                        () = second_process(&faulty, &clock, &mut book) => {}
                    }
                });
                last_process(&faulty, &clock, &book);
            }
        }
    }
    assert!(crashes > PASSES * WRITES.len(), "only {crashes} crashes");
}
