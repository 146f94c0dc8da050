//! The command line: arguments in, results on stdout, progress and log on stderr, an exit code out.
//!
//! A command opens the store itself, or goes through a running server with `--server`. Guaranteed: what is
//! reported as stored is durable; Ctrl-C finishes what is in flight and says what is done; a second Ctrl-C
//! stops at once, which loses nothing that was reported either.

mod backend;
mod client;
mod compact;
mod demo;
mod demo_steps;
mod export;
mod generate;
mod import;
mod key;
mod pipeline;
mod progress;
mod proof;
mod query;
mod retention;
mod serve;
mod sink;
mod sql;
mod table;
mod tenant;
mod text;
mod verify;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::{
    config::{Config, Flags, Sources},
    error::{Error, ErrorKind, Result},
    telemetry::log,
};

const AFTER_HELP: &str = "\
Examples:
  auditlake demo --exit
  auditlake serve --store s3://my-bucket/audit
  auditlake import --tenant acme --format cloudtrail ./logs
  auditlake sql --tenant acme \"SELECT action, count(*) FROM events GROUP BY action\"
  auditlake query account-takeover --tenant acme

Exit codes:
  0  done    1  failed    2  wrong usage    3  done, but some of the input was refused
  4  verify: the log does not hold
  130  stopped by Ctrl-C or SIGTERM; what is reported as done is done";

/// The audit-log lake you run in your own bucket.
#[derive(Debug, Parser)]
#[command(name = "auditlake", version, after_help = AFTER_HELP, max_term_width = 110)]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command understands.
#[derive(Clone, Debug, Args)]
struct Global {
    /// Where the events are: a folder, file://…, s3://bucket/prefix or memory:// [env: AUDITLAKE_STORE]
    /// [default: ./auditlake-data]
    #[arg(long, global = true, value_name = "URL")]
    store: Option<String>,
    /// Settings as TOML; see `auditlake serve --print-config`
    #[arg(long, global = true, env = "AUDITLAKE_CONFIG", hide_env_values = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Go through this running server instead of opening the store
    #[arg(long, global = true, env = "AUDITLAKE_SERVER", hide_env_values = true, value_name = "URL")]
    server: Option<String>,
    /// The key for --server
    #[arg(long, global = true, env = "AUDITLAKE_KEY", hide_env_values = true, value_name = "KEY")]
    key: Option<String>,
    /// How the log on stderr looks [default: text]
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    /// Log more; twice for everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Accept and answer over HTTP until stopped
    Serve(serve::Arguments),
    /// Store events from files
    Import(import::Arguments),
    /// Ask one question in SQL
    Sql(sql::Arguments),
    /// Ask a saved question, or list them
    Query(query::Arguments),
    /// Write a tenant's log, or the answer to a question, to files
    Export(export::Arguments),
    /// Merge the small files of each day into few large ones
    Compact(compact::Arguments),
    /// Remove the days that tenants no longer keep
    Retention(retention::Arguments),
    /// Make, list, rotate and revoke keys
    Key(key::Arguments),
    /// Show tenants and change what is set for them
    Tenant(tenant::Arguments),
    /// Show where a tenant's Delta table is, and list its files
    Table(table::Arguments),
    /// Print what proves one event
    Proof(proof::Arguments),
    /// Check that a log is whole and unchanged
    Verify(verify::Arguments),
    /// Write the events of a synthetic company as NDJSON
    Generate(generate::Arguments),
    /// Make a sample company, investigate it, and serve it
    Demo(demo::Arguments),
}

/// How a command ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Complete,
    /// Everything usable was done; the rest was refused and named.
    Partial,
    /// It was checked, and does not hold.
    Refuted,
    /// A signal ended it before everything was done.
    Stopped,
}

/// Runs the command that the process was started with.
///
/// Wrong usage ends the process with exit code 2 and the reason.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(Outcome::Complete) => ExitCode::SUCCESS,
        Ok(Outcome::Partial) => ExitCode::from(3),
        Ok(Outcome::Refuted) => ExitCode::from(4),
        Ok(Outcome::Stopped) => ExitCode::from(130),
        Err(error) => {
            eprintln!("error: {}", error.report());
            ExitCode::FAILURE
        }
    }
}

