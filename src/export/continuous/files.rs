//! The files of a continuous export that stay in the store, for whoever fetches them.
//!
//! In: which export, and from where on. Out: pages of its files, the first delivery first; one file by its name. Guaranteed: what is
//! delivered during a walk comes after what was there, so that a walk leaves nothing out; a name leads to no place outside the
//! export's folder.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream as streams};
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{
    Continuous,
    definition::Layout,
    found,
    listed::{Listed, ListedFile},
    live::Live,
    stream::Stream,
};
use crate::{
    error::{Error, ErrorKind, Result},
    event::TenantId,
    export::{
        destination::Destination,
        kept::{self, KeptFile},
        manifest,
    },
    limits::{CONTINUOUS_FILES_LOOKED_AT_MAX, CONTINUOUS_FILES_READ_AT_ONCE},
    paths,
    store::documents,
};

/// The folder of a Delta table's log.
const DELTA_LOG: &str = "_delta_log";

/// A file that was delivered.
#[derive(Clone, Debug, Serialize)]
pub struct DeliveredFile {
    /// Name, rows, bytes, SHA-256 and range, as in a manifest.
    #[serde(flatten)]
    pub file: Value,
    /// Whose log it is of.
    pub tenant_id: TenantId,
    /// The number of the delivery, of those of this tenant's log.
    pub delivery: u64,
    /// When it was written.
    pub delivered_at: String,
}

/// Where a walk through the files of an export stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilesAt {
    /// At whose files; `None`: the first tenant's.
    #[serde(rename = "t")]
    tenant: Option<TenantId>,
    /// At which delivery of that one.
    #[serde(rename = "d")]
    delivery: u64,
    /// After which file of it; `None`: before the first.
    #[serde(rename = "f")]
    name: Option<String>,
    /// Of every tenant only deliveries after this one.
    #[serde(rename = "a")]
    after: u64,
}

impl FilesAt {
    /// Before all files of deliveries after this one; they count from 1.
    pub fn after_delivery(after: u64) -> Self {
        Self { tenant: None, delivery: 0, name: None, after }
    }

    /// The first delivery of a tenant's to look at.
    fn first(&self, tenant: &TenantId) -> u64 {
        let first = self.after.saturating_add(1);
        if self.tenant.as_ref() == Some(tenant) { first.max(self.delivery) } else { first }
    }

    /// Whether a file of a tenant's delivery was given already.
    fn is_past(&self, tenant: &TenantId, delivery: u64, name: &str) -> bool {
        self.tenant.as_ref() == Some(tenant)
            && self.delivery == delivery
            && self.name.as_deref().is_some_and(|given| name <= given)
    }
}

/// Some files, and where to go on if there may be more.
#[derive(Clone, Debug)]
pub struct FilesPage {
    /// They.
    pub files: Vec<DeliveredFile>,
    /// Where to go on; there may be more even if these are few.
    pub end: Option<FilesAt>,
}

impl Continuous {
    /// The files that are kept here of an export of `tenant`, or of any, at most `count` from `at` on; only those of `of`, if it is given.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], also for another tenant's; [`ErrorKind::Conflict`] if they are not kept here; as the store.
    pub async fn files(
        &self,
        tenant: Option<&TenantId>,
        id: &str,
        of: Option<&TenantId>,
        at: FilesAt,
        count: usize,
    ) -> Result<FilesPage> {
        let live = self.managed(tenant, id)?;
        let mut walked = live.streams(&self.shared);
        walked.sort_by(|left, right| left.tenant.cmp(&right.tenant));
        walked.retain(|stream| of.is_none_or(|of| stream.tenant == *of));
        walked.retain(|stream| at.tenant.as_ref().is_none_or(|at| *at <= stream.tenant));
        let mut walk = Walk { files: Vec::new(), count, left: CONTINUOUS_FILES_LOOKED_AT_MAX, at };
        for stream in walked {
            if let Some(end) = self.walk(&live, &stream, &mut walk).await? {
                return Ok(FilesPage { files: walk.files, end: Some(end) });
            }
        }
        Ok(FilesPage { files: walk.files, end: None })
    }

