//! Verification: whether a log is whole and unchanged, and if not, what exactly is wrong with it.
//!
//! In: a store, or what a customer holds of a log (a proof, an exported file, an older checkpoint), and verifier keys. Out: a report
//! that names every event, file, tile or range that does not fit. Guaranteed: nothing is believed that no key among those given
//! has signed; memory does not grow with the log, but for one bit an event and a bounded number of findings; a writer may run
//! meanwhile.
//!
//! | part | does |
//! |---|---|
//! | [`finding`] | what can be wrong |
//! | `tiles` | the tree: each tile against the one above it, the root against the checkpoint |
//! | `rows` | each stored event against its leaf |
//! | `seen` | which numbers there are |
//! | [`file`] | an exported file against the tree |
//! | [`monitor`] | a checkpoint that was kept against the newest |

pub mod file;
pub mod finding;
pub mod monitor;
mod rows;
mod seen;
mod tiles;

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use serde::Serialize;

pub use self::finding::{Finding, Kind};
use self::{finding::Findings, rows::RowCheck, seen::Seen};
use crate::{
    error::{Error, ErrorKind, Result},
    event::TenantId,
    evidence::{
        Checkpoint, Evidence, Hash, Stored, Verifier,
        removal::{Ranges, joined},
    },
    table::{Snapshot, Table, Tables},
};

/// What to go by.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Verifier keys that the caller vouches for; empty: those that the store itself lists, which proves nothing against who
    /// holds the store.
    pub verifiers: Vec<Verifier>,
    /// Checkpoints that were kept outside, of any tenants: the log must still begin with each of its own.
    pub kept: Vec<Checkpoint>,
}

/// How far a verification is.
#[derive(Debug, Default)]
pub struct Progress {
    /// Events compared.
    pub events: AtomicU64,
    /// Events to compare, as far as is known.
    pub total: AtomicU64,
}

/// What was found of one tenant's log.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Whose.
    pub tenant: TenantId,
    /// The name on its checkpoints.
    pub origin: Option<String>,
    /// Events that its newest checkpoint covers.
    pub size: u64,
    /// The root of their tree.
    pub root: Option<Hash>,
    /// Events that are stored, and compared.
    pub events: u64,
    /// Events of expired days: only their leaf hashes are left, and their removal is signed.
    pub expired: u64,
    /// Events that had been removed before a tree was kept.
    pub absent: u64,
    /// Committed events that no checkpoint covers yet.
    pub uncovered: u64,
    /// Bytes of tiles and checkpoints.
    pub evidence_bytes: u64,
    /// Whether the keys were given from outside.
    pub independent: bool,
    /// What is wrong: empty if the log holds.
    pub findings: Vec<Finding>,
    /// Findings past those that are listed.
    pub more_findings: u64,
}

