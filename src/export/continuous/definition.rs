//! What a continuous export delivers, in which form, how often, and where to.
//!
//! In: what is asked for. Out: what is stored of it. Guaranteed: what could never be delivered is refused, with the member it is about.

use std::collections::HashMap;

use chrono::NaiveDate;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::ledger::{Begun, Totals};
use crate::{
    error::{Error, ErrorKind, Result},
    event::TenantId,
    export::{
        destination::{Asked, Destination},
        encode::{Compression, Content, Format},
        ocsf::mapping::Class,
    },
    limits::{
        CONTINUOUS_BYTES_MAX, CONTINUOUS_BYTES_MIN, CONTINUOUS_INTERVAL_SECONDS,
        CONTINUOUS_INTERVAL_SECONDS_MAX, CONTINUOUS_INTERVAL_SECONDS_MIN, CONTINUOUS_ROWS,
        CONTINUOUS_ROWS_MAX, CONTINUOUS_ROWS_MIN, SECURITY_LAKE_INTERVAL_SECONDS_MIN,
    },
    paths::TableLayout,
    query::Filter,
    telemetry,
};

pub(super) const VERSION: u32 = 1;
const PREFIX: &str = "sub_";
/// Digits of the export's id in names of files.
const NAME_DIGITS: usize = 12;

/// What a new continuous export is to be.
#[derive(Clone, Debug)]
pub struct NewContinuous {
    /// Whose log; `None`: the logs of all tenants, later ones included.
    pub tenant: Option<TenantId>,
    /// Which events; all, if it says nothing. It has no times: that is what `from` is for.
    pub filter: Filter,
    /// How the destination is laid out.
    pub layout: Layout,
    /// How files are written; `None`: as is usual for the layout.
    pub format: Option<Format>,
    /// And compressed; `None`: as is usual for the format.
    pub compression: Option<Compression>,
    /// Where to.
    pub destination: Asked,
    /// Seconds that an event waits at most, about; `None`: five minutes.
    pub interval_seconds: Option<u64>,
    /// Events at which it does not wait any longer, and that one delivery has at most; `None`: a million.
    pub rows: Option<u64>,
    /// Bytes of the log, about, at which it does not wait any longer, and that one delivery has at most; `None`: however many.
    pub bytes: Option<u64>,
    /// The first day whose events are delivered of what is there already; `None`: nothing of it.
    pub from: Option<NaiveDate>,
    /// Who asks: the id of a principal.
    pub by: String,
}

/// How the destination is laid out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Layout {
    /// A Delta table, divided by `day`; each delivery is one commit.
    Delta,
    /// Files in folders `day=…/`.
    Files,
    /// A custom source of Amazon Security Lake.
    SecurityLake(SecurityLake),
}

/// A custom source, as it was registered there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecurityLake {
    /// Its name, as it stands after `ext/`.
    pub source: String,
    /// The region.
    pub region: String,
    /// The account that the events are of.
    pub account_id: String,
    /// The one class of events that the source has.
    pub class: SourceClass,
}

/// The classes of events there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceClass {
    /// API Activity (6003).
    ApiActivity,
    /// Authentication (3002).
    Authentication,
    /// Account Change (3001).
    AccountChange,
}

impl From<SourceClass> for Class {
    fn from(class: SourceClass) -> Self {
        match class {
            SourceClass::ApiActivity => Self::ApiActivity,
            SourceClass::Authentication => Self::Authentication,
            SourceClass::AccountChange => Self::AccountChange,
        }
    }
}

/// What is stored of a continuous export.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Definition {
    /// The form of the document: 1.
    pub(super) version: u32,
    pub(super) filter: Filter,
    pub(super) layout: Layout,
    pub(super) format: Format,
    pub(super) compression: Compression,
    pub(super) destination: Destination,
    pub(super) interval_seconds: u64,
    pub(super) rows: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<NaiveDate>,
    /// How folders of tenants are named, if the logs of all are delivered. Exports made before there was a choice do not say.
    #[serde(default = "before_there_was_a_choice", skip_serializing_if = "is_before_there_was_a_choice")]
    pub(super) folders: TableLayout,
}

fn before_there_was_a_choice() -> TableLayout {
    TableLayout::Hive
}

fn is_before_there_was_a_choice(folders: &TableLayout) -> bool {
    *folders == before_there_was_a_choice()
}