    /// Adds a tenant's files to a page; tells where it ends, if it does.
    async fn walk(&self, live: &Live, stream: &Stream, walk: &mut Walk) -> Result<Option<FilesAt>> {
        let (shared, tenant) = (&self.shared, &stream.tenant);
        // Nothing is sent: the destination is of no account.
        let (kept, stop) = (shared.kept_here(live), CancellationToken::new());
        let noted = stream.noted(shared.with(live, &kept, &stop), &live.folder(tenant)).await?;
        let mut documents = streams::iter(walk.at.first(tenant)..=noted)
            .map(|number| async move {
                let path = paths::delivered_list(&live.id, tenant, number);
                Ok::<_, Error>((number, documents::get::<Listed>(&shared.store, &path).await?))
            })
            .buffered(CONTINUOUS_FILES_READ_AT_ONCE);
        while let Some((number, listed)) = documents.try_next().await? {
            let files = listed.map(|listed| listed.files).unwrap_or_default();
            let end = walk.take(tenant, number, files);
            if end.is_some() {
                return Ok(end);
            }
        }
        Ok(None)
    }

    /// A file that is kept here of an export of `tenant`, or of any, by its name; and whose log it is of, if it is one tenant's.
    ///
    /// # Errors
    /// As [`Continuous::files`]; [`ErrorKind::NotFound`] for what is not the name of a file.
    pub fn kept(
        &self,
        tenant: Option<&TenantId>,
        id: &str,
        name: &str,
    ) -> Result<(KeptFile, Option<TenantId>)> {
        let live = self.managed(tenant, id)?;
        let of = format!("continuous export '{id}'");
        let below = below(name).ok_or_else(|| kept::not_there(&of, name))?;
        let definition = &live.definition;
        let whose = live.tenant.clone().or_else(|| definition.tenant_of(&below));
        let media = match definition.layout {
            Layout::Delta if is_of_log(&below) => "application/json",
            _ => kept::media(definition.format, definition.compression),
        };
        let path = self.shared.kept_here(&live).within(&below).folder;
        let store = self.shared.store.clone();
        Ok((KeptFile { store, path, of, name: name.to_owned(), media }, whose))
    }

    /// An export whose files are kept here.
    fn managed(&self, tenant: Option<&TenantId>, id: &str) -> Result<Arc<Live>> {
        let shared = &self.shared;
        let subscription = found(&shared.control().state(), tenant, id)?;
        let live = shared.live_one(&subscription)?;
        match live.definition.destination {
            Destination::Managed => Ok(live),
            Destination::S3(_) | Destination::Folder { .. } => {
                let message = format!(
                    "continuous export '{id}' delivers to a bucket: its files are there, and none is kept here"
                );
                Err(Error::new(ErrorKind::Conflict, message))
            }
        }
    }
}

/// A page that is being filled.
struct Walk {
    files: Vec<DeliveredFile>,
    count: usize,
    /// Deliveries that may still be looked at: many may have no files.
    left: usize,
    at: FilesAt,
}

impl Walk {
    /// Takes the files of a delivery, and tells where the page ends, if it does.
    fn take(&mut self, tenant: &TenantId, delivery: u64, files: Vec<ListedFile>) -> Option<FilesAt> {
        let after = self.at.after;
        let at = |delivery, name| Some(FilesAt { tenant: Some(tenant.clone()), delivery, name, after });
        let mut last = None;
        for ListedFile { file, at_ms } in files {
            if self.at.is_past(tenant, delivery, &file.name) {
                last = Some(file.name);
                continue;
            }
            if self.files.len() == self.count {
                return at(delivery, last);
            }
            self.files.push(DeliveredFile {
                file: manifest::file(&file),
                tenant_id: tenant.clone(),
                delivery,
                delivered_at: manifest::millis(at_ms),
            });
            last = Some(file.name);
        }
        self.left = self.left.saturating_sub(1);
        if self.left == 0 { at(delivery.saturating_add(1), None) } else { None }
    }
}

