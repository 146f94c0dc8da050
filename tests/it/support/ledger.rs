//! What clients know: which events they sent, and which of them the server acknowledged. A store agrees with it when each
//! acknowledged event is there exactly once, and nothing is there that was not sent.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
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
    /// The numbers that events were seen with: they never change.
    numbers: HashMap<Key, i64>,
}

impl Ledger {
    /// Notes events before they are sent. Sending the same ones again is fine.
    pub(crate) fn send(&self, events: impl IntoIterator<Item = (Key, String)>) {
        self.known().sent.extend(events);
    }

    /// Notes events that the server said it has.
    pub(crate) fn acknowledge(&self, keys: impl IntoIterator<Item = Key>) {
        self.known().acknowledged.extend(keys);
    }

    /// Compares with what a query over everything finds; panics with the first few events that differ.
    pub(crate) async fn check(&self, api: &Api) {
        let rows = api.sql("SELECT tenant_id, id, description, seq FROM events").await;
        let mut known = self.known();
        let mut stored = BTreeMap::<Key, usize>::new();
        let mut numbers = HashMap::<(String, i64), String>::new();
        for row in rows {
            let text =
                |name: &str| row[name].as_str().unwrap_or_else(|| panic!("no {name} in {row}")).to_owned();
            let key = (text("tenant_id"), text("id"));
            assert_eq!(known.sent.get(&key), Some(&text("description")), "stored but not sent so: {row}");
            if let Some(number) = row.get("seq").and_then(Value::as_i64) {
                let first = *known.numbers.entry(key.clone()).or_insert(number);
                assert_eq!(first, number, "the number of {key:?} changed");
                let other = numbers.insert((key.0.clone(), number), key.1.clone());
                assert_eq!(other, None, "two events of {} have number {number}", key.0);
            }
            *stored.entry(key).or_default() += 1;
        }
        let repeated: Vec<_> = stored.iter().filter(|(_, count)| **count > 1).take(5).collect();
        assert!(repeated.is_empty(), "stored more than once: {repeated:?}");
        let lost: Vec<_> = known.acknowledged.iter().filter(|key| !stored.contains_key(*key)).collect();
        assert!(
            lost.is_empty(),
            "{} acknowledged events are lost, such as {:?}",
            lost.len(),
            &lost[..lost.len().min(5)]
        );
    }

    /// How many events were acknowledged.
    pub(crate) fn acknowledged(&self) -> usize {
        self.known().acknowledged.len()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
