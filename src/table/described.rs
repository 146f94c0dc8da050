//! A tenant's table as readers that are not ours see it: Delta Lake at a URL.
//!
//! In: the table's committed state. Out: where it is and what is in it. Guaranteed: rows, files and bytes are those of the version
//! that is named, all of them, also of days that queries hide before retention removes them; what is not committed is not counted.

use std::sync::Arc;

use arrow::datatypes::Field;
use chrono::{NaiveDate, SecondsFormat};
use serde::Serialize;
use serde_json::Value;

use super::{Tables, log};
use crate::{
    error::{Error, ErrorKind, Result},
    event::{TenantId, schema},
    store::Address,
};

/// A table, for others.
#[derive(Clone, Debug, Serialize)]
pub struct Described {
    /// Whose.
    pub tenant_id: String,
    /// Its URL, `s3://…` or `file:///…`.
    pub location: String,
    /// Of a bucket that is not on AWS: where it is asked for.
    pub endpoint: Option<String>,
    /// The bucket's region, if one is set.
    pub region: Option<String>,
    /// The newest version; `None`: nothing is committed yet, and there is no table.
    pub version: Option<u64>,
    /// When that was committed, as the store says.
    pub committed_at: Option<String>,
    /// Its rows.
    pub rows: u64,
    /// Its data files.
    pub files: u64,
    /// Their size.
    pub bytes: u64,
    /// The first day that it has events of.
    pub first_day: Option<NaiveDate>,
    /// The last one.
    pub last_day: Option<NaiveDate>,
    /// The columns whose values are in the names of folders.
    pub partition_columns: [&'static str; 1],
    /// All columns, in order.
    pub schema: Vec<Column>,
}

/// A column, in Delta's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type: `string`, `long`, `timestamp`, `array<string>`, …
    #[serde(rename = "type")]
    pub data_type: String,
    /// Whether values may be missing.
    pub nullable: bool,
}

impl Tables {
    /// The table of a tenant.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if the store is in memory; as the store.
    pub async fn described(&self, tenant: &TenantId) -> Result<Described> {
        let address = self.address()?;
        let snapshot = self.get(tenant).await?.map(|table| table.snapshot());
        let version = snapshot.as_ref().and_then(|snapshot| snapshot.version);
        let files = || snapshot.iter().flat_map(|snapshot| snapshot.files.iter());
        Ok(Described {
            tenant_id: tenant.to_string(),
            location: address.url(&self.folder(tenant).path()),
            endpoint: address.endpoint.clone(),
            region: address.region.clone(),
            version,
            committed_at: match version {
                Some(version) => self.committed_at(tenant, version).await?,
                None => None,
            },
            rows: files().map(|file| file.rows).sum(),
            files: files().count() as u64,
            bytes: files().map(|file| file.size_bytes).sum(),
            // They are sorted by day.
            first_day: files().next().map(|file| file.day),
            last_day: files().last().map(|file| file.day),
            partition_columns: [schema::DAY],
            schema: columns(),
        })
    }

    pub(super) fn address(&self) -> Result<&Address> {
        let store = &self.shared.store;
        let message = || {
            let store = store.display();
            format!(
                "the tables of {store} have no location: no other process can read the memory of this one"
            )
        };
        store.address().ok_or_else(|| Error::new(ErrorKind::Invalid, message()))
    }

    /// When a version was written; `None` if its entry is gone, as it may be once a checkpoint stands for it.
    async fn committed_at(&self, tenant: &TenantId, version: u64) -> Result<Option<String>> {
        let written = self.shared.store.written_at(&self.folder(tenant).delta_commit(version)).await?;
        Ok(written.map(|time| time.to_rfc3339_opts(SecondsFormat::Millis, true)))
    }
}

fn columns() -> Vec<Column> {
    let table = schema::table_schema();
    let column = |field: &Arc<Field>| Column {
        name: field.name().clone(),
        data_type: name_of(&log::delta_type(field.data_type())),
        nullable: field.is_nullable(),
    };
    table.fields().iter().map(column).collect()
}

/// A type of the Delta log as text.
fn name_of(data_type: &Value) -> String {
    match data_type.get("elementType") {
        Some(element) => format!("array<{}>", name_of(element)),
        None => data_type.as_str().unwrap_or_default().to_owned(),
    }
}
