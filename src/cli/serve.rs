//! `auditlake serve`: accept and answer over HTTP until SIGTERM or Ctrl-C.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;

use super::{Outcome, text};
use crate::{
    config::Config,
    error::Result,
    query::saved::Catalogue,
    server::{self, Access, Lake},
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Address and port; port 0 takes a free one [env: AUDITLAKE_LISTEN] [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    pub(super) listen: Option<SocketAddr>,
    /// A folder of saved queries (*.sql) beside the built-in ones
    #[arg(long, value_name = "DIR")]
    pub(super) queries: Option<PathBuf>,
    /// Start although another writer holds the lease; that one then stops by itself
    #[arg(long)]
    take_over: bool,
    /// Print all settings with their values as TOML, and exit
    #[arg(long)]
    print_config: bool,
}

pub(super) async fn run(arguments: &Arguments, config: Config) -> Result<Outcome> {
    if arguments.print_config {
        text::write_stdout(config.to_toml().as_bytes())?;
        return Ok(Outcome::Complete);
    }
    let shutdown = server::shutdown_on_signal();
    // What the user has to put right first: the lease and the store are not touched before that.
    let saved = Catalogue::load(config.query.folder.as_deref())?;
    let listener = server::bind(&config).await?;
    let access = Access::Write { take_over: arguments.take_over };
    let Some(lake) = Lake::open_until(config, access, &shutdown).await? else { return Ok(Outcome::Stopped) };
    server::serve(lake, saved, listener, shutdown).await?;
    Ok(Outcome::Complete)
}
