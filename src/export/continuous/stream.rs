//! One tenant's log on its way to the destination of one continuous export.
//!
//! In: the log as it is. Out: deliveries, one after another. Guaranteed: each event that was committed since the export began, and each of
//! the days asked for before, is delivered once in effect: a delivery is begun, written, committed and done, in this order, and one
//! that broke off anywhere is made again to the same files.

use std::{
    collections::HashSet,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::NaiveDate;
use object_store::path::Path;
use tokio_util::sync::CancellationToken;

use super::{
    definition::{Definition, Layout},
    deliver::{Delivered, Delivery},
    delta,
    ledger::{Begun, Ledger, Totals},
    listed::{self, ListedFile},
    window::{self, Extent, Rules, Stand},
};
use crate::{
    control::Replay,
    error::Result,
    event::TenantId,
    export::{
        destination::{Destination, Open},
        job::File,
        run::{Broken, Means},
    },
    paths,
    store::Store,
    table::{DataFile, Snapshot},
};

/// One stream. Whoever delivers holds its ledger.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) tenant: TenantId,
    ledger: tokio::sync::Mutex<Option<Ledger>>,
    health: Mutex<Health>,
}

/// How a stream is, for whoever asks.
#[derive(Clone, Debug, Default)]
pub(super) struct Health {
    /// The number after the last event that is delivered; `None`: its ledger was not read yet.
    pub(super) position: Option<i64>,
    pub(super) totals: Totals,
    /// Of this delivery and those before it is noted which files there are; `None` as for `position`.
    pub(super) noted: Option<u64>,
    /// When it last had its turn.
    pub(super) turn_ms: i64,
    /// When the last delivery was done.
    pub(super) delivered_ms: Option<i64>,
    /// Until when everything that was committed is delivered.
    pub(super) caught_up_ms: Option<i64>,
    pub(super) replaying: bool,
    /// What failed last, if nothing was delivered since.
    pub(super) error: Option<String>,
    pub(super) failures: u32,
    pub(super) retry_ms: Option<i64>,
}

/// What a stream is delivered by.
#[derive(Clone, Copy)]
pub(super) struct With<'a> {
    pub(super) means: &'a Means,
    pub(super) store: &'a Store,
    pub(super) id: &'a str,
    pub(super) definition: &'a Definition,
    pub(super) one_of_all: bool,
    pub(super) created_ms: i64,
    pub(super) replay: Option<Replay>,
    pub(super) destination: &'a Open,
    pub(super) stop: &'a CancellationToken,
}

impl Stream {
    pub(super) fn new(tenant: TenantId) -> Self {
        Self { tenant, ledger: tokio::sync::Mutex::default(), health: Mutex::default() }
    }

    pub(super) fn health(&self) -> MutexGuard<'_, Health> {
        // Members are set one by one: it is whole even after a panic.
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether someone delivers now.
    pub(super) fn is_busy(&self) -> bool {
        self.ledger.try_lock().is_err()
    }

    /// Whether there is something to deliver now.
    pub(super) async fn is_due(&self, with: With<'_>, folder: &Path) -> Result<bool> {
        let Ok(mut held) = self.ledger.try_lock() else { return Ok(false) };
        let ledger = self.opened(&mut held, with, folder).await?;
        let snapshot = self.snapshot(with).await?;
        let committed = snapshot.as_ref().map_or(0, |snapshot| snapshot.next_seq);
        let now_ms = with.means.clock.now_millis();
        if ledger.position() >= committed {
            self.health().caught_up_ms = Some(now_ms);
        }
        let replays = with.replay.is_some_and(|replay| ledger.replayed < replay.number);
        let next = snapshot.and_then(|snapshot| self.next(ledger, with, &snapshot));
        Ok(replays || ledger.under_way().is_some() || next.is_some())
    }

    /// The number of the last delivery of which it is noted which files there are, or may be.
    pub(super) async fn noted(&self, with: With<'_>, folder: &Path) -> Result<u64> {
        let noted = self.health().noted;
        if let Some(noted) = noted {
            return Ok(noted);
        }
        self.opened(&mut *self.ledger.lock().await, with, folder).await?;
        Ok(self.health().noted.unwrap_or(0))
    }

