//! What a command works with: a running server, or the store itself.
//!
//! In: the flags and the configuration. Out: a client of the server that `--server` names, else what does the same in the opened store.
//! Guaranteed: with `--server` the store is not touched.

use super::{Global, client::Client};
use crate::{
    auth::Tenants,
    config::Config,
    error::Result,
    server::{Access, Lake},
};

/// `S` does in a store what a server's routes do.
pub(super) enum Backend<S> {
    Server(Client),
    Store(S),
}

impl<S> Backend<S> {
    /// The server if one is named; else the store, opened to read, of which `of_lake` makes what is needed.
    pub(super) async fn open(
        global: &Global,
        config: Config,
        of_lake: impl AsyncFnOnce(&Lake) -> S,
    ) -> Result<Self> {
        if let Some(client) = global.client()? {
            return Ok(Self::Server(client));
        }
        let lake = Lake::open(config, Access::Read).await?;
        Ok(Self::Store(of_lake(&lake).await))
    }
}

impl Backend<Tenants> {
    /// The tenants of the server or the store.
    pub(super) async fn of_tenants(global: &Global, config: Config) -> Result<Self> {
        let of_lake = async |lake: &Lake| Tenants::new(lake.control().clone(), lake.tables().clone());
        Self::open(global, config, of_lake).await
    }
}
