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
//! | `indexed` | the skip index against a sample of rows |
//! | `seen`, `account` | which numbers there are, and what became of the others |
//! | `signed` | checkpoints, kept ones, what commits said |
//! | [`mod@file`] | an exported file against the tree |
//! | [`monitor`] | a checkpoint that was kept against the newest |

mod account;
pub mod file;
pub mod finding;
mod indexed;
pub mod monitor;
mod rows;
mod seen;
mod signed;
mod tiles;

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use serde::Serialize;

pub use self::finding::{Finding, Kind};
use self::{
    account::{account, removed},
    finding::Findings,
    rows::RowCheck,
    signed::{check_kept, check_records, checkpoint},
};
use crate::{
    error::{Error, ErrorKind, Result},
    event::TenantId,
    evidence::{Checkpoint, Evidence, Hash, Stored, Verifier},
    index::Indexes,
    table::{Table, Tables},
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
    indexes: &Indexes,
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
    let index = indexes.enabled().then(|| indexes.of(tenant));
    let rows =
        RowCheck::new(tree.clone(), index, tenant.clone(), (size, next_seq), checked, Arc::clone(&findings));
    let rows = Arc::new(rows);
    report.events = rows.run(&table, &snapshot, progress).await?;
    let seen = rows.finish();
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

/// Of the keys that are trusted, those of this log: what another log's key has signed says nothing of this one.
fn verifiers(tree: &Stored, trust: &Trust) -> Vec<Verifier> {
    let trusted = if trust.verifiers.is_empty() { tree.verifiers() } else { trust.verifiers.clone() };
    let origin = tree.origin();
    trusted.into_iter().filter(|key| origin.as_ref().is_none_or(|origin| *origin == key.name)).collect()
}

async fn table(tables: &Tables, tenant: &TenantId, add: &impl Fn(Finding)) -> Result<Option<Arc<Table>>> {
    let table = unless_broken(tables.get(tenant).await, add, Kind::Log)?.flatten();
    Ok(table.filter(|table| table.snapshot().version.is_some()))
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
