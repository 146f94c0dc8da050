//! Configuration: defaults, then a TOML file, then the environment, then flags; checked once, before anything runs.
//!
//! In: [`Sources`]. Out: a [`Config`], each module's own `Settings` in one section, or an error that names the
//! field and where it came from. Guaranteed: a field or `AUDITLAKE_…__…` variable that does not exist is an error,
//! never ignored; a start that would be dangerous is refused with a sentence that says why.
//!
//! | variable | means |
//! |---|---|
//! | `AUDITLAKE_STORE`, `AUDITLAKE_LISTEN` | the fields `store` and `listen` |
//! | `AUDITLAKE_LOG` (or `RUST_LOG`), `AUDITLAKE_LOG_FORMAT` | `log.filter` and `log.format` |
//! | `AUDITLAKE_{SECTION}__{FIELD}` | any field of a section, e.g. `AUDITLAKE_QUERY__ROWS_MAX=1000` |
//! | `AUDITLAKE_ROOT_KEY` | the root key; never in a file, never shown |
//! | `AUDITLAKE_SECRETS_KEY` | what secrets of destinations are sealed with, see [`crate::seal`]; never in a file, never shown |
//! | `AUDITLAKE_SIGNING_KEY` | the key that signs checkpoints; not in this file, never shown |

mod environment;
mod print;

use std::{
    fmt, fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use self::environment::Secrets;
use crate::{
    auth, compact,
    error::{Error, ErrorKind, Result},
    evidence, export, http, index, ingest, limits, logbook, query, rate,
    seal::Sealer,
    store, table,
    telemetry::log,
};

/// A file may be on its way for so long before the commit that names it.
const SWEEP_GRACE_MS_MIN: u64 = 600_000;

/// Everything that can be set.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where everything is kept: a folder, `file://`, `s3://bucket/prefix` or `memory://`.
    pub store: String,
    /// Address and port to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The root key, if the environment gives one.
    #[serde(skip)]
    pub root_key: Option<Secret>,
    /// Keeps secrets of others, if the environment gives a key for it.
    #[serde(skip)]
    pub sealer: Sealer,
    /// The key that signs checkpoints, if the environment gives it.
    #[serde(skip)]
    pub signing_key: Option<Secret>,
    /// The log.
    pub log: log::Settings,
    /// How the store is reached.
    pub object_store: store::Settings,
    /// The writer.
    pub ingest: ingest::Settings,
    /// The tenants' tables.
    pub table: table::Settings,
    /// The skip index.
    pub index: index::Settings,
    /// Merkle trees, checkpoints and their keys.
    pub evidence: evidence::Settings,
    /// When and into what files are merged.
    pub compact: compact::Policy,
    /// Limits of queries.
    pub query: query::Settings,
    /// The log of the log.
    pub logbook: logbook::Settings,
    /// Exports.
    pub export: export::Settings,
    /// Limits of connections and requests.
    pub http: http::Settings,
    /// Rate limits of keys, tenants and addresses.
    pub rate: rate::Settings,
    /// Work that repeats while a server runs.
    pub background: Background,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            store: "./auditlake-data".into(),
            listen: (Ipv4Addr::LOCALHOST, 8080).into(),
            root_key: None,
            sealer: Sealer::default(),
            signing_key: None,
            log: log::Settings::default(),
            object_store: store::Settings::default(),
            ingest: ingest::Settings::default(),
            table: table::Settings::default(),
            index: index::Settings::default(),
            evidence: evidence::Settings::default(),
            compact: compact::Policy::default(),
            query: query::Settings::default(),
            logbook: logbook::Settings::default(),
            export: export::Settings::default(),
            http: http::Settings::default(),
            rate: rate::Settings::default(),
            background: Background::default(),
        }
    }
}

/// Section `[background]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Background {
    /// Pause between two rounds of compaction; 0 leaves compaction to `auditlake compact`.
    pub compact_every_ms: u64,
    /// Pause between two sweeps for files that no table refers to any more; 0 turns sweeping off.
    pub sweep_every_ms: u64,
    /// How long such files stay, for queries and other readers that still use them.
    pub sweep_grace_ms: u64,
    /// Pause between two removals of days that tenants no longer keep; 0 leaves it to `auditlake retention`. Until it comes,
    /// such days are not shown any more.
    pub retention_every_ms: u64,
    /// Pause between two looks whether tables say of themselves that nothing is removed from them, and whether objects bear the locks and holds
    /// of their tenants; 0 turns that off.
    pub protect_every_ms: u64,
    /// Pause between two looks for keys and settings of tenants that other processes have made or changed; 0 turns that off.
    pub keys_every_ms: u64,
}