    /// Delivers what is due, if anything is and nobody does: one window, or one that is to be delivered again.
    pub(super) async fn deliver(&self, with: With<'_>, folder: &Path) -> Result<bool, Broken> {
        // Whoever holds it delivers; a second one would only keep a place.
        let Ok(mut held) = self.ledger.try_lock() else { return Ok(false) };
        self.health().turn_ms = with.means.clock.now_millis();
        let ledger = self.opened(&mut held, with, folder).await?;
        if let Some(replay) = with.replay.filter(|replay| ledger.replayed < replay.number) {
            self.replay(ledger, with, replay).await?;
            return Ok(true);
        }
        let Some(snapshot) = self.snapshot(with).await? else { return Ok(false) };
        let begun = match ledger.under_way() {
            Some(begun) => begun,
            None => match self.next(ledger, with, &snapshot) {
                Some(window) => ledger.begin(window, with.means.clock.now_millis()).await?,
                None => return Ok(false),
            },
        };
        let delivered = self.write(ledger, with, begun, &snapshot, false).await?;
        let now_ms = with.means.clock.now_millis();
        ledger.done(begun, delivered, now_ms).await?;
        let mut health = self.health();
        health.position = Some(ledger.position());
        health.totals = ledger.totals();
        health.delivered_ms = Some(now_ms);
        (health.error, health.retry_ms, health.failures) = (None, None, 0);
        if begun.to >= snapshot.next_seq {
            health.caught_up_ms = Some(begun.at_ms);
        }
        Ok(true)
    }

