//! `auditlake table`: where a tenant's Delta table is, and its live files by name.
//!
//! In: a tenant, and days. Out: on stdout, the table as JSON, or a URL a line, for programs that read Parquet by a list of files.
//! Guaranteed: what is listed holds each committed event of the days once; what is not committed is not in it.

use std::fmt::Write as _;

use chrono::NaiveDate;
use clap::{Args, Subcommand, ValueEnum};
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use super::{Global, Outcome, backend::Backend, client::Client, text};
use crate::{
    auth::{Principal, Tenants},
    config::Config,
    error::{Error, ErrorKind, Result},
    event::TenantId,
    table::{Days, LiveFile},
};

const AFTER_HELP: &str = "\
Examples:
  auditlake table show acme
  auditlake table files acme --first-day 2026-11-01 --last-day 2026-11-07
  auditlake table files acme --format json";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show where a tenant's table is and what is in it, as JSON
    Show {
        /// Which
        tenant: String,
    },
    /// List the live files of a tenant's table
    Files {
        /// Which
        tenant: String,
        /// The first day
        #[arg(long, value_name = "DAY")]
        first_day: Option<NaiveDate>,
        /// The last day
        #[arg(long, value_name = "DAY")]
        last_day: Option<NaiveDate>,
        /// One URL a line, or all that is known of each file
        #[arg(long, value_enum, default_value_t = Format::Urls)]
        format: Format,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Urls,
    Json,
}

pub(super) async fn run(arguments: Arguments, global: &Global, config: Config) -> Result<Outcome> {
    let tenants = Backend::of_tenants(global, config).await?;
    let shown = match arguments.action {
        Action::Show { tenant } => text::json(&tenants.table(&TenantId::parse(&tenant)?).await?)?,
        Action::Files { tenant, first_day, last_day, format } => {
            let files = tenants.files(&TenantId::parse(&tenant)?, Days::new(first_day, last_day)?).await?;
            match format {
                Format::Urls => as_lines(&files),
                Format::Json => text::json(&files)?,
            }
        }
    };
    text::write_stdout(shown.as_bytes())?;
    Ok(Outcome::Complete)
}

impl Backend<Tenants> {
    async fn table(&self, tenant: &TenantId) -> Result<Value> {
        match self {
            Self::Server(client) => {
                client.call(Method::GET, &format!("v1/tenants/{tenant}/table"), None, None).await
            }
            Self::Store(tenants) => {
                let table = tenants.table(&Principal::root(), tenant).await?;
                serde_json::to_value(table).map_err(|error| {
                    Error::with_source(ErrorKind::Internal, "write what is known of the table", error)
                })
            }
        }
    }

    /// All of them: those of a store are of one version.
    async fn files(&self, tenant: &TenantId, days: Days) -> Result<Vec<LiveFile>> {
        match self {
            Self::Server(client) => pages(client, tenant, days).await,
            Self::Store(tenants) => {
                Ok(tenants.live_files(&Principal::root(), tenant, days, usize::MAX).await?.files)
            }
        }
    }
}

/// The files that a server lists, page by page.
async fn pages(client: &Client, tenant: &TenantId, days: Days) -> Result<Vec<LiveFile>> {
    #[derive(Deserialize)]
    struct Page {
        files: Vec<LiveFile>,
        next_cursor: Option<String>,
    }
    let path = format!("v1/tenants/{tenant}/table/files");
    let day = |name, day: Option<NaiveDate>| Some((name, day?.to_string()));
    let mut parameters =
        Vec::from_iter([day("first_day", days.first), day("last_day", days.last)].into_iter().flatten());
    let mut all = Vec::new();
    loop {
        let page = client.get(&path, &parameters).await?;
        let page: Page = serde_json::from_slice(&page).map_err(|error| {
            let message = format!("the server's answer to {path} is not understood");
            Error::with_source(ErrorKind::Unavailable, message, error)
        })?;
        all.extend(page.files);
        let Some(cursor) = page.next_cursor else { return Ok(all) };
        parameters = vec![("cursor", cursor)];
    }
}

fn as_lines(files: &[LiveFile]) -> String {
    files.iter().fold(String::new(), |mut lines, file| {
        let _ = writeln!(lines, "{}", file.url);
        lines
    })
}
