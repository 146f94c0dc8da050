//! The log: structured lines on stderr, as text for people or JSON for machines.
//!
//! In: the program's `tracing` events. Out: stderr; stdout belongs to results. Errors are logged once, where
//! they leave the program; keys and request bodies never are.

use std::io::{self, IsTerminal as _};

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

use crate::error::{Error, ErrorKind, Result};

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One readable line an event, coloured on a terminal.
    #[default]
    Text,
    /// One JSON object a line, fields at the top level.
    Json,
}

/// Section `[log]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Text or JSON.
    pub format: Format,
    /// Which lines: `tracing` directives, e.g. `info` or `warn,auditlake=debug`. The Delta kernel is off by default:
    /// it logs as an error what it also returns as one, a table that does not exist yet for instance.
    pub filter: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self { format: Format::default(), filter: "warn,buoyant_kernel=off,auditlake=info".into() }
    }
}

impl Settings {
    /// Checks the filter; the error quotes it.
    pub fn validate(&self) -> Result<()> {
        self.parsed_filter().map(drop)
    }

    fn parsed_filter(&self) -> Result<EnvFilter> {
        EnvFilter::try_new(&self.filter).map_err(|error| {
            Error::with_source(
                ErrorKind::Invalid,
                format!("log filter {:?} is not valid", self.filter),
                error,
            )
        })
    }
}

/// Starts logging for the whole process. A second call changes nothing: the first one holds.
pub fn init(settings: &Settings) -> Result<()> {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(settings.parsed_filter()?)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    // The only possible error is "already started", which is what a second call asks for.
    let _already_started = match settings.format {
        Format::Text => builder.with_target(false).try_init(),
        Format::Json => builder.json().flatten_event(true).try_init(),
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a mistyped filter that silences the log without a word.
    #[test]
    fn a_bad_filter_is_quoted() {
        let settings = Settings { filter: "auditlake=loud".into(), ..Settings::default() };
        assert!(settings.validate().unwrap_err().to_string().contains("auditlake=loud"));
        Settings::default().validate().unwrap();
    }
}