impl Definition {
    /// What is stored of what is asked for; its destination is settled already.
    pub(super) fn of(new: &NewContinuous, destination: Destination) -> Result<Self> {
        if new.filter.from.is_some() || new.filter.to.is_some() {
            let message = "a continuous export has no times in its filter: `from` names the first day";
            return Err(invalid("/filter", message.to_owned()));
        }
        let format = format(&new.layout, new.format)?;
        let compression = new.compression.unwrap_or(format.default_compression());
        format.check(compression).map_err(|error| error.about("/compression"))?;
        new.layout.validate()?;
        let shortest = match new.layout {
            Layout::SecurityLake(_) => SECURITY_LAKE_INTERVAL_SECONDS_MIN,
            Layout::Delta | Layout::Files => CONTINUOUS_INTERVAL_SECONDS_MIN,
        };
        let interval_seconds = new.interval_seconds.unwrap_or(CONTINUOUS_INTERVAL_SECONDS);
        within("interval_seconds", interval_seconds, shortest, CONTINUOUS_INTERVAL_SECONDS_MAX)?;
        let rows = new.rows.unwrap_or(CONTINUOUS_ROWS);
        within("rows_max", rows, CONTINUOUS_ROWS_MIN, CONTINUOUS_ROWS_MAX)?;
        if let Some(bytes) = new.bytes {
            within("bytes_max", bytes, CONTINUOUS_BYTES_MIN, CONTINUOUS_BYTES_MAX)?;
        }
        let (filter, layout, bytes, from) = (new.filter.clone(), new.layout.clone(), new.bytes, new.from);
        Ok(Self {
            version: VERSION,
            filter,
            layout,
            format,
            compression,
            destination,
            interval_seconds,
            rows,
            bytes,
            from,
            folders: TableLayout::Plain,
        })
    }

    /// What the rows of its files are.
    pub(super) fn content(&self) -> Content {
        match &self.layout {
            Layout::Delta => Content::Stored,
            Layout::Files => Content::Events,
            Layout::SecurityLake(SecurityLake { class, .. }) => Content::OfClass((*class).into()),
        }
    }

    /// The folder, in the destination, of what is delivered of a tenant.
    pub(super) fn root(&self, tenant: &TenantId, one_of_all: bool) -> Path {
        match self.layout {
            Layout::Delta | Layout::Files if one_of_all => Path::from(self.folders.folder_name(tenant)),
            // Its partitions are fixed: the tenant is in the names.
            Layout::Delta | Layout::Files | Layout::SecurityLake(_) => Path::default(),
        }
    }

    /// The tenant of a file below a destination that has the logs of all, by its folder.
    pub(super) fn tenant_of(&self, below: &Path) -> Option<TenantId> {
        match self.layout {
            Layout::Delta | Layout::Files => self.folders.parse_folder_name(below.parts().next()?.as_ref()),
            Layout::SecurityLake(_) => None,
        }
    }

    /// The name of the file of a day's events with numbers from `from` to before `to`, below the root. Of no two exports are
    /// they the same.
    pub(super) fn file_name(
        &self,
        id: &str,
        tenant: &TenantId,
        day: NaiveDate,
        (from, to): (i64, i64),
    ) -> String {
        let suffix = self.suffix(id, (from, to));
        match &self.layout {
            Layout::Delta | Layout::Files => format!("day={}/{suffix}", day.format("%Y-%m-%d")),
            Layout::SecurityLake(SecurityLake { source, region, account_id, .. }) => format!(
                "ext/{source}/region={region}/accountId={account_id}/eventDay={}/{}-{suffix}",
                day.format("%Y%m%d"),
                tenant.to_key(),
            ),
        }
    }

    /// What the files of a window are, of all that a destination has.
    pub(super) fn of_window(&self, id: &str, files: HashMap<String, (u64, u64)>, window: Begun) -> Totals {
        let suffix = self.suffix(id, (window.from, window.to));
        let mut totals = Totals::default();
        for (_, (rows, bytes)) in files.into_iter().filter(|(name, _)| name.ends_with(&suffix)) {
            totals.rows += rows;
            totals.bytes += bytes;
            totals.files += 1;
        }
        totals
    }

    /// How the names of a window's files end.
    fn suffix(&self, id: &str, (from, to): (i64, i64)) -> String {
        let extension = self.format.extension(self.compression);
        let export = &id[id.len().saturating_sub(NAME_DIGITS)..];
        format!("{from:020}-{to:020}-{export}.{extension}")
    }

