//! What was delivered of one tenant's log, as documents in the store.
//!
//! In: windows, as they are begun and done. Out: how far the stream is. Guaranteed: a delivery is begun, by a document that fixes its
//! window and is created once, before anything is written, and done when everything is there: whoever goes on after a crash writes the
//! same files again. Windows stay known for ever, so that they can be delivered again: old ones are put together in pages.

use std::collections::{BTreeMap, VecDeque};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::window::Origin;
use crate::{
    control::{Replay, ReplayFrom},
    error::{Error, ErrorKind, Result},
    paths,
    store::{Store, documents},
};

/// Deliveries in a page.
const PAGE: u64 = 256;
/// Documents that are read or removed at the same time.
const AT_ONCE: usize = 16;

/// A delivery that was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Begun {
    /// They count from 1.
    pub(super) number: u64,
    /// The first `seq` of it.
    pub(super) from: i64,
    /// The `seq` after its last.
    pub(super) to: i64,
    /// When, in milliseconds since 1970.
    pub(super) at_ms: i64,
}

/// One that is done, and what all up to it add up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Done {
    pub(super) number: u64,
    pub(super) at_ms: i64,
    pub(super) totals: Totals,
}

/// What was delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Totals {
    /// Events that passed the filter.
    pub rows: u64,
    /// Bytes of files.
    pub bytes: u64,
    /// Files.
    pub files: u64,
}

/// The documents of one stream.
#[derive(Debug)]
pub(super) struct Ledger {
    store: Store,
    folder: Path,
    pub(super) origin: Origin,
    /// What is begun and in no page, by number.
    begun: BTreeMap<u64, Begun>,
    /// The last that is done.
    done: Option<Done>,
    /// The number of the last replay that is done.
    pub(super) replayed: u64,
    /// The number of the one that is under way, and what is left of it.
    pub(super) replaying: Option<(u64, VecDeque<Begun>)>,
}

impl Ledger {
    /// Where a stream begins; the one that is stored holds.
    pub(super) async fn create(store: &Store, folder: &Path, origin: Origin) -> Result<Origin> {
        documents::create(store, &paths::delivery_origin(folder), &origin).await
    }

