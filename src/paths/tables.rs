//! Where tenants' Delta tables are in a store, and what is in the folder of one.
//!
//! In: a tenant, and which of the two layouts the store has. Out: the keys of its table. Guaranteed: no two tenants share a folder, also
//! where a file system is blind to case or drops a dot at the end of a name; no folder is hidden from programs that pass over names with
//! `_` or `.` in front; a key that is read back gives the tenant that it was made of.
//!
//! A folder named `tenant=acme` looks like a partition column to readers that take such columns from paths, and Polars' own reader
//! refuses a table below one. So new stores have `events/acme/`; a store that was made before keeps `events/tenant=acme/`.

use std::sync::Arc;

use chrono::NaiveDate;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::version;
use crate::event::TenantId;

/// How the folders of tenants' tables are named in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableLayout {
    /// `events/{tenant}/`: all new stores.
    Plain,
    /// `events/tenant={tenant}/`: stores made before.
    Hive,
}

impl TableLayout {
    /// The folder of a tenant's table.
    pub fn table(self, tenant: &TenantId) -> TableFolder {
        TableFolder(format!("{TABLES}/{}", self.folder_name(tenant)).into())
    }

    /// The tenant of a folder under [`tables_root`]; `None` for anything else, one of the other layout included.
    pub fn parse_table(self, folder: &Path) -> Option<TenantId> {
        self.parse_folder_name(folder.as_ref().strip_prefix(TABLES)?.strip_prefix('/')?)
    }

    /// The name of a tenant's folder, here and in what is delivered of all tenants.
    pub fn folder_name(self, tenant: &TenantId) -> String {
        match self {
            Self::Plain => plain_name(tenant),
            Self::Hive => format!("{HIVE_PREFIX}{}", tenant.to_key()),
        }
    }

    /// The tenant of a folder by its name; `None` for anything else.
    pub fn parse_folder_name(self, name: &str) -> Option<TenantId> {
        match (self, name.strip_prefix(HIVE_PREFIX)) {
            (Self::Plain, None) => parse_plain_name(name),
            (Self::Hive, Some(key)) => TenantId::from_key(key),
            (Self::Plain, Some(_)) | (Self::Hive, None) => None,
        }
    }
}

const TABLES: &str = "events";
const HIVE_PREFIX: &str = "tenant=";

/// Folder of all tenants' tables.
pub fn tables_root() -> Path {
    Path::from(TABLES)
}

/// The name of a tenant's folder, without `=`: [`TenantId::to_key`], but a dot at either end is `_0`, and a name that
/// would begin with `_` or `-` has a `-` before it.
fn plain_name(tenant: &TenantId) -> String {
    let key = tenant.to_key();
    let without = key.trim_start_matches('.');
    let leading = key.len() - without.len();
    let middle = without.trim_end_matches('.');
    let dots = |count: usize| ESCAPED_DOT.repeat(count);
    let escaped = [&dots(leading), middle, &dots(without.len() - middle.len())].concat();
    if escaped.starts_with(['_', '-']) { format!("-{escaped}") } else { escaped }
}

/// The inverse of [`plain_name`]; `None` for a name that it never makes.
fn parse_plain_name(name: &str) -> Option<TenantId> {
    let mut letters = name.strip_prefix('-').unwrap_or(name).chars();
    let mut key = String::with_capacity(name.len());
    while let Some(letter) = letters.next() {
        match (letter, if letter == '_' { letters.next() } else { None }) {
            ('_', Some('0')) => key.push('.'),
            (_, escaped) => key.extend([letter].into_iter().chain(escaped)),
        }
    }
    // Names that only look alike are nobody's.
    TenantId::from_key(&key).filter(|tenant| plain_name(tenant) == name)
}

/// A dot at either end of a name; [`TenantId::to_key`] never makes it.
const ESCAPED_DOT: &str = "_0";

/// The folder of one tenant's table, and the keys in it. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableFolder(Arc<str>);

impl TableFolder {
    /// Its key.
    pub fn path(&self) -> Path {
        Path::from(self.0.as_ref())
    }

    /// The Delta log.
    pub fn delta_log(&self) -> Path {
        self.below(DELTA_LOG)
    }

    /// One entry of the Delta log.
    pub fn delta_commit(&self, version: u64) -> Path {
        self.below(&format!("{DELTA_LOG}/{version:020}.json"))
    }

    /// The pointer to the newest checkpoint of the Delta log.
    pub fn delta_last_checkpoint(&self) -> Path {
        self.below(&format!("{DELTA_LOG}/_last_checkpoint"))
    }

    /// A data file, by its path relative to the table (`day=…/….parquet`), as Delta names it.
    pub fn data_file(&self, relative: &str) -> Path {
        self.below(relative)
    }

    /// The path relative to the table of a data file's key; `None` for anything else, the Delta log included.
    pub fn parse_data_file<'a>(&self, path: &'a Path) -> Option<&'a str> {
        let relative = path.as_ref().strip_prefix(self.0.as_ref())?.strip_prefix('/')?;
        (relative.starts_with("day=") && relative.ends_with(".parquet")).then_some(relative)
    }

    fn below(&self, relative: &str) -> Path {
        Path::from(format!("{}/{relative}", self.0))
    }
}

impl std::fmt::Display for TableFolder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

const DELTA_LOG: &str = "_delta_log";

/// The version of a [`TableFolder::delta_commit`]; `None` for anything else.
pub fn parse_delta_commit(path: &Path) -> Option<u64> {
    version(path.filename()?.strip_suffix(".json")?)
}