impl Default for Background {
    fn default() -> Self {
        Self {
            compact_every_ms: 60_000,
            sweep_every_ms: 3_600_000,
            sweep_grace_ms: 24 * 3_600_000,
            retention_every_ms: 3_600_000,
            protect_every_ms: 600_000,
            keys_every_ms: 10_000,
        }
    }
}

/// A key as given; its `Debug` form hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The key itself: for hashing, never for showing.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(key: String) -> Self {
        Self(key)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(set)")
    }
}

/// What the command line says; it overrides everything else.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--store`
    pub store: Option<String>,
    /// `--listen`
    pub listen: Option<SocketAddr>,
    /// `--queries`
    pub queries: Option<PathBuf>,
    /// `--log-format`
    pub log_format: Option<log::Format>,
    /// `-v` and the like, as a filter.
    pub log_filter: Option<String>,
}

/// Where a configuration comes from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// `--config`, if given; it must exist.
    pub file: Option<PathBuf>,
    /// Environment variables; those that are not ours are passed over.
    pub environment: Vec<(String, String)>,
    /// The command line.
    pub flags: Flags,
}

impl Sources {
    /// A file, the process's environment, and flags. Variables that are not Unicode are not ours.
    pub fn of_process(file: Option<PathBuf>, flags: Flags) -> Self {
        let unicode = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self { file, environment: std::env::vars_os().filter_map(unicode).collect(), flags }
    }
}

impl Config {
    /// Puts all sources together and checks the result.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] naming the file or variable, the field and the rule.
    pub fn load(sources: Sources) -> Result<Self> {
        let mut table = match &sources.file {
            Some(path) => read_file(path)?,
            None => toml::Table::new(),
        };
        let Secrets { root_key, sealer, signing_key } = environment::apply(&mut table, &sources.environment)?;
        let mut config = Self::deserialize(table).map_err(|error| {
            invalid(format!("the environment's configuration is not valid: {}", error.message()))
        })?;
        config.root_key = root_key;
        config.sealer = sealer;
        config.signing_key = signing_key;
        let Flags { store, listen, queries, log_format, log_filter } = sources.flags;
        config.store = store.unwrap_or(config.store);
        config.listen = listen.unwrap_or(config.listen);
        config.query.folder = queries.or(config.query.folder);
        config.log.format = log_format.unwrap_or(config.log.format);
        config.log.filter = log_filter.unwrap_or(config.log.filter);
        config.validate()?;
        Ok(config)
    }

    /// Checks every section.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] naming the field, its value and the rule.
    pub fn validate(&self) -> Result<()> {
        if self.store.is_empty() {
            return Err(invalid("store is empty; it names a folder, file://, s3:// or memory://".into()));
        }
        if self.background.sweep_grace_ms < SWEEP_GRACE_MS_MIN {
            return Err(invalid(format!(
                "background.sweep_grace_ms is {}; below {SWEEP_GRACE_MS_MIN} the sweep could take files that are just \
                 being written or read",
                self.background.sweep_grace_ms
            )));
        }
        self.log.validate()?;
        self.ingest.validate()?;
        self.table.layout.validate()?;
        self.rate.validate()?;
        self.export.validate()?;
        self.http.validate()
    }

    /// Refuses to listen where others can reach the server with a key that can be guessed.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] with the sentence to show.
    pub fn check_listen(&self) -> Result<()> {
        let Some(key) = &self.root_key else { return Ok(()) };
        if self.listen.ip().is_loopback() {
            return Ok(());
        }
        auth::check_strength(key.expose(), limits::PUBLIC_KEY_BYTES_MIN).map_err(|error| {
            invalid(format!(
                "{} can be reached from other machines, and {error}; set AUDITLAKE_ROOT_KEY to a long random one \
                 (openssl rand -hex 32) or leave it out to have one made",
                self.listen
            ))
        })
    }

    /// All fields with their values as a TOML file; what is not set appears as a comment. Never shows keys.
    pub fn to_toml(&self) -> String {
        print::toml(self)
    }
}

/// Parses a file and checks its fields at once, so that an error has the file's name and line.
fn read_file(path: &Path) -> Result<toml::Table> {
    let named = |reason: String| invalid(format!("configuration file {}: {reason}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| named(error.to_string()))?;
    toml::from_str::<Config>(&text).map_err(|error| named(error.to_string()))?;
    toml::from_str(&text).map_err(|error| named(error.to_string()))
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::Invalid, message)
}

#[cfg(test)]
mod tests;