/// The place of a name below the folder of an export; `None` if it is none that a file there can have.
fn below(name: &str) -> Option<Path> {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.=".contains(&byte);
    let is_part = |part: &str| !matches!(part, "" | "." | "..") && part.bytes().all(letter);
    // What is named `day=…` is a folder.
    let is_file = !name.rsplit('/').next()?.contains('=');
    (is_file && name.split('/').all(is_part)).then(|| Path::from_iter(name.split('/')))
}

/// Whether it is of a Delta table's log, and not a checkpoint, which is Parquet.
fn is_of_log(below: &Path) -> bool {
    let in_log = below.parts().any(|part| part.as_ref() == DELTA_LOG);
    in_log && !below.as_ref().ends_with(".parquet")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::job::File;

    /// Would catch a name that leads out of the folder of an export, or to another file than it says.
    #[test]
    fn only_names_of_files_lead_anywhere() {
        for name in
            ["day=2026-10-01/0-1-a.parquet", "tenant=a_c.me/_delta_log/_last_checkpoint", "-_a/x", "a..b"]
        {
            assert_eq!(below(name).unwrap().as_ref(), name);
        }
        let outside = [
            "", "/", "..", "a/../b", "./a", "/a", "a/", "a//b", "a\\..\\b", "%2e%2e/a", "day=1", "a/day=1",
            "a#1", "a\0", "é",
        ];
        for name in outside {
            assert_eq!(below(name), None, "{name}");
        }
    }

    fn delivery(names: &[&str]) -> Vec<ListedFile> {
        let file = |name: &&str| {
            let (name, sha256) = ((*name).to_owned(), "00".to_owned());
            ListedFile { file: File { name, rows: 1, bytes: 2, sha256, range: None }, at_ms: 0 }
        };
        names.iter().map(file).collect()
    }

    /// Would catch a file that is left out or given twice where a page ends, and a walk without an end.
    #[test]
    fn pages_follow_one_another() {
        let (a, b) = (TenantId::parse("a").unwrap(), TenantId::parse("b").unwrap());
        let log = [
            (&a, vec![delivery(&["x", "y", "z"]), delivery(&[]), delivery(&["v"])]),
            (&b, vec![delivery(&["r", "s"]), delivery(&["t"])]),
        ];
        for (count, left) in (1..8).flat_map(|count| (1..7).map(move |left| (count, left))) {
            let (mut at, mut given, mut pages) = (FilesAt::after_delivery(0), Vec::new(), 0);
            loop {
                let mut walk = Walk { files: Vec::new(), count, left, at: at.clone() };
                let end = log.iter().filter(|(tenant, _)| at.tenant.as_ref() <= Some(*tenant)).find_map(
                    |(tenant, deliveries)| {
                        let first = at.first(tenant);
                        let mut numbered = (1..).zip(deliveries).filter(|(number, _)| first <= *number);
                        numbered.find_map(|(number, files)| walk.take(tenant, number, files.clone()))
                    },
                );
                assert!(walk.files.len() <= count);
                let name = |it: &DeliveredFile| it.file["name"].as_str().unwrap().to_owned();
                given.extend(walk.files.iter().map(name));
                pages += 1;
                let Some(end) = end else { break };
                at = end;
                assert!(pages < 20, "{at:?}");
            }
            assert_eq!(given.concat(), "xyzvrst", "{count} {left}");
        }
        let mut walk = Walk { files: Vec::new(), count: 9, left: 9, at: FilesAt::after_delivery(2) };
        assert_eq!((walk.at.first(&a), walk.take(&a, 3, delivery(&["v"])), walk.files.len()), (3, None, 1));
    }
}