    /// Only events of this class, if it says so.
    pub(super) fn class(&self) -> Option<Class> {
        match &self.layout {
            Layout::SecurityLake(lake) => Some(lake.class.into()),
            Layout::Delta | Layout::Files => None,
        }
    }
}

impl Layout {
    fn validate(&self) -> Result<()> {
        let Self::SecurityLake(SecurityLake { source, region, account_id, .. }) = self else { return Ok(()) };
        let named = |text: &str, also: &[u8]| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || also.contains(&byte))
        };
        if !named(source, b"_-./")
            || source.starts_with('/')
            || source.ends_with('/')
            || source.contains("//")
            || source.contains("..")
        {
            let message = format!(
                "'{source}' is not the name of a source: letters, digits, '_', '-', '.', and '/' before a version"
            );
            return Err(invalid("/layout/source", message));
        }
        if !named(region, b"-") {
            return Err(invalid(
                "/layout/region",
                format!("'{region}' is not a region, such as eu-central-1"),
            ));
        }
        if !named(account_id, b"-_") {
            let message = format!("'{account_id}' is not the id of an account, such as 123456789012");
            return Err(invalid("/layout/account_id", message));
        }
        Ok(())
    }
}

fn format(layout: &Layout, asked: Option<Format>) -> Result<Format> {
    let fixed = match layout {
        Layout::Files => return asked.ok_or_else(|| invalid("/format", "files need a format".to_owned())),
        Layout::Delta => Format::Parquet,
        Layout::SecurityLake(_) => Format::OcsfParquet,
    };
    match asked {
        Some(asked) if asked != fixed => {
            let message = format!("this layout has files of {}, not of {}", fixed.name(), asked.name());
            Err(invalid("/format", message))
        }
        _ => Ok(fixed),
    }
}

fn within(name: &str, value: u64, least: u64, most: u64) -> Result<()> {
    match (least..=most).contains(&value) {
        true => Ok(()),
        false => {
            Err(invalid(&format!("/{name}"), format!("{name} is {value}; it is from {least} to {most}")))
        }
    }
}

fn invalid(pointer: &str, message: String) -> Error {
    Error::new(ErrorKind::Invalid, message).about(pointer)
}

/// An id that nothing has.
pub(super) fn new_id() -> String {
    format!("{PREFIX}{}", telemetry::unique_id().simple())
}

/// Fails, as nothing has such an id, unless `text` is one that [`new_id`] could have made.
pub(super) fn check_id(text: &str) -> Result<()> {
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let digits = text.strip_prefix(PREFIX).filter(|digits| digits.len() == 32);
    match digits.is_some_and(|digits| digits.bytes().all(hex)) {
        true => Ok(()),
        false => Err(not_there(text)),
    }
}

pub(super) fn not_there(id: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("continuous export '{id}' does not exist"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition() -> Definition {
        let new = NewContinuous {
            tenant: None,
            filter: Filter::default(),
            layout: Layout::Files,
            format: Some(Format::Ndjson),
            compression: None,
            destination: Asked::Managed,
            interval_seconds: None,
            rows: None,
            bytes: None,
            from: None,
            by: "root".into(),
        };
        Definition::of(&new, Destination::Managed).unwrap()
    }

    /// Would catch an export of all tenants that goes on in other folders than those it began with, a new one whose folders look like
    /// partition columns, and a file that is taken for another tenant's or for nobody's.
    #[test]
    fn folders_of_tenants_stay_as_they_were() {
        let acme = TenantId::parse("Acme").unwrap();
        let new = definition();
        let mut stored = serde_json::to_value(&new).unwrap();
        assert_eq!(stored["folders"], "plain");
        stored.as_object_mut().unwrap().remove("folders");
        let before: Definition = serde_json::from_value(stored.clone()).unwrap();
        assert_eq!(serde_json::to_value(&before).unwrap(), stored);
        for (definition, folder) in [(&new, "-_acme"), (&before, "tenant=_acme")] {
            let root = definition.root(&acme, true);
            assert_eq!(root.as_ref(), folder);
            let file = root.join("day=2026-11-01").join("x.ndjson");
            assert_eq!(definition.tenant_of(&file), Some(acme.clone()));
            assert_eq!(definition.tenant_of(&Path::from("day=2026-11-01/x.ndjson")), None);
            assert_eq!(definition.root(&acme, false), Path::default());
        }
        assert_eq!(new.tenant_of(&before.root(&acme, true)), None);
    }
}
