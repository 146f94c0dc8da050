//! Few segments instead of many, and none that nobody needs.
//!
//! In: a tenant's segments and its live files. Out: merges, deletions, and how large the index is. Guaranteed: a segment is
//! replaced only by one that is durable and covers the same live rows; one that turns out to be damaged is given up,
//! so that the others can go on; what is deleted stands for no live file, or was replaced, for the grace.

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    catalog::{Catalog, FileRef, TenantIndex},
    merge::{self, Input},
    plan::{self, Extent},
    segment::{Cost, Segment},
};
use crate::{
    error::{ErrorKind, Result},
    paths,
};

/// What [`TenantIndex::maintain`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Merges done.
    pub merges: usize,
    /// Segments replaced.
    pub segments_in: usize,
    /// Segments that could not be read, and were given up.
    pub damaged: usize,
}

/// What a sweep of the index deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Segments deleted.
    pub segments: usize,
    /// Their size.
    pub bytes: u64,
    /// Segments that could not be deleted; the next sweep tries again.
    pub failed: usize,
}

/// How large an index is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Segments.
    pub segments: usize,
    /// Bytes of their objects.
    pub bytes: u64,
    /// Rows that they cover, dead ones included.
    pub rows: u64,
    /// For each field: bytes, postings, and different hashes in each segment.
    pub by_field: BTreeMap<String, (u64, u64, u64)>,
}

impl TenantIndex {
    /// Merges segments, few large ones out of many, until nothing is left to do. `live`: all live files.
    pub async fn maintain(
        &self,
        live: &[FileRef<'_>],
        settled: bool,
        cancel: &CancellationToken,
    ) -> Result<Report> {
        let _one_at_a_time = self.maintaining.lock().await;
        let mut report = Report::default();
        while !cancel.is_cancelled() {
            let Some(catalog) = self.catalog_of(live).await else { break };
            let wanted = catalog.wanted(live);
            let extents: Vec<Extent> = catalog
                .segments
                .iter()
                .zip(&wanted)
                .map(|(segment, wanted)| extent(segment, wanted))
                .collect();
            let groups = plan::plan(&extents, settled);
            if groups.is_empty() {
                break;
            }
            for group in groups {
                self.merge(&catalog, &wanted, &group, cancel, &mut report).await?;
                if cancel.is_cancelled() {
                    break;
                }
            }
        }
        Ok(report)
    }

    async fn merge(
        &self,
        catalog: &Catalog,
        wanted: &[Vec<bool>],
        group: &[usize],
        cancel: &CancellationToken,
        report: &mut Report,
    ) -> Result<()> {
        let inputs: Vec<Input> = group
            .iter()
            .map(|at| Input { segment: catalog.segments[*at].clone(), wanted: wanted[*at].clone() })
            .collect();
        match merge::merge(&self.shared.access, &self.tenant, &inputs, cancel).await {
            Ok(None) if cancel.is_cancelled() => {}
            Ok(merged) => {
                let gone: Vec<Uuid> = inputs.iter().map(|input| input.segment.id).collect();
                self.replace(&gone, merged).await;
                report.merges += 1;
                report.segments_in += gone.len();
            }
            Err(cause) if cause.kind() == ErrorKind::Unavailable => return Err(cause),
            Err(cause) => {
                // One of them is damaged: find out which, so that the others go on.
                let mut found = false;
                for input in &inputs {
                    if let Err(cause) = self.verify(&input.segment).await {
                        self.give_up(&input.segment, &cause).await;
                        report.damaged += 1;
                        found = true;
                    }
                }
                if !found {
                    return Err(cause);
                }
            }
        }
        Ok(())
    }

    /// Reads all of a segment.
    async fn verify(&self, segment: &Segment) -> Result<()> {
        let access = &self.shared.access;
        segment.counts(access, &Cost::default()).await?;
        for entry in &segment.footer.fields {
            let directory = segment.directory(access, &Cost::default(), entry).await?;
            segment.run(&access.store, entry, &directory, 0..entry.shape.chunks()).await?;
        }
        Ok(())
    }

    /// Forgets all segments, so that every file counts as not indexed; the sweep deletes them.
    pub async fn forget(&self) {
        let Some(catalog) = self.catalog().await else { return };
        let opened = catalog.segments.iter().map(|segment| segment.id);
        let gone: Vec<Uuid> = opened.chain(catalog.unopened.iter().map(|listed| listed.id)).collect();
        self.replace(&gone, None).await;
    }

    /// Deletes segments that stand for no live file, or were replaced, `grace_ms` ago or more.
    pub async fn sweep(&self, live: &[FileRef<'_>], grace_ms: i64) -> Result<Swept> {
        let store = &self.shared.access.store;
        let listed = store.list(&paths::index(&self.tenant)).await?;
        let Some(catalog) = self.catalog_of(live).await else { return Ok(Swept::default()) };
        let wanted = catalog.wanted(live);
        let in_use = |id: Uuid| {
            let at = catalog.segments.iter().position(|segment| segment.id == id);
            at.is_some_and(|at| wanted[at].contains(&true))
        };
        let now_ms = self.shared.clock.now_millis();
        let mut swept = Swept::default();
        for object in listed {
            let Some(id) = paths::parse_index_segment(&object.location).filter(|id| !in_use(*id)) else {
                continue;
            };
            let replaced_at = self.replaced_at().get(&id).copied();
            let dead_since = object.last_modified.timestamp_millis().max(replaced_at.unwrap_or(i64::MIN));
            if now_ms - dead_since < grace_ms {
                continue;
            }
            match store.delete(&object.location).await {
                Ok(()) => {
                    swept.segments += 1;
                    swept.bytes += object.size;
                    self.replaced_at().remove(&id);
                }
                Err(cause) => {
                    swept.failed += 1;
                    let (path, cause) = (&object.location, cause.report());
                    tracing::warn!(%path, cause, "could not delete a segment of the index; the next sweep tries again");
                }
            }
        }
        Ok(swept)
    }

    /// Number, rows and bytes of the segments there are, and bytes of each field's postings.
    pub async fn size(&self) -> Size {
        let Some(catalog) = self.catalog().await else { return Size::default() };
        let mut size = Size { segments: catalog.segments.len(), ..Size::default() };
        for segment in &catalog.segments {
            size.bytes += segment.size_bytes;
            size.rows += segment.footer.rows();
            for entry in &segment.footer.fields {
                let of_field = size.by_field.entry(entry.name.clone()).or_default();
                of_field.0 += entry.chunks.bytes + entry.directory.bytes;
                of_field.1 += entry.postings;
                of_field.2 += entry.hashes;
            }
        }
        size
    }
}

fn extent(segment: &Segment, wanted: &[bool]) -> Extent {
    let pieces = &segment.footer.pieces;
    let live = pieces.iter().zip(wanted).filter(|(_, wanted)| **wanted);
    Extent {
        rows: segment.footer.rows(),
        live_rows: live.map(|(piece, _)| u64::from(piece.rows)).sum(),
        first_file: pieces.first().map(|piece| piece.file.clone()).unwrap_or_default(),
    }
}
