//! An export to a folder of the machine that asks for it, without a server.
//!
//! In: what is wanted, and a folder. Out: the files in it and `manifest.json`, nothing else. Guaranteed: broken off and asked for again with
//! the same folder, it goes on with the state of the log that it began with; a folder that holds anything else is left
//! alone.

use tokio_util::sync::CancellationToken;

use super::{
    NewExport, Parts, Settings,
    destination::{Destination, Open},
    job::{End, ExportId, Job},
    manifest, pin, queue,
    records::{Records, Stored},
    run::{Broken, Means, Run},
};
use crate::{
    error::{Error, ErrorKind, Result},
    paths,
    store::{self, Store},
};

/// How far an export is.
#[derive(Clone, Copy, Debug)]
pub struct Advance {
    /// From 0 to 1; what is done of an answer to a question is not known.
    pub done: f64,
    /// Rows written.
    pub rows: u64,
}

/// How often `advance` is told.
const TOLD_EVERY: std::time::Duration = std::time::Duration::from_millis(200);

/// Exports to `folder`, which is made if it is missing; `advance` is told how far it is. `None`: `stop` was cancelled.
///
/// # Errors
/// [`ErrorKind::Conflict`] if the folder holds another export, or one that is complete; as [`super::Exports::create`].
pub async fn to_folder(
    parts: Parts,
    settings: &Settings,
    new: NewExport,
    folder: &str,
    stop: &CancellationToken,
    advance: impl Fn(Advance),
) -> Result<Option<(Job, End)>> {
    let store = Store::open(folder, &store::Settings::default()).await?;
    let exported = exported(parts, settings, new, (folder, &store), stop, advance).await;
    if let Err(error) = store.leave(&paths::export_under_way()).await {
        // Folders without anything in them harm nobody.
        tracing::debug!(report = error.report(), folder, "empty folders stay");
    }
    exported
}

async fn exported(
    parts: Parts,
    settings: &Settings,
    new: NewExport,
    (folder, folder_store): (&str, &Store),
    stop: &CancellationToken,
    advance: impl Fn(Advance),
) -> Result<Option<(Job, End)>> {
    let destination = Open::whole(folder_store);
    let records = Records::at(folder_store, paths::export_under_way());
    let Parts { tables, ingest, engine, control, clock, .. } = parts;
    let means = Means::new(engine, tables, control, clock, settings);
    let (job, steps) = match records.stored().await? {
        Some(Stored { job, steps, end: None }) if is_same(&job, &new) => (job, steps),
        Some(_) => return Err(holds(folder, "the beginning of another export")),
        None => {
            if !folder_store.list(&object_store::path::Path::default()).await?.is_empty() {
                return Err(holds(folder, "other files"));
            }
            let settled = (ExportId::new(), Destination::Folder { path: folder.to_owned() });
            let job = pin::job(new, settled, &means, &ingest).await?;
            records.create(&job).await?;
            (job, Vec::new())
        }
    };
    let progress = queue::progress(&job, &steps);
    let run = Run {
        means: &means,
        job: &job,
        records: &records,
        destination: &destination,
        progress: &progress,
        stop,
    };
    let told = async {
        let mut ticks = tokio::time::interval(TOLD_EVERY);
        loop {
            ticks.tick().await;
            advance(Advance { done: progress.estimate().0, rows: progress.rows() });
        }
    };
    let ended = tokio::select! {
        ended = run.to_the_end(steps) => ended,
        () = told => Err(Broken::Stopped),
    };
    match ended {
        Ok(end) => {
            // The manifest says everything that matters from here on.
            records.remove().await?;
            Ok(Some((job, end)))
        }
        Err(Broken::Stopped) => Ok(None),
        Err(Broken::Failed(error)) => Err(error),
    }
}

/// Whether what is wanted is what `job` does.
fn is_same(job: &Job, new: &NewExport) -> bool {
    let compression = new.compression.unwrap_or(new.format.default_compression());
    job.tenant_id == new.tenant
        && job.what == new.what
        && job.format == new.format
        && job.compression == compression
}

fn holds(folder: &str, what: &str) -> Error {
    let message =
        format!("folder '{folder}' holds {what}: choose an empty one ({} is written last)", manifest::NAME);
    Error::new(ErrorKind::Conflict, message)
}