impl Report {
    /// Whether nothing was found.
    pub fn holds(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Verifies one tenant's log.
///
/// # Errors
/// If the store does not answer. What is stored and cannot be read is a finding, not an error.
pub async fn verify(
    tables: &Tables,
    evidence: &Evidence,
    tenant: &TenantId,
    trust: &Trust,
    progress: &Progress,
) -> Result<Report> {
    let tree = evidence.of(tenant);
    let mut report = Report::of(tenant, &tree, trust);
    let findings = Arc::new(Mutex::new(Findings::default()));
    let add = |finding: Finding| lock(&findings).push(finding);
    // First the checkpoint, then the table: a commit in between only adds events that it does not cover.
    let checkpoint = checkpoint(&tree, trust, &add).await?;
    let Some(table) = table(tables, tenant, &add).await? else {
        if let Some(checkpoint) = &checkpoint
            && checkpoint.size > 0
        {
            add(Finding::log(format!(
                "the checkpoint covers {} events, and there is no table",
                checkpoint.size
            )));
        }
        return Ok(report.with(&findings));
    };
    let snapshot = table.snapshot();
    let next_seq = snapshot.next_seq.max(0) as u64;
    let size = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size);
    (report.size, report.root) = (size, checkpoint.as_ref().map(|checkpoint| checkpoint.root));
    report.uncovered = next_seq.saturating_sub(size);
    if size > next_seq {
        add(Finding::log(format!(
            "the checkpoint covers {size} events, and the table's log says that there are {next_seq}"
        )));
    }
    let checked = match &checkpoint {
        Some(checkpoint) => {
            let checked = tiles::check(&tree, checkpoint, &add).await?;
            // Roots of older trees, made from tiles that are damaged, would only say that again.
            let is_sound = !lock(&findings).has(Kind::Tile);
            check_kept(&tree, checkpoint, trust, is_sound, &add).await?;
            if is_sound {
                check_records(&tree, &table, checkpoint, &add).await?;
            }
            checked
        }
        None => tiles::Checked::default(),
    };
    let rows = RowCheck::new(tree.clone(), tenant.clone(), size, next_seq, checked, Arc::clone(&findings));
    report.events = rows.run(&table, &snapshot, progress).await?;
    let seen = rows.finish().await?;
    let removed = removed(&tree, trust, &add).await?;
    account(&mut report, &tree, &snapshot, &seen, &removed, &add).await?;
    report.evidence_bytes = tree.stored_bytes().await?;
    Ok(report.with(&findings))
}

fn lock(findings: &Mutex<Findings>) -> std::sync::MutexGuard<'_, Findings> {
    findings.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Report {
    fn of(tenant: &TenantId, tree: &Stored, trust: &Trust) -> Self {
        Self {
            tenant: tenant.clone(),
            origin: tree.origin(),
            size: 0,
            root: None,
            events: 0,
            expired: 0,
            absent: 0,
            uncovered: 0,
            evidence_bytes: 0,
            independent: !trust.verifiers.is_empty(),
            findings: Vec::new(),
            more_findings: 0,
        }
    }

    fn with(mut self, findings: &Mutex<Findings>) -> Self {
        (self.findings, self.more_findings) = lock(findings).take();
        self
    }
}

/// What the store cannot give is passed on; what it gives wrongly is a finding.
fn unless_broken<T>(result: Result<T>, add: &impl Fn(Finding), kind: Kind) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            add(Finding::new(kind, error.report()));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The newest checkpoint that is to be believed.
async fn checkpoint(tree: &Stored, trust: &Trust, add: &impl Fn(Finding)) -> Result<Option<Checkpoint>> {
    let verifiers = verifiers(tree, trust);
    let mut newest = None;
    for (key, note) in tree.all_checkpoints().await? {
        match Checkpoint::open(&note, &verifiers) {
            Ok(checkpoint) if Some(checkpoint.size) != key.size => {
                add(Finding::new(
                    Kind::Checkpoint,
                    format!("{} is of {} events", key.object, checkpoint.size),
                ));
            }
            Ok(checkpoint) => newest = Some(checkpoint),
            Err(error) => add(Finding::new(Kind::Checkpoint, format!("{}: {error}", key.object))),
        }
    }
    // The copy may lag behind, but what it says must be signed.
    if let Some(copy) = tree.copied_checkpoint().await?
        && let Err(error) = Checkpoint::open(&copy, &verifiers)
    {
        add(Finding::new(Kind::Checkpoint, format!("the copy named 'checkpoint': {error}")));
    }
    if newest.is_none() {
        add(Finding::new(Kind::Checkpoint, "there is no checkpoint that can be believed".to_owned()));
    }
    Ok(newest)
}

fn verifiers(tree: &Stored, trust: &Trust) -> Vec<Verifier> {
    if trust.verifiers.is_empty() { tree.verifiers() } else { trust.verifiers.clone() }
}

async fn table(tables: &Tables, tenant: &TenantId, add: &impl Fn(Finding)) -> Result<Option<Arc<Table>>> {
    let table = unless_broken(tables.get(tenant).await, add, Kind::Log)?.flatten();
    Ok(table.filter(|table| table.snapshot().version.is_some()))
}

/// The log must begin with what was kept.
async fn check_kept(
    tree: &Stored,
    newest: &Checkpoint,
    trust: &Trust,
    is_sound: bool,
    add: &impl Fn(Finding),
) -> Result<()> {
    for kept in trust.kept.iter().filter(|kept| kept.origin == newest.origin) {
        if kept.size > newest.size {
            add(Finding::new(
                Kind::Rewritten,
                format!(
                    "a checkpoint of {} events was kept, and the newest is of {}: the tail is gone",
                    kept.size, newest.size
                ),
            ));
            continue;
        }
        if !is_sound {
            continue;
        }
        let root = unless_broken(tree.reader(newest.size).root_at(kept.size).await, add, Kind::Tile)?;
        if let Some(root) = root.filter(|root| *root != kept.root) {
            add(Finding::new(
                Kind::Rewritten,
                format!(
                    "the first {} events hash to {root}; the checkpoint that was kept says {}",
                    kept.size, kept.root
                ),
            ));
        }
    }
    Ok(())
}

/// What commits said of the tree at their time.
async fn check_records(
    tree: &Stored,
    table: &Table,
    checkpoint: &Checkpoint,
    add: &impl Fn(Finding),
) -> Result<()> {
    let mut reader = tree.reader(checkpoint.size);
    let records = table.recorded_trees().await?;
    for (version, record) in records.into_iter().filter(|(_, record)| record.size <= checkpoint.size) {
        let Some(root) = unless_broken(reader.root_at(record.size).await, add, Kind::Tile)? else { continue };
        if root.to_base64() != record.root_hash {
            let (size, said) = (record.size, &record.root_hash);
            add(Finding::log(format!(
                "version {version} says that {size} events hash to {said}; they hash to {root}"
            )));
        }
    }
    Ok(())
}

/// What was removed, as far as it is signed.
async fn removed(tree: &Stored, trust: &Trust, add: &impl Fn(Finding)) -> Result<Vec<(u64, u64)>> {
    let mut events = Ranges::new();
    for (object, removal) in tree.removals(&verifiers(tree, trust)).await? {
        match removal {
            Ok(removal) => events.extend(removal.events),
            Err(error) => add(Finding::new(Kind::Removal, format!("{object}: {error}"))),
        }
    }
    Ok(joined(events))
}

/// Accounts for every number that no row bears.
async fn account(
    report: &mut Report,
    tree: &Stored,
    snapshot: &Snapshot,
    seen: &Seen,
    removed: &[(u64, u64)],
    add: &impl Fn(Finding),
) -> Result<()> {
    let end = report.size.max(snapshot.next_seq.max(0) as u64);
    let mut reader = tree.reader(report.size);
    let mut missing = Ranges::new();
    for (first, last) in seen.gaps(end) {
        for number in first..=last {
            let before = removed.partition_point(|(start, _)| *start <= number);
            if before > 0 && removed[before - 1].1 >= number {
                report.expired += 1;
                continue;
            }
            if number < report.size && reader.leaf(number).await.ok() == Some(Hash::absent()) {
                report.absent += 1;
                continue;
            }
            match missing.last_mut() {
                Some((_, last)) if *last + 1 == number => *last = number,
                _ => missing.push((number, number)),
            }
        }
    }
    for (first, last) in missing {
        add(Finding::range(
            Kind::Missing,
            first,
            last,
            "no file holds them, and no signed removal lists them",
        ));
    }
    Ok(())
}

impl Progress {
    fn add(&self, events: u64) {
        self.events.fetch_add(events, Ordering::Relaxed);
    }
}

/// All tenants that have a table or a tree, sorted.
///
/// # Errors
/// As the store.
pub async fn tenants(tables: &Tables, evidence: &Evidence) -> Result<Vec<TenantId>> {
    let mut tenants = tables.tenants();
    tenants.extend(evidence.tenants().await?);
    tenants.sort();
    tenants.dedup();
    Ok(tenants)
}

/// Refuses keys of another log than the one that is to be verified.
///
/// # Errors
/// [`ErrorKind::Invalid`] naming both.
pub fn check_names(verifiers: &[Verifier], origin: Option<&str>) -> Result<()> {
    let Some(origin) = origin else { return Ok(()) };
    if verifiers.is_empty() || verifiers.iter().any(|verifier| verifier.name == origin) {
        return Ok(());
    }
    let names: Vec<&str> = verifiers.iter().map(|verifier| verifier.name.as_str()).collect();
    Err(Error::new(
        ErrorKind::Invalid,
        format!("the verifier keys are of {names:?}, and this log's checkpoints bear {origin:?}"),
    ))
}