    /// Reads how far a stream is; one that was never begun begins at the first event.
    pub(super) async fn open(store: &Store, folder: Path) -> Result<Self> {
        let origin = Self::create(store, &folder, Origin::default()).await?;
        let objects = store.list(&folder).await?;
        let numbers = |kind: &'static str| -> Vec<u64> {
            objects.iter().filter_map(|object| paths::parse_delivery(&object.location, kind)).collect()
        };
        let begun_at: Vec<Path> = numbers(paths::BEGUN)
            .iter()
            .map(|number| paths::delivery(&folder, paths::BEGUN, *number))
            .collect();
        let begun = stream::iter(begun_at)
            .map(|path| async move { documents::get::<Begun>(store, &path).await })
            .buffered(AT_ONCE)
            .try_filter_map(|begun| async move { Ok(begun.map(|begun| (begun.number, begun))) })
            .try_collect()
            .await?;
        let done = match numbers(paths::DONE).into_iter().max() {
            Some(number) => documents::get(store, &paths::delivery(&folder, paths::DONE, number)).await?,
            None => None,
        };
        let replayed = numbers(paths::REPLAYED).into_iter().max().unwrap_or(0);
        Ok(Self { store: store.clone(), folder, origin, begun, done, replayed, replaying: None })
    }

    /// The number after the last event that is delivered.
    pub(super) fn position(&self) -> i64 {
        let last = self.done.as_ref().and_then(|done| self.begun.get(&done.number));
        last.map_or(self.origin.first, |last| last.to)
    }

    /// The last delivery that is done.
    pub(super) fn last(&self) -> Option<&Done> {
        self.done.as_ref()
    }

    /// When the last delivery was begun.
    pub(super) fn last_begun_ms(&self) -> Option<i64> {
        self.begun.values().next_back().map(|begun| begun.at_ms)
    }

    pub(super) fn totals(&self) -> Totals {
        self.done.map(|done| done.totals).unwrap_or_default()
    }

    fn next_number(&self) -> u64 {
        self.done.map_or(1, |done| done.number + 1)
    }

    /// The delivery that was begun and is not done.
    pub(super) fn under_way(&self) -> Option<Begun> {
        self.begun.get(&self.next_number()).copied()
    }

    /// Begins the delivery of a window.
    pub(super) async fn begin(&mut self, window: std::ops::Range<i64>, at_ms: i64) -> Result<Begun> {
        let begun = Begun { number: self.next_number(), from: window.start, to: window.end, at_ms };
        let path = paths::delivery(&self.folder, paths::BEGUN, begun.number);
        let stored = documents::create(&self.store, &path, &begun).await?;
        self.begun.insert(stored.number, stored);
        Ok(stored)
    }

    /// Notes that the delivery that is under way is done.
    pub(super) async fn done(&mut self, begun: Begun, delivered: Totals, at_ms: i64) -> Result<()> {
        let before = self.totals();
        let totals = Totals {
            rows: before.rows + delivered.rows,
            bytes: before.bytes + delivered.bytes,
            files: before.files + delivered.files,
        };
        let done = Done { number: begun.number, at_ms, totals };
        let path = paths::delivery(&self.folder, paths::DONE, begun.number);
        self.done = Some(documents::create(&self.store, &path, &done).await?);
        self.fold().await
    }

    /// What is left of a replay, in order.
    pub(super) async fn left(&self, replay: Replay) -> Result<VecDeque<Begun>> {
        let path = paths::delivery(&self.folder, paths::REPLAYING, replay.number);
        let through: u64 = documents::get(&self.store, &path).await?.unwrap_or(0);
        let windows = self.windows(replay.from).await?;
        Ok(windows.into_iter().filter(|begun| through < begun.number).collect())
    }

    /// Notes that a replay has made a delivery again, so that a start goes on after it.
    pub(super) async fn made_again(&self, number: u64, begun: Begun) -> Result<()> {
        let path = paths::delivery(&self.folder, paths::REPLAYING, number);
        self.store.put(&path, begun.number.to_string().into()).await
    }

    /// Notes that a replay is done.
    pub(super) async fn replay_done(&mut self, number: u64, at_ms: i64) -> Result<()> {
        documents::create(&self.store, &paths::delivery(&self.folder, paths::REPLAYED, number), &at_ms)
            .await?;
        self.replayed = number;
        Ok(())
    }

    /// All that is done from there on, in order.
    pub(super) async fn windows(&self, from: ReplayFrom) -> Result<Vec<Begun>> {
        let through = self.done.map_or(0, |done| done.number);
        let wanted = |begun: &Begun| match from {
            _ if begun.number > through => false,
            ReplayFrom::Seq(seq) => seq < begun.to,
            ReplayFrom::SinceMs(ms) => ms <= begun.at_ms,
        };
        let pages = self.store.list(&paths::delivery_pages(&self.folder)).await?;
        let mut windows: BTreeMap<u64, Begun> = BTreeMap::new();
        for page in pages {
            let begun: Option<Vec<Begun>> = documents::get(&self.store, &page.location).await?;
            windows.extend(begun.into_iter().flatten().filter(wanted).map(|begun| (begun.number, begun)));
        }
        windows.extend(self.begun.values().copied().filter(wanted).map(|begun| (begun.number, begun)));
        Ok(windows.into_values().collect())
    }

    /// Puts the oldest windows together in a page once there are many, and removes their documents.
    async fn fold(&mut self) -> Result<()> {
        let through = self.done.map_or(0, |done| done.number);
        let count = self.begun.range(..=through).count() as u64;
        if count < 2 * PAGE {
            return Ok(());
        }
        let oldest: Vec<Begun> = self.begun.values().take(PAGE as usize).copied().collect();
        let (Some(first), Some(last)) = (oldest.first(), oldest.last()) else { return Ok(()) };
        // A page that broke off before its documents were removed is there already, and may be shorter: then the rest stays.
        let page = paths::delivery_page(&self.folder, first.number);
        let stored: Vec<Begun> = documents::create(&self.store, &page, &oldest).await?;
        let folded = stored.last().map_or(last.number, |last| last.number);
        if stored.first() != oldest.first() {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("{page} has other deliveries than it should"),
            ));
        }
        let numbers: Vec<u64> = self.begun.range(..=folded).map(|(number, _)| *number).collect();
        stream::iter(numbers)
            .map(|number| self.forget(number))
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        self.begun.retain(|number, _| *number > folded);
        Ok(())
    }

    async fn forget(&self, number: u64) -> Result<()> {
        self.store.delete(&paths::delivery(&self.folder, paths::DONE, number)).await?;
        self.store.delete(&paths::delivery(&self.folder, paths::BEGUN, number)).await
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    async fn deliver(ledger: &mut Ledger, count: u64) {
        for _ in 0..count {
            let at = ledger.position();
            let begun = ledger.begin(at..at + 10, at).await.unwrap();
            assert_eq!(ledger.under_way(), Some(begun));
            ledger.done(begun, Totals { rows: 3, bytes: 5, files: 1 }, at).await.unwrap();
        }
    }

    /// Would catch a window that is forgotten, numbers that begin anew, totals that are lost, and documents that pile up.
    #[tokio::test]
    async fn old_windows_are_put_together_and_stay_known() {
        let store = Store::from_object_store(std::sync::Arc::new(InMemory::new()));
        let folder = Path::from("deliveries/sub_1/tenant=acme");
        Ledger::create(&store, &folder, Origin { first: 7, before: 7 }).await.unwrap();
        let deliveries = 5 * PAGE + 10;
        for _ in 0..5 {
            let mut ledger = Ledger::open(&store, folder.clone()).await.unwrap();
            deliver(&mut ledger, deliveries / 5).await;
        }
        let ledger = Ledger::open(&store, folder.clone()).await.unwrap();
        assert_eq!(ledger.position(), 7 + 10 * deliveries as i64);
        assert_eq!(
            ledger.totals(),
            Totals { rows: 3 * deliveries, bytes: 5 * deliveries, files: deliveries }
        );
        let windows = ledger.windows(ReplayFrom::Seq(0)).await.unwrap();
        assert_eq!(windows.len() as u64, deliveries);
        assert!(
            windows.windows(2).all(|pair| pair[0].to == pair[1].from && pair[0].number + 1 == pair[1].number)
        );
        let since = windows[300];
        assert_eq!(ledger.windows(ReplayFrom::SinceMs(since.at_ms)).await.unwrap()[0], since);
        assert_eq!(ledger.windows(ReplayFrom::Seq(since.to - 1)).await.unwrap()[0], since);
        assert!((store.list(&folder).await.unwrap().len() as u64) < 4 * PAGE + 10);
    }

    /// Would catch a delivery that gets another window when it is begun again.
    #[tokio::test]
    async fn what_was_begun_keeps_its_window() {
        let store = Store::from_object_store(std::sync::Arc::new(InMemory::new()));
        let folder = Path::from("deliveries/sub_1/tenant=acme");
        let begun = Ledger::open(&store, folder.clone()).await.unwrap().begin(0..10, 1).await.unwrap();
        let mut again = Ledger::open(&store, folder).await.unwrap();
        assert_eq!(again.under_way(), Some(begun));
        assert_eq!(again.begin(0..99, 2).await.unwrap(), begun);
    }
}
