//! `auditlake verify`: is the log whole and unchanged? Of a store, of an event, of an exported file, or since the last time.
//!
//! In: a store or a server, or only files; verifier keys. Out: what was proven, or exactly what does not hold, on stdout; progress on
//! stderr; an exit code for cron: 0 it holds, 4 it does not, 1 it could not be checked. Guaranteed: offline, nothing but the
//! given files and keys is looked at; a kept checkpoint is replaced only by one that was proven to go on from it.

mod files;
mod monitor;
mod remote;
mod store;

use std::{fs, path::PathBuf};

use clap::{Args, ValueEnum};

use self::remote::Remote;
use super::{Global, Outcome, text};
use crate::{
    config::Config,
    error::{Error, ErrorKind, Result},
    event::TenantId,
    evidence::{Evidence, Verifier},
    store::Store,
};

const AFTER_HELP: &str = "\
Examples:
  auditlake verify                                         every tenant's log in the store
  auditlake verify --tenant acme --public-key 'audit.example.com/acme+5f0c1d2e+AbCd…'
  auditlake verify --proof event.json --public-key KEY      one event, offline
  auditlake verify --file export.ndjson --bundle export.proof --public-key KEY
  auditlake verify --monitor acme.checkpoint --server https://audit.example.com --public-key KEY

Exit codes:
  0  it holds    1  it could not be checked    2  wrong usage    4  it does not hold: something was changed";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Arguments {
    /// Whose log; of a store, all if not given
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// A verifier key (name+hash+base64), or a file of them; may be repeated. Without one, a store's own list is believed
    #[arg(long = "public-key", value_name = "KEY", env = "AUDITLAKE_PUBLIC_KEY", hide_env_values = true)]
    public_keys: Vec<String>,
    /// Check the proof of an event, as GET /v1/events/{id}/proof gives it; offline
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "monitor"])]
    proof: Vec<PathBuf>,
    /// Check an exported file (NDJSON or Parquet; .gz and .zst are unpacked)
    #[arg(long, value_name = "FILE", conflicts_with = "monitor")]
    file: Option<PathBuf>,
    /// What proves the file, offline; without --public-key's log at hand it is the only source
    #[arg(long, value_name = "FILE", requires = "file")]
    bundle: Option<PathBuf>,
    /// Write what proves the file, for a later check with --bundle
    #[arg(long, value_name = "FILE", requires = "file", conflicts_with = "bundle")]
    write_bundle: Option<PathBuf>,
    /// Fetch the newest checkpoint, prove that the log goes on from the one in this file, and keep it there
    #[arg(long, value_name = "FILE")]
    monitor: Option<PathBuf>,
    /// A checkpoint that was kept: the log in the store must begin with it; may be repeated
    #[arg(long, value_name = "FILE", conflicts_with_all = ["proof", "file", "monitor"])]
    checkpoint: Vec<PathBuf>,
    /// How the result looks
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

impl Arguments {
    fn tenant(&self) -> Result<Option<TenantId>> {
        self.tenant.as_deref().map(TenantId::parse).transpose()
    }

    /// The keys given, from the command line or from files.
    fn verifiers(&self) -> Result<Vec<Verifier>> {
        let mut verifiers = Vec::new();
        for given in &self.public_keys {
            match fs::read_to_string(given) {
                Ok(text) => {
                    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
                    verifiers.extend(lines.map(str::parse).collect::<Result<Vec<Verifier>>>()?);
                }
                // As `auditlake key verifier` prints them: one a line.
                Err(_) => {
                    verifiers.extend(given.lines().map(str::parse).collect::<Result<Vec<Verifier>>>()?);
                }
            }
        }
        Ok(verifiers)
    }

    /// The keys, where there must be some.
    fn required_verifiers(&self) -> Result<Vec<Verifier>> {
        let verifiers = self.verifiers()?;
        if verifiers.is_empty() {
            let message = "this is checked against a verifier key: give it by --public-key (see auditlake key verifier)";
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        Ok(verifiers)
    }
}

pub(super) async fn run(arguments: Arguments, global: &Global, config: Config) -> Result<Outcome> {
    if !arguments.proof.is_empty() {
        return files::proofs(&arguments);
    }
    if let Some(file) = &arguments.file {
        return files::file(&arguments, file, global, &config).await;
    }
    if let Some(kept) = &arguments.monitor {
        return monitor::run(&arguments, kept, global, &config).await;
    }
    store::run(&arguments, global, config).await
}

/// Tiles and checkpoints of one tenant, from a server or a store.
enum Source {
    Server(Remote),
    Store(crate::evidence::Stored),
}

impl Source {
    async fn of(arguments: &Arguments, global: &Global, config: &Config) -> Result<Self> {
        let tenant = arguments.tenant()?;
        if let Some(client) = global.client()? {
            return Ok(Self::Server(Remote::new(client, tenant)));
        }
        let Some(tenant) = tenant else {
            return Err(Error::new(ErrorKind::Invalid, "name the log with --tenant"));
        };
        let store = Store::open(&config.store, &config.object_store).await?;
        let evidence = Evidence::open_to_read(&store, &config.evidence).await?;
        Ok(Self::Store(evidence.of(&tenant)))
    }

    /// The newest checkpoint's note, not believed yet.
    async fn checkpoint(&self) -> Result<String> {
        match self {
            Self::Server(remote) => remote.checkpoint().await,
            Self::Store(tree) => {
                let newest = tree.newest_checkpoint().await?;
                let missing =
                    || Error::new(ErrorKind::NotFound, "the store has no checkpoint of this tenant");
                newest.map(|(_, note)| note).ok_or_else(missing)
            }
        }
    }
}

/// Writes one line, or one JSON object.
fn show(format: Format, line: &str, json: &impl serde::Serialize) -> Result<()> {
    let text = match format {
        Format::Text => format!("{line}\n"),
        Format::Json => {
            let json = serde_json::to_string(json);
            json.map_err(|error| Error::with_source(ErrorKind::Internal, "write the result", error))? + "\n"
        }
    };
    text::write_stdout(text.as_bytes()).map(drop)
}