/// A new data file's path relative to its table.
pub fn data_file_name(day: NaiveDate, id: Uuid) -> String {
    format!("day={}/{id}.parquet", day.format("%Y-%m-%d"))
}

/// Whose an object is that is part of a tenant's table, in either layout, or of its tree, and of a data file the day; `None` for
/// anything else.
pub fn parse_kept(path: &Path) -> Option<(TenantId, Option<NaiveDate>)> {
    let (root, below) = path.as_ref().split_once('/')?;
    let (folder, rest) = below.split_once('/')?;
    match (root, folder.strip_prefix(HIVE_PREFIX)) {
        (TABLES, key) => {
            let tenant = key.map_or_else(|| parse_plain_name(folder), TenantId::from_key)?;
            let day = rest.strip_prefix("day=").and_then(|rest| rest.split('/').next());
            Some((tenant, day.and_then(|day| day.parse().ok())))
        }
        ("proof", Some(key)) => Some((TenantId::from_key(key)?, None)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::paths;

    fn tenant(text: &str) -> TenantId {
        TenantId::parse(text).unwrap()
    }

    /// Would catch a tenant whose folder other programs pass over, take for another tenant's, or leave the store by.
    #[test]
    fn a_tenant_is_named_by_one_plain_folder() {
        for (id, name) in [
            ("acme", "acme"),
            ("acme-eu.2", "acme-eu.2"),
            ("acme_eu", "acme__eu"),
            ("Acme", "-_acme"),
            ("_acme", "-__acme"),
            ("-acme", "--acme"),
            (".", "-_0"),
            ("..", "-_0_0"),
            (".git", "-_0git"),
            ("acme.", "acme_0"),
            ("a..", "a_0_0"),
            ("_delta_log", "-__delta__log"),
            ("tenant", "tenant"),
            ("day", "day"),
        ] {
            assert_eq!(plain_name(&tenant(id)), name);
            assert_eq!(parse_plain_name(name), Some(tenant(id)), "{name}");
        }
        for strange in [
            "",
            "-",
            "-acme",
            "_acme",
            "acme.",
            ".",
            "..",
            "Acme",
            "a/b",
            "day=2026-01-01",
            "tenant=acme",
            "a_",
        ] {
            assert_eq!(parse_plain_name(strange), None, "{strange}");
        }
    }

    /// Ids of a few letters that mean something in folders, so that two of them often nearly meet.
    fn id() -> impl Strategy<Value = String> {
        prop_oneof!["[aA0._-]{1,5}", "[A-Za-z0-9._-]{1,64}"]
    }

    proptest! {
        /// Would catch two tenants in one folder, one that cannot be found again, and a folder that is hidden or odd.
        #[test]
        fn folders_are_plain_and_reversible(ids in prop::collection::vec(id(), 1..40)) {
            let mut owners: HashMap<String, String> = HashMap::new();
            for id in ids {
                let name = plain_name(&tenant(&id));
                prop_assert_eq!(name.to_ascii_lowercase(), name.clone());
                prop_assert!(!name.starts_with(['_', '.']) && !name.ends_with('.') && !name.contains(['=', '/', '%']));
                prop_assert_eq!(parse_plain_name(&name), Some(tenant(&id)));
                let owner = owners.entry(name).or_insert_with(|| id.clone());
                prop_assert_eq!(owner.clone(), id);
            }
        }
    }

    /// Would catch a table of one layout that is taken for one of the other, and keys that are not read back.
    #[test]
    fn each_layout_knows_its_own_folders() {
        let tenant = tenant("Acme_1");
        let (id, day) = (Uuid::from_u128(7), NaiveDate::from_ymd_opt(2026, 11, 1).unwrap());
        let file = data_file_name(day, id);
        for (layout, other) in
            [(TableLayout::Plain, TableLayout::Hive), (TableLayout::Hive, TableLayout::Plain)]
        {
            let folder = layout.table(&tenant);
            assert_eq!(layout.parse_table(&folder.path()), Some(tenant.clone()));
            assert_eq!(other.parse_table(&folder.path()), None);
            let key = folder.data_file(&file);
            assert_eq!(folder.parse_data_file(&key), Some(file.as_str()));
            assert_eq!(other.table(&tenant).parse_data_file(&key), None);
            assert_eq!(parse_kept(&key), Some((tenant.clone(), Some(day))));
            let entry = folder.delta_commit(7);
            assert_eq!((parse_delta_commit(&entry), folder.parse_data_file(&entry)), (Some(7), None));
            assert_eq!(parse_kept(&entry), Some((tenant.clone(), None)));
            assert_eq!(parse_kept(&folder.path()), None);
        }
        assert_eq!(TableLayout::Plain.table(&tenant).to_string(), "events/-_acme__1");
        assert_eq!(TableLayout::Hive.table(&tenant).to_string(), "events/tenant=_acme__1");
        for kept in [paths::checkpoint(&tenant, 42), paths::proof_tile(&tenant, "0/000.p/7")] {
            assert_eq!(parse_kept(&kept), Some((tenant.clone(), None)), "{kept}");
        }
        for other in [
            paths::index_segment(&tenant, id),
            paths::deployment(),
            paths::wal_segment(7, 42),
            paths::locks(&tenant),
            paths::export_files(&tenant, "exp_7").join("events"),
        ] {
            assert_eq!(parse_kept(&other), None, "{other}");
        }
    }
}
