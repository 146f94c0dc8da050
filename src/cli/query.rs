//! `auditlake query`: a saved question by its name, its answer on stdout; without a name, what there is to ask.
//!
//! The questions are those built in and those of `--queries`; with `--server`, those that the server knows. Values are
//! passed on as they are typed: the question's header says what they have to be.

use std::{fmt::Write as _, path::PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};

use super::{Global, Outcome, client::Client, sql, text};
use crate::{
    config::Config,
    error::{Error, ErrorKind, Result},
    event::TenantId,
    query::{
        Scope,
        format::{Format, encode},
        saved::{Catalogue, Description, Parameter},
    },
    server::{Access, Lake},
};

const AFTER_HELP: &str = "\
Examples:
  auditlake query
  auditlake query who-deleted --describe
  auditlake query who-deleted --tenant acme --param target=d_9 --param from=today-89";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Arguments {
    /// The question; lists all if not given
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// A value for one of its parameters
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parse_param, requires = "name")]
    params: Vec<(String, String)>,
    /// Whose events; all tenants' if not given
    #[arg(long, value_name = "ID", requires = "name")]
    tenant: Option<String>,
    /// table, json, ndjson, csv, csv-raw (text as it is, not for spreadsheets), arrow or parquet; what is listed or described, as table or json
    #[arg(long, default_value = "table", value_name = "FORMAT", value_parser = sql::parse_format)]
    format: Format,
    /// Say what it asks, its parameters and columns, instead of asking it
    #[arg(long, requires = "name", conflicts_with_all = ["params", "tenant"])]
    describe: bool,
    /// A folder of saved questions (*.sql) beside the built-in ones
    #[arg(long, value_name = "DIR")]
    pub(super) queries: Option<PathBuf>,
}

/// The value stays text: its parameter knows its type.
pub(super) fn parse_param(given: &str) -> Result<(String, String), String> {
    let (name, value) = given.split_once('=').ok_or_else(|| format!("{given:?} is not NAME=VALUE"))?;
    Ok((name.trim_start_matches('$').to_owned(), value.to_owned()))
}

pub(super) async fn run(arguments: Arguments, global: &Global, config: Config) -> Result<Outcome> {
    let client = global.client()?;
    if client.is_some() && arguments.queries.is_some() {
        let message = "--queries is for questions to a store; with --server, the server's own folder counts";
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    match &arguments.name {
        Some(name) if !arguments.describe => ask(name, &arguments, client, config).await,
        name => show(name.as_deref(), arguments.format, client, &config).await,
    }
}

async fn ask(name: &str, arguments: &Arguments, client: Option<Client>, config: Config) -> Result<Outcome> {
    let format = arguments.format;
    sql::refuse_bytes_for_people(format)?;
    let tenant = arguments.tenant.as_deref().map(TenantId::parse).transpose()?;
    let params = params(&arguments.params)?;
    sql::finish(async {
        if let Some(client) = client {
            return sql::print(client.query(name, tenant.as_ref(), &params, format).await?).await;
        }
        let saved = Catalogue::load(config.query.folder.as_deref())?;
        let investigation = saved.get(name)?;
        let scope = tenant.map_or(Scope::All, Scope::Tenant);
        let today = crate::telemetry::Clock::system().now().date_naive();
        // Its mistakes are told without opening a store.
        let request = investigation.request(&params, scope, today)?;
        let lake = Lake::open(config, Access::Read).await?;
        sql::print(encode(lake.engine().run(request).await?, format)).await
    })
    .await
}

/// Each parameter once: of two values, which one counts would be a guess.
pub(super) fn params(given: &[(String, String)]) -> Result<Map<String, Value>> {
    let mut params = Map::new();
    for (name, value) in given {
        if params.insert(name.clone(), value.as_str().into()).is_some() {
            let message =
                format!("parameter '{name}' is given more than once; a list has commas: {name}=a,b");
            return Err(Error::new(ErrorKind::Invalid, message));
        }
    }
    Ok(params)
}

async fn show(
    name: Option<&str>,
    format: Format,
    client: Option<Client>,
    config: &Config,
) -> Result<Outcome> {
    let descriptions: Vec<Description> = match (client, name) {
        (Some(client), _) => client.queries().await?,
        (None, None) => Catalogue::load(config.query.folder.as_deref())?.descriptions().cloned().collect(),
        (None, Some(name)) => {
            vec![Catalogue::load(config.query.folder.as_deref())?.get(name)?.description().clone()]
        }
    };
    let shown = match (name, format) {
        (None, Format::Table) => list(&descriptions),
        (None, Format::Json) => format!("{}\n", json!({"queries": descriptions})),
        (Some(name), _) => {
            let found = descriptions.iter().find(|description| description.name == name);
            let found = found.ok_or_else(|| {
                Error::new(ErrorKind::NotFound, format!("the server has no query '{name}'"))
            })?;
            match format {
                Format::Table => describe(found),
                Format::Json => format!("{}\n", json!(found)),
                other => return Err(not_for_descriptions(other)),
            }
        }
        (None, other) => return Err(not_for_descriptions(other)),
    };
    text::write_stdout(shown.as_bytes())?;
    Ok(Outcome::Complete)
}

fn not_for_descriptions(format: Format) -> Error {
    let message = format!("what can be asked is shown as table or json, not as {}", format.name());
    Error::new(ErrorKind::Invalid, message)
}

fn list(descriptions: &[Description]) -> String {
    let width = widest(descriptions.iter().map(|description| description.name.as_str()));
    let mut text = String::new();
    for Description { name, title, .. } in descriptions {
        line(&mut text, format_args!("{name:width$}  {title}"));
    }
    line(&mut text, format_args!("\nauditlake query NAME --describe says more."));
    text
}

fn describe(description: &Description) -> String {
    let Description { name, title, question, parameters, columns } = description;
    let mut text = String::new();
    line(&mut text, format_args!("{title}\n\n{question}"));
    if !parameters.is_empty() {
        line(&mut text, format_args!("\nParameters:"));
    }
    let names = widest(parameters.iter().map(|parameter| parameter.name.as_str()));
    let kinds = widest(parameters.iter().map(|parameter| parameter.kind.name()));
    for parameter in parameters {
        let Parameter { name, kind, about, .. } = parameter;
        line(&mut text, format_args!("  {name:names$}  {kind:kinds$}  {about} [{}]", default(parameter)));
    }
    line(&mut text, format_args!("\nColumns:"));
    let width = widest(columns.iter().map(|column| column.name.as_str()));
    for column in columns {
        line(&mut text, format_args!("  {:width$}  {}", column.name, column.about));
    }
    let required = parameters.iter().filter(|parameter| parameter.required);
    let required: String = required
        .map(|parameter| format!(" --param {}={}", parameter.name, parameter.name.to_uppercase()))
        .collect();
    line(&mut text, format_args!("\nauditlake query {name} --tenant TENANT{required}"));
    text
}

/// The default as one would type it.
fn default(parameter: &Parameter) -> String {
    match &parameter.default {
        _ if parameter.required => "required".to_owned(),
        Value::Null => "optional".to_owned(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn widest<'a>(texts: impl Iterator<Item = &'a str>) -> usize {
    texts.map(str::len).max().unwrap_or_default()
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("writing to a string does not fail");
}
