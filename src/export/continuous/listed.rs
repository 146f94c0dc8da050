//! What is said of the files of deliveries that stay in the store.
//!
//! In: the files of a delivery, once they are complete. Out: a document for each delivery that has some. Guaranteed: whoever reads of a
//! file finds all of it, with these bytes; it is written before a Delta table lists the files, so that whoever has read the table's log
//! reads of them here.

use std::collections::BTreeMap;

use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, ErrorKind, Result},
    export::job::File,
    store::{Store, documents},
};

/// The files of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listed {
    /// By name.
    pub(super) files: Vec<ListedFile>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListedFile {
    /// Its name is that below the folder of the whole export.
    pub(super) file: File,
    /// When it was written, in milliseconds since 1970.
    pub(super) at_ms: i64,
}

/// Notes at `path` what a delivery has written; made `again`, it leaves what it did not write as it was.
pub(super) async fn note(store: &Store, path: &Path, written: Vec<ListedFile>, again: bool) -> Result<()> {
    if written.is_empty() {
        return Ok(());
    }
    let before: Option<Listed> = if again { documents::get(store, path).await? } else { None };
    let listed = before.map(|listed| listed.files).unwrap_or_default().into_iter().chain(written);
    let by_name: BTreeMap<String, ListedFile> =
        listed.map(|listed| (listed.file.name.clone(), listed)).collect();
    let json = serde_json::to_vec(&Listed { files: by_name.into_values().collect() })
        .map_err(|error| Error::with_source(ErrorKind::Internal, format!("write {path}"), error))?;
    store.put(path, json.into()).await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;

    use super::*;

    fn listed(name: &str, at_ms: i64) -> ListedFile {
        let file = File { name: name.to_owned(), rows: 1, bytes: 2, sha256: "00".to_owned(), range: None };
        ListedFile { file, at_ms }
    }

    /// Would catch a replay of part of a delivery after which the rest is not told of, and an attempt that is told of beside the next.
    #[tokio::test]
    async fn what_is_written_again_takes_its_own_place() {
        let store = Store::from_object_store(Arc::new(InMemory::new()));
        let path = Path::from("listed/1.json");
        let names = async || -> Vec<(String, i64)> {
            let found: Listed = documents::get(&store, &path).await.unwrap().unwrap();
            found.files.into_iter().map(|listed| (listed.file.name, listed.at_ms)).collect()
        };
        note(&store, &path, vec![listed("z", 1), listed("b", 1)], false).await.unwrap();
        note(&store, &path, vec![listed("a", 2), listed("b", 2)], false).await.unwrap();
        assert_eq!(names().await, [("a".to_owned(), 2), ("b".to_owned(), 2)]);
        note(&store, &path, vec![listed("b", 3)], true).await.unwrap();
        note(&store, &path, Vec::new(), true).await.unwrap();
        assert_eq!(names().await, [("a".to_owned(), 2), ("b".to_owned(), 3)]);
    }
}
