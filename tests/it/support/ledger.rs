//! What clients know: which events they sent, and which of them the server acknowledged. A store agrees with it when each
//! acknowledged event is there exactly once, and nothing is there that was not sent.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;

use super::server::Api;

/// Tenant and event id.
pub(crate) type Key = (String, String);

#[derive(Default)]
pub(crate) struct Ledger {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// Each event sent, and its description.
    sent: HashMap<Key, String>,
    acknowledged: HashSet<Key>,
    /// The server said it has not stored them, and they were not sent again since.
    refused: HashSet<Key>,
    /// The numbers that events were seen with: they never change.
    numbers: HashMap<Key, i64>,
}

impl Ledger {
    /// Notes events before they are sent. Sending the same ones again is fine.
    pub(crate) fn send(&self, events: impl IntoIterator<Item = (Key, String)>) {
        let mut known = self.known();
        for (key, description) in events {
            known.refused.remove(&key);
            known.sent.insert(key, description);
        }
    }

    /// Notes events that the server said it has not stored.
    pub(crate) fn refuse(&self, keys: impl IntoIterator<Item = Key>) {
        self.known().refused.extend(keys);
    }

    /// Notes events that the server said it has.
    pub(crate) fn acknowledge(&self, keys: impl IntoIterator<Item = Key>) {
        self.known().acknowledged.extend(keys);
    }

    /// Compares with what a query over everything finds; panics with the first few events that differ.
    pub(crate) async fn check(&self, api: &Api) {
        let rows = api.sql("SELECT tenant_id, id, description, seq FROM events").await;
        if let Err(difference) = self.compare(&rows) {
            panic!("{difference}");
        }
    }

    /// Compares with rows that have `tenant_id`, `id`, `description` and `seq`; tells the first difference.
    pub(crate) fn compare(&self, rows: &[Value]) -> Result<(), String> {
        let mut known = self.known();
        let mut stored = HashSet::<Key>::new();
        let mut numbers = HashSet::<(String, i64)>::new();
        for row in rows {
            let text =
                |name: &str| row[name].as_str().map(str::to_owned).ok_or(format!("no {name} in {row}"));
            let key = (text("tenant_id")?, text("id")?);
            if known.sent.get(&key) != Some(&text("description")?) {
                return Err(format!("stored but not sent so: {row}"));
            }
            if known.refused.contains(&key) {
                return Err(format!("stored although it was refused: {row}"));
            }
            if let Some(number) = row.get("seq").and_then(Value::as_i64) {
                if *known.numbers.entry(key.clone()).or_insert(number) != number {
                    return Err(format!("the number of {key:?} changed to {number}"));
                }
                if !numbers.insert((key.0.clone(), number)) {
                    return Err(format!("two events of {} have number {number}", key.0));
                }
            }
            if !stored.insert(key) {
                return Err(format!("stored more than once: {row}"));
            }
        }
        let mut lost = known.acknowledged.difference(&stored);
        match lost.next() {
            Some(first) => {
                Err(format!("{} acknowledged events are lost, such as {first:?}", lost.count() + 1))
            }
            None => Ok(()),
        }
    }

    /// How many events were acknowledged.
    pub(crate) fn acknowledged(&self) -> usize {
        self.known().acknowledged.len()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Would catch a ledger that any store agrees with: every crash test rests on it.
#[test]
fn a_ledger_finds_every_kind_of_difference() {
    let key = |id: &str| ("acme".to_owned(), id.to_owned());
    let row = |id: &str, description: &str, seq: Option<i64>| serde_json::json!({ "tenant_id": "acme", "id": id, "description": description, "seq": seq });
    let ledger = Ledger::default();
    ledger.send([(key("1"), "one".to_owned()), (key("2"), "two".to_owned()), (key("3"), "three".to_owned())]);
    ledger.acknowledge([key("1")]);

    let first = row("1", "one", None);
    assert_eq!(ledger.compare(std::slice::from_ref(&first)), Ok(()));
    assert_eq!(ledger.compare(&[row("1", "one", Some(0)), row("2", "two", Some(1))]), Ok(()));
    for (rows, difference) in [
        (vec![], "1 acknowledged events are lost"),
        (vec![row("2", "two", None)], "1 acknowledged events are lost"),
        (vec![first.clone(), first.clone()], "more than once"),
        (vec![first.clone(), row("4", "four", None)], "not sent"),
        (vec![row("1", "other", None)], "not sent so"),
        (vec![row("1", "one", Some(7))], "changed to 7"),
        (vec![first.clone(), row("2", "two", Some(1)), row("3", "three", Some(1))], "number 1"),
    ] {
        let found = ledger.compare(&rows).unwrap_err();
        assert!(found.contains(difference), "{found}");
    }
    ledger.refuse([key("3")]);
    let rows = [first, row("3", "three", None)];
    assert!(ledger.compare(&rows).unwrap_err().contains("although it was refused"));
    ledger.send([(key("3"), "three".to_owned())]);
    assert_eq!(ledger.compare(&rows), Ok(()));
}
