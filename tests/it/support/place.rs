//! Where a test keeps its events: a new folder, or a new bucket of a real S3 server; and the real command line on it.

use std::{path::Path, process::Command, sync::Arc};

use object_store::{ObjectStore, local::LocalFileSystem};
use serde_json::Value;
use tempfile::TempDir;

use super::{
    program::{Ended, command, run},
    s3::{BUCKET, S3Server},
    server::Launch,
};

/// Leaves what was accepted uncommitted until something asks for a commit, so that a test knows where its events are.
const CALM: [(&str, &str); 2] =
    [("AUDITLAKE_INGEST__FLUSH_AGE_MS", "3600000"), ("AUDITLAKE_INGEST__FLUSH_ROWS", "1000000")];
/// Where on S3 the store is.
const S3_PREFIX: &str = "some/prefix";

/// An empty store; its events are gone when it is dropped.
pub(crate) struct Place {
    launch: Launch,
    folder: Option<TempDir>,
    s3: Option<S3Server>,
}

impl Place {
    pub(crate) fn folder() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let launch = Launch { store: folder.path().display().to_string(), environment: Vec::new() };
        Self { launch, folder: Some(folder), s3: None }
    }

    pub(crate) fn s3() -> Self {
        let s3 = S3Server::start();
        let launch =
            Launch { store: format!("s3://{BUCKET}/{S3_PREFIX}"), environment: s3.environment().into() };
        Self { launch, folder: None, s3: Some(s3) }
    }

    /// What `--store` names.
    pub(crate) fn store(&self) -> &str {
        &self.launch.store
    }

    /// The folder that the store is, unless it is on S3.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.folder.as_ref().map(TempDir::path)
    }

    /// The S3 server that the store is on, unless it is a folder.
    pub(crate) fn s3_server(&self) -> Option<&S3Server> {
        self.s3.as_ref()
    }

    /// What is in the store, beneath everything of ours.
    pub(crate) async fn objects(&self) -> Arc<dyn ObjectStore> {
        match (&self.s3, self.path()) {
            (Some(s3), _) => s3.store(S3_PREFIX).await.unwrap().object_store(),
            (None, Some(folder)) => Arc::new(LocalFileSystem::new_with_prefix(folder).unwrap()),
            (None, None) => unreachable!("a place is a folder or on S3"),
        }
    }

    /// What a process needs in its environment to open the store.
    pub(crate) fn environment(&self) -> &[(&'static str, String)] {
        &self.launch.environment
    }

    /// A server on the store that commits, merges and sweeps all the time.
    pub(crate) fn busy(&self) -> Launch {
        self.launch.clone()
    }

    /// A server on the store that commits when it ends, and no sooner.
    pub(crate) fn calm(&self) -> Launch {
        let mut launch = self.launch.clone();
        launch.environment.extend(CALM.map(|(name, value)| (name, value.to_owned())));
        launch
    }

    /// The program with these arguments, on this store.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(arguments);
        command.args(["--store", self.store()]);
        command.env("AUDITLAKE_LOGBOOK__ENABLED", "false");
        command.envs(self.environment().iter().map(|(name, value)| (*name, value)));
        command
    }

    /// Runs the program on this store to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        run(self.command(arguments), b"")
    }

    /// The rows of a query, which must succeed and say nothing on stderr.
    pub(crate) fn sql(&self, sql: &str) -> Vec<Value> {
        self.run(&["sql", "--format", "ndjson", sql]).rows()
    }
}

/// Runs each check in a folder and on S3, as tests of their own names.
macro_rules! in_every_place {
    ($($check:ident),* $(,)?) => {
        $crate::support::place::in_every_place!(@ folder: $($check),*);
        $crate::support::place::in_every_place!(@ s3: $($check),*);
    };
    (@ $place:ident: $($check:ident),*) => {
        mod $place {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $check() {
                    super::$check(&$crate::support::place::Place::$place()).await;
                }
            )*
        }
    };
}
pub(crate) use in_every_place;
