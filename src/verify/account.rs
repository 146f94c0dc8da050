//! Every number accounted for: stored, expired, gone before there was a tree, or missing.
//!
//! In: the numbers that were seen, the signed notes of what retention removed, the leaves. Out: counts and findings.

use super::{Finding, Kind, Report, Trust, seen::Seen, verifiers};
use crate::{
    error::Result,
    evidence::{
        Hash, Stored,
        removal::{Ranges, joined},
    },
    table::Snapshot,
};

/// What was removed, as far as it is signed.
pub(super) async fn removed(tree: &Stored, trust: &Trust, add: &impl Fn(Finding)) -> Result<Vec<(u64, u64)>> {
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
pub(super) async fn account(
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
