//! What is signed: the checkpoints, and the log against those that were kept and against what commits said.
//!
//! In: the store's checkpoints, kept ones, the Delta log. Out: the newest checkpoint that is to be believed, and findings.

use super::{Finding, Kind, Trust, unless_broken, verifiers};
use crate::{
    error::Result,
    evidence::{Checkpoint, Stored},
    table::Table,
};

/// The newest checkpoint that is to be believed.
pub(super) async fn checkpoint(
    tree: &Stored,
    trust: &Trust,
    add: &impl Fn(Finding),
) -> Result<Option<Checkpoint>> {
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

/// The log must begin with what was kept.
pub(super) async fn check_kept(
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
pub(super) async fn check_records(
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
