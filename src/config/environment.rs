//! Environment variables laid over the configuration file's table.

use serde_json::Value as Json;
use toml::{Table, Value};

use super::{Config, Secret, invalid};
use crate::{
    error::Result,
    seal::{self, Sealer},
};

const PREFIX: &str = "AUDITLAKE_";

/// Variables with a name of their own, and the fields they set.
const NAMED: [(&str, &[&str]); 4] = [
    ("AUDITLAKE_STORE", &["store"]),
    ("AUDITLAKE_LISTEN", &["listen"]),
    ("AUDITLAKE_LOG", &["log", "filter"]),
    ("AUDITLAKE_LOG_FORMAT", &["log", "format"]),
];

/// What no table holds.
pub(super) struct Secrets {
    /// `AUDITLAKE_ROOT_KEY`
    pub(super) root_key: Option<Secret>,
    /// `AUDITLAKE_SECRETS_KEY`
    pub(super) sealer: Sealer,
    /// `AUDITLAKE_SIGNING_KEY`
    pub(super) signing_key: Option<Secret>,
}

/// Sets what `variables` say in `table`, and returns the keys among them.
///
/// A variable with `__` must name a field. Others that begin with `AUDITLAKE_` may belong to the command line or
/// to whoever started us; they are passed over.
pub(super) fn apply(table: &mut Table, variables: &[(String, String)]) -> Result<Secrets> {
    let defaults = serde_json::to_value(Config::default()).map_err(|error| invalid(error.to_string()))?;
    let value_of = |wanted: &str| {
        let found = variables.iter().find(|(name, value)| name == wanted && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    };
    if let Some(filter) = value_of("RUST_LOG") {
        set(table, &["log", "filter"], Value::String(filter.into()));
    }
    for (name, path) in NAMED {
        if let Some(text) = value_of(name) {
            set(table, path, Value::String(text.into()));
        }
    }
    for (name, text) in variables {
        let Some(fields) = name.strip_prefix(PREFIX).filter(|rest| rest.contains("__")) else { continue };
        let fields = fields.to_ascii_lowercase();
        let path: Vec<&str> = fields.split("__").collect();
        let Some(default) = path.iter().try_fold(&defaults, |value, field| value.get(field)) else {
            return Err(invalid(format!(
                "environment variable {name}: there is no setting {}",
                path.join(".")
            )));
        };
        if default.is_object() {
            return Err(invalid(format!("environment variable {name}: {} is a section", path.join("."))));
        }
        let value = typed(default, text).ok_or_else(|| {
            invalid(format!("environment variable {name} is {text:?}; expected one like {default}"))
        })?;
        set(table, &path, value);
    }
    let secret = |name| value_of(name).map(|key| Secret(key.into()));
    let sealer = value_of(seal::VARIABLE).map_or(Ok(Sealer::default()), Sealer::parse)?;
    Ok(Secrets {
        root_key: secret("AUDITLAKE_ROOT_KEY"),
        sealer,
        signing_key: secret("AUDITLAKE_SIGNING_KEY"),
    })
}

/// `text` as a value of the type that `default` has; where that is not known, of the type it looks like. A list is of text, separated
/// by commas.
fn typed(default: &Json, text: &str) -> Option<Value> {
    let number = || text.parse().map(Value::Integer).or_else(|_| text.parse().map(Value::Float)).ok();
    let boolean = || text.parse().map(Value::Boolean).ok();
    match default {
        Json::String(_) => Some(Value::String(text.into())),
        Json::Number(_) => number(),
        Json::Bool(_) => boolean(),
        Json::Array(_) => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            Some(Value::Array(parts.map(|part| Value::String(part.into())).collect()))
        }
        _ => number().or_else(boolean).or_else(|| Some(Value::String(text.into()))),
    }
}

/// Sets one field, making the sections on the way to it.
fn set(table: &mut Table, path: &[&str], value: Value) {
    let Some((field, sections)) = path.split_last() else { return };
    let mut place = table;
    for section in sections {
        let inner = place.entry(*section).or_insert_with(|| Value::Table(Table::new()));
        let Value::Table(inner) = inner else { return };
        place = inner;
    }
    place.insert((*field).into(), value);
}