    async fn opened<'a>(
        &self,
        held: &'a mut Option<Ledger>,
        with: With<'_>,
        folder: &Path,
    ) -> Result<&'a mut Ledger> {
        let ledger = match held.take() {
            Some(ledger) => ledger,
            None => {
                let ledger = Ledger::open(with.store, folder.clone()).await?;
                let mut health = self.health();
                health.position = Some(ledger.position());
                health.totals = ledger.totals();
                // Of one that is under way the files may be complete.
                let last = ledger.under_way().map(|begun| begun.number);
                health.noted = last.or(ledger.last().map(|done| done.number)).or(Some(0));
                health.delivered_ms = ledger.last().map(|done| done.at_ms);
                ledger
            }
        };
        Ok(held.insert(ledger))
    }

    async fn snapshot(&self, with: With<'_>) -> Result<Option<Arc<Snapshot>>> {
        Ok(with.means.tables.get(&self.tenant).await?.map(|table| table.snapshot()))
    }

    /// The window to deliver now.
    fn next(&self, ledger: &Ledger, with: With<'_>, snapshot: &Snapshot) -> Option<Range<i64>> {
        let position = ledger.position();
        let stand = Stand {
            origin: ledger.origin,
            position,
            committed: snapshot.next_seq,
            last_ms: ledger.last_begun_ms().unwrap_or(with.created_ms),
        };
        let millis = with.definition.interval_seconds.saturating_mul(1_000);
        let rules = Rules {
            interval_ms: i64::try_from(millis).unwrap_or(i64::MAX),
            rows: i64::try_from(with.definition.rows).unwrap_or(i64::MAX),
            bytes: with.definition.bytes,
        };
        let extents = match rules.bytes {
            Some(_) => extents(snapshot, position, self.first_day(ledger, with, position)),
            None => Vec::new(),
        };
        window::next(stand, rules, &extents, with.means.clock.now_millis())
    }

    /// The first day that is delivered of a window that begins there.
    fn first_day(&self, ledger: &Ledger, with: With<'_>, from: i64) -> NaiveDate {
        let kept = with.means.control.first_day(&self.tenant).unwrap_or(NaiveDate::MIN);
        let wanted = match from < ledger.origin.before {
            true => with.definition.from.unwrap_or(NaiveDate::MIN),
            false => NaiveDate::MIN,
        };
        wanted.max(kept)
    }

    /// Makes the next delivery again, from there on: one at a time, so that others have their turns.
    async fn replay(&self, ledger: &mut Ledger, with: With<'_>, replay: Replay) -> Result<(), Broken> {
        self.health().replaying = true;
        let mut left = match ledger.replaying.take() {
            Some((number, left)) if number == replay.number => left,
            _ => ledger.left(replay).await?,
        };
        if let Some(begun) = left.front().copied() {
            if let Some(snapshot) = self.snapshot(with).await? {
                let written = self.write(ledger, with, begun, &snapshot, true).await;
                if let Err(broken) = written {
                    ledger.replaying = Some((replay.number, left));
                    return Err(broken);
                }
            }
            left.pop_front();
            ledger.made_again(replay.number, begun).await?;
        }
        let is_done = left.is_empty();
        ledger.replaying = Some((replay.number, left));
        if is_done {
            ledger.replay_done(replay.number, with.means.clock.now_millis()).await?;
        }
        let mut health = self.health();
        health.replaying = !is_done;
        (health.error, health.retry_ms, health.failures) = (None, None, 0);
        Ok(())
    }

    /// Returns once nobody delivers.
    pub(super) async fn rested(&self) {
        drop(self.ledger.lock().await);
    }

    /// Writes the files of a window, and makes them seen.
    async fn write(
        &self,
        ledger: &Ledger,
        with: With<'_>,
        window: Begun,
        snapshot: &Snapshot,
        again: bool,
    ) -> Result<Totals, Broken> {
        let root = with.definition.root(&self.tenant, with.one_of_all);
        let destination = with.destination.within(&root);
        let target = match with.definition.layout {
            Layout::Delta => Some(delta::Target::open(&destination, with.id, self.tenant.as_str()).await?),
            Layout::Files | Layout::SecurityLake(_) => None,
        };
        let (mut there, mut has) = (HashSet::new(), false);
        if let Some(target) = &target {
            has = target.has(window).await?;
            match (has, again) {
                (true, false) => return Ok(with.definition.of_window(with.id, target.files()?, window)),
                (_, true) => there = target.files()?.into_keys().collect(),
                // Of a delivery that it does not have it lists nothing.
                (false, false) => {}
            }
        }
        let delivery = Delivery {
            means: with.means,
            id: with.id,
            definition: with.definition,
            tenant: &self.tenant,
            destination: &destination,
            window,
            there: &there,
            first_day: self.first_day(ledger, with, window.from),
            stop: with.stop,
        };
        let delivered = delivery.files(snapshot).await?;
        if with.definition.destination == Destination::Managed {
            self.note(with, window, &delivered, again).await?;
        }
        if let Some(target) = target {
            target.commit(window, &delivered, has).await?;
        }
        Ok(totals(&delivered))
    }

    /// Notes which files of a window are there, for whoever fetches them.
    async fn note(&self, with: With<'_>, window: Begun, delivered: &[Delivered], again: bool) -> Result<()> {
        let root = with.definition.root(&self.tenant, with.one_of_all);
        let at_ms = with.means.clock.now_millis();
        let below = |name: &str| root.parts().chain(Path::from(name).parts()).collect::<Path>().to_string();
        let written = delivered.iter().map(|Delivered { file, .. }| {
            let file = File { name: below(&file.name), ..file.clone() };
            ListedFile { file, at_ms }
        });
        let path = paths::delivered_list(with.id, &self.tenant, window.number);
        listed::note(with.store, &path, written.collect(), again).await?;
        let mut health = self.health();
        health.noted = health.noted.max(Some(window.number));
        Ok(())
    }

    /// Notes that it failed, and when it is tried again.
    pub(super) fn failed(&self, report: String, retry_ms: i64) {
        let mut health = self.health();
        health.failures += 1;
        health.error = Some(report);
        health.retry_ms = Some(retry_ms);
    }
}

/// What is committed from a number on, of days from this one on, and how large it is.
fn extents(snapshot: &Snapshot, from: i64, first_day: NaiveDate) -> Vec<Extent> {
    let wanted = from..snapshot.next_seq;
    let files = snapshot.files.iter().filter(|file| first_day <= file.day && file.may_have(&wanted));
    let extent = |file: &Arc<DataFile>| {
        // A file that does not say is taken to have them all.
        let (first, last) = file.seqs();
        let seqs = first.unwrap_or(0)..last.map_or(wanted.end, |last| last.saturating_add(1));
        Extent { seqs, bytes: file.size_bytes }
    };
    files.map(extent).collect()
}

fn totals(delivered: &[Delivered]) -> Totals {
    let mut totals = Totals { files: delivered.len() as u64, ..Totals::default() };
    for Delivered { file, .. } in delivered {
        totals.rows += file.rows;
        totals.bytes += file.bytes;
    }
    totals
}
