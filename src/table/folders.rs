//! How a store names the folders of its tables: `events/{tenant}/`, or `events/tenant={tenant}/` if it was made before.
//!
//! In: the store. Out: its [`TableLayout`]. Guaranteed: a store has one layout for all its life; what it is stands in
//! `control/layout.json`, which is created once, by the first writer, and never changed. A store without that document has the older
//! layout if it has a table of that kind, else the newer one. A store that says one thing and has tables of the other is refused:
//! a program from before the document has written to it, and to go on would hide what that program accepted.

use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, ErrorKind, Result},
    paths::{self, TableLayout},
    store::{Store, documents},
};

/// The form of the document that this version writes and reads.
const VERSION: u32 = 1;

/// What stands in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    /// The form of the document: 1.
    version: u32,
    /// How the folders of tables are named.
    tables: TableLayout,
}

/// The layout of a store that has these `folders` of tables.
///
/// # Errors
/// [`ErrorKind::Corrupt`] for a document of another version, and for tables that are not of the layout it names; as the store.
pub(super) async fn layout_of(store: &Store, folders: &[Path]) -> Result<TableLayout> {
    let is_hive = |folder: &&Path| TableLayout::Hive.parse_table(folder).is_some();
    let hive = folders.iter().find(is_hive);
    let said = documents::get::<Document>(store, &paths::layout()).await?;
    match (said.map(read).transpose()?, hive) {
        (Some(TableLayout::Plain), Some(folder)) => {
            let layout = paths::layout();
            let message = format!(
                "{layout} says that tables are in events/{{tenant}}, and there is {folder}: a version of auditlake from before {layout} \
                 has written to this store; move what it wrote out of events/ and import it"
            );
            Err(Error::new(ErrorKind::Corrupt, message))
        }
        (Some(layout), _) => Ok(layout),
        (None, Some(_)) => Ok(TableLayout::Hive),
        (None, None) => Ok(TableLayout::Plain),
    }
}

/// Writes down that a store has `layout`, unless it is written down already.
///
/// # Errors
/// [`ErrorKind::Conflict`] if another layout has been written down meanwhile; as the store.
pub(super) async fn record(store: &Store, layout: TableLayout) -> Result<()> {
    let path = paths::layout();
    let stored = documents::create(store, &path, &Document { version: VERSION, tables: layout }).await?;
    if read(stored)? == layout {
        return Ok(());
    }
    let message = format!(
        "{path} was written by another process that began at the same time, and differs: start again"
    );
    Err(Error::new(ErrorKind::Conflict, message))
}

fn read(document: Document) -> Result<TableLayout> {
    if document.version == VERSION {
        return Ok(document.tables);
    }
    let (path, version) = (paths::layout(), document.version);
    let message =
        format!("{path} has version {version}, this program knows {VERSION}: it takes a newer auditlake");
    Err(Error::new(ErrorKind::Corrupt, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event::TenantId, table::fixture::memory_store};

    async fn layout(document: Option<&str>, folders: &[&str]) -> Result<TableLayout> {
        let store = memory_store();
        if let Some(document) = document {
            store.put(&paths::layout(), document.to_owned().into()).await.unwrap();
        }
        let folders: Vec<Path> = folders.iter().map(|folder| Path::from(*folder)).collect();
        layout_of(&store, &folders).await
    }

    /// Would catch an older store that is gone on with in the newer layout, so that its tables are not found, and a store that
    /// an older program has written to and whose newest events are not seen.
    #[tokio::test]
    async fn a_store_has_the_layout_that_it_was_made_with() {
        let plain = r#"{"version":1,"tables":"plain"}"#;
        let hive = r#"{"version":1,"tables":"hive"}"#;
        for (document, folders, expected) in [
            (None, &[][..], TableLayout::Plain),
            (None, &["events/acme", "events/bolt"], TableLayout::Plain),
            (None, &["events/tenant=acme"], TableLayout::Hive),
            (None, &["events/acme", "events/tenant=acme"], TableLayout::Hive),
            (Some(plain), &["events/acme", "events/tenant"], TableLayout::Plain),
            (Some(hive), &[], TableLayout::Hive),
            (Some(hive), &["events/acme"], TableLayout::Hive),
        ] {
            assert_eq!(layout(document, folders).await.unwrap(), expected, "{document:?} {folders:?}");
        }
        for (document, folders, part) in [
            (plain, &["events/acme", "events/tenant=acme"][..], "there is events/tenant=acme"),
            (r#"{"version":2,"tables":"plain"}"#, &[], "has version 2, this program knows 1"),
            (r#"{"version":1,"tables":"other"}"#, &[], "control/layout.json is not a document"),
        ] {
            let error = layout(Some(document), folders).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert!(error.to_string().contains(part), "{error}");
        }
    }

    /// Would catch a layout that is written over, and a writer that goes on in another one than what is written down.
    #[tokio::test]
    async fn a_layout_is_written_down_once() {
        let store = memory_store();
        record(&store, TableLayout::Hive).await.unwrap();
        record(&store, TableLayout::Hive).await.unwrap();
        let error = record(&store, TableLayout::Plain).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert_eq!(layout_of(&store, &[]).await.unwrap(), TableLayout::Hive);
        let folder = TableLayout::Hive.table(&TenantId::parse("acme").unwrap()).path();
        assert_eq!(layout_of(&store, &[folder]).await.unwrap(), TableLayout::Hive);
    }
}