/// How long the end of the program waits for threads that are still at work.
const THREADS_END_MAX: Duration = Duration::from_secs(5);

fn run(arguments: Arguments) -> Result<Outcome> {
    let Arguments { global, command } = arguments;
    let config = global.load_config(&command)?;
    log::init(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Error::with_source(ErrorKind::Internal, "cannot start threads", error))?;
    let outcome = runtime.block_on(async {
        match command {
            Command::Serve(arguments) => serve::run(&arguments, config).await,
            Command::Import(arguments) => import::run(arguments, &global, config).await,
            Command::Sql(arguments) => sql::run(arguments, &global, config).await,
            Command::Query(arguments) => query::run(arguments, &global, config).await,
            Command::Export(arguments) => export::run(arguments, &global, config).await,
            Command::Compact(arguments) => compact::run(&arguments, config).await,
            Command::Retention(arguments) => retention::run(&arguments, config).await,
            Command::Key(arguments) => key::run(arguments, &global, config).await,
            Command::Tenant(arguments) => tenant::run(arguments, &global, config).await,
            Command::Table(arguments) => table::run(arguments, &global, config).await,
            Command::Proof(arguments) => proof::run(&arguments, &global, config).await,
            Command::Verify(arguments) => verify::run(arguments, &global, config).await,
            Command::Generate(arguments) => generate::run(&arguments).await,
            Command::Demo(arguments) => demo::run(&arguments, config).await,
        }
    });
    // Whatever still blocks a thread (a checkpoint, a look-up) nothing rests upon; it must not keep the process.
    runtime.shutdown_timeout(THREADS_END_MAX);
    outcome
}

impl Global {
    /// Defaults, then file, then environment, then flags; the last one wins.
    fn load_config(&self, command: &Command) -> Result<Config> {
        let flags = Flags {
            store: self.store.clone(),
            listen: match command {
                Command::Serve(arguments) => arguments.listen,
                Command::Demo(arguments) => arguments.listen,
                _ => None,
            },
            queries: match command {
                Command::Serve(arguments) => arguments.queries.clone(),
                Command::Query(arguments) => arguments.queries.clone(),
                _ => None,
            },
            log_format: self.log_format.map(|format| match format {
                LogFormat::Text => log::Format::Text,
                LogFormat::Json => log::Format::Json,
            }),
            log_filter: self.log_filter(command).map(str::to_owned),
        };
        let mut sources = Sources::of_process(self.config.clone(), flags);
        if matches!(command, Command::Demo(_)) {
            demo::prepare(&mut sources);
        }
        Config::load(sources)
    }

    fn log_filter(&self, command: &Command) -> Option<&'static str> {
        match (self.verbose, command) {
            (0, Command::Serve(_)) => None,
            // The log of a command that shows its own progress would only stand in between; and Delta's kernel
            // calls a table that does not exist yet an error.
            (0, _) => Some("warn,buoyant_kernel=off"),
            (1, _) => Some("warn,auditlake=debug"),
            _ => Some("debug,auditlake=trace"),
        }
    }

    /// The server to go through, if one is named.
    fn client(&self) -> Result<Option<client::Client>> {
        let Some(server) = &self.server else { return Ok(None) };
        let key = self.key.as_deref().ok_or_else(|| {
            Error::new(ErrorKind::Invalid, "--server needs a key: set --key or AUDITLAKE_KEY")
        })?;
        client::Client::new(server, key).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// Would catch flags that clash or defaults that cannot be parsed: clap finds them at run time only.
    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    /// Would catch a global flag that is only understood in front of the command.
    #[test]
    fn global_flags_stand_anywhere() {
        let parsed =
            Arguments::try_parse_from(["auditlake", "sql", "SELECT 1", "--store", "memory://", "-v"]);
        let global = parsed.unwrap().global;
        assert_eq!((global.store.as_deref(), global.verbose), (Some("memory://"), 1));
    }
}
