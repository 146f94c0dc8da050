//! A store opened with everything that works on it.

use std::fmt;

use tokio_util::sync::CancellationToken;

use super::{erased, expire, exported::recorded};
use crate::{
    config::Config,
    control::Control,
    erasure::{self, Erasures},
    error::{Error, ErrorKind, Result},
    evidence::Evidence,
    export::{self, Exports, continuous::Continuous},
    index::Indexes,
    ingest::{self, Ingest, Parts},
    logbook::Logbook,
    paths,
    query::Engine,
    store::Store,
    table::Tables,
    telemetry::{Clock, Metrics},
};

/// What a process may do with the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Accept events, commit and compact: takes the lease, of which there is one.
    Write {
        /// Take the lease even if another writer seems to hold it.
        take_over: bool,
    },
    /// Query only, beside a writer or alone; sees what was acknowledged when it was opened.
    Read,
}

/// An open store: tables, queries and, for a writer, ingest.
pub struct Lake {
    config: Config,
    clock: Clock,
    metrics: Metrics,
    store: Store,
    tables: Tables,
    indexes: Indexes,
    control: Control,
    evidence: Evidence,
    engine: Engine,
    ingest: Option<Ingest>,
}

impl fmt::Debug for Lake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let writes = self.ingest.is_some();
        f.debug_struct("Lake").field("store", &self.store.display()).field("writes", &writes).finish()
    }
}

impl Lake {
    /// Opens the store of `config` on the system's clock. When it returns, every event ever acknowledged is visible.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] while another writer holds the lease; [`ErrorKind::NotFound`] for reading what nobody
    /// ever wrote to; otherwise as the store.
    pub async fn open(config: Config, access: Access) -> Result<Self> {
        let store = Store::open(&config.store, &config.object_store).await?;
        Self::open_on(store, Clock::system(), config, access).await
    }

    /// The same, given up as soon as `stop` is cancelled: `None`, and the store is as after a crash. A store that does not
    /// answer would otherwise keep the process until the last retry.
    ///
    /// # Errors
    /// As [`Lake::open`].
    pub async fn open_until(
        config: Config,
        access: Access,
        stop: &CancellationToken,
    ) -> Result<Option<Self>> {
        stop.run_until_cancelled(Self::open(config, access)).await.transpose()
    }

    /// [`Lake::open`] over a given store and clock.
    ///
    /// # Errors
    /// As [`Lake::open`].
    pub async fn open_on(store: Store, clock: Clock, config: Config, access: Access) -> Result<Self> {
        let metrics = Metrics::default();
        let tables = Tables::open(store.clone(), clock.clone(), config.table.clone()).await?;
        // Before the lease is taken, which a failure here would leave behind.
        let indexes = Indexes::open(store.clone(), clock.clone(), config.index.clone());
        let control = Control::open(store.clone(), clock.clone()).await?;
        // From here on; what was written before is of no tenant.
        store.lock_by(control.lock_rule());
        let engine = Engine::new(
            &store,
            tables.clone(),
            indexes.clone(),
            Some(control.clone()),
            clock.clone(),
            config.query.clone(),
        )?;
        let evidence = match access {
            Access::Write { .. } => {
                let key = config.signing_key.as_ref().map(|key| key.expose());
                Evidence::open(&store, &clock, &config.evidence, key).await?
            }
            Access::Read => Evidence::open_to_read(&store, &config.evidence).await?,
        };
        let ingest = match access {
            Access::Write { take_over } => {
                let parts = Parts {
                    store: store.clone(),
                    tables: tables.clone(),
                    indexes: indexes.clone(),
                    control: control.clone(),
                    evidence: evidence.clone(),
                    clock: clock.clone(),
                    metrics: metrics.clone(),
                    on_left_out: expire::on_left_out(&config.logbook, &clock),
                };
                tables.record_layout().await?;
                Some(Ingest::open(parts, config.ingest.clone(), take_over).await?)
            }
            Access::Read => {
                require_written(&store).await?;
                ingest::read_uncommitted(&store, &tables).await?;
                None
            }
        };
        Ok(Self { config, clock, metrics, store, tables, indexes, control, evidence, engine, ingest })
    }

    /// The way in.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if the lake was opened for reading.
    pub fn ingest(&self) -> Result<&Ingest> {
        let message =
            || Error::new(ErrorKind::Invalid, format!("{} is open for reading only", self.store.display()));
        self.ingest.as_ref().ok_or_else(message)
    }

    /// The way out.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The log of the log.
    ///
    /// # Errors
    /// As [`Lake::ingest`].
    pub fn logbook(&self) -> Result<Logbook> {
        let (ingest, settings) = (self.ingest()?.clone(), self.config.logbook.clone());
        Ok(Logbook::new(ingest, self.tables.clone(), self.clock.clone(), settings))
    }

    /// Exports that are kept in the store.
    ///
    /// # Errors
    /// As [`Lake::ingest`] and [`Exports::open`].
    pub async fn exports(&self) -> Result<Exports> {
        let on_completed = recorded(self.logbook()?);
        Exports::open(self.export_parts()?, self.config.export.clone(), on_completed).await
    }

    /// Exports that follow the log.
    ///
    /// # Errors
    /// As [`Lake::ingest`].
    pub fn continuous(&self) -> Result<Continuous> {
        let metrics = self.metrics.delivery.clone();
        Ok(Continuous::open(self.export_parts()?, &self.config.export, metrics))
    }

    /// Erasures.
    ///
    /// # Errors
    /// As [`Lake::ingest`] and [`Erasures::open`].
    pub async fn erasures(&self) -> Result<Erasures> {
        let parts = erasure::Parts {
            store: self.store.clone(),
            tables: self.tables.clone(),
            indexes: self.indexes.clone(),
            ingest: self.ingest()?.clone(),
            control: self.control.clone(),
            clock: self.clock.clone(),
        };
        Erasures::open(parts, erased::recorded(self.logbook()?)).await
    }

    /// What any export stands on.
    ///
    /// # Errors
    /// As [`Lake::ingest`].
    pub fn export_parts(&self) -> Result<export::Parts> {
        Ok(export::Parts {
            store: self.store.clone(),
            tables: self.tables.clone(),
            ingest: self.ingest()?.clone(),
            engine: self.engine.clone(),
            control: self.control.clone(),
            clock: self.clock.clone(),
            object_store: self.config.object_store.clone(),
            sealer: self.config.sealer.clone(),
        })
    }

    /// All tenants' tables.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// All tenants' skip indexes.
    pub fn indexes(&self) -> &Indexes {
        &self.indexes
    }

    /// Keys and tenants' settings; the one of this process.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// The tenants' Merkle trees.
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// Where everything is kept.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The clock that everything goes by.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The numbers of this process.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The configuration it was opened with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// For a writer: finishes and commits what was accepted and gives up the lease.
    ///
    /// # Errors
    /// If the last commit fails: its events stay in the WAL, and the next start commits them.
    pub async fn close(self) -> Result<()> {
        match self.ingest {
            Some(ingest) => ingest.close().await,
            None => Ok(()),
        }
    }
}

/// A mistyped location must not answer like a store without events. A writer's first act is to claim an epoch.
async fn require_written(store: &Store) -> Result<()> {
    if store.list(&paths::epochs()).await?.is_empty() {
        let message = format!("nothing was ever written to {}: is it the right store?", store.display());
        return Err(Error::new(ErrorKind::NotFound, message));
    }
    Ok(())
}
