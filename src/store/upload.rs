//! A file written in parts to a folder: the parts go straight to their places in a staging file, and completing it
//! takes the same durable steps as any other write. Until then nothing is visible; dropping it removes it.

use std::{
    io,
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use futures::FutureExt;
use object_store::{Error, MultipartUpload, PutPayload, PutResult, Result, UploadPart};
use tokio::{runtime::Handle, task::spawn_blocking};

use super::{
    local::{Disk, Placing},
    staging::Staged,
};

/// One upload; parts may be written in any order and at the same time.
#[derive(Debug)]
pub(super) struct Upload {
    disk: Arc<Disk>,
    /// `None` once completed or aborted.
    parts: Option<Arc<Parts>>,
    target: PathBuf,
    /// Where the next part goes: the bytes handed over so far.
    offset: u64,
}

#[derive(Debug)]
struct Parts {
    staged: Staged,
    /// Bytes that have reached the file; less than handed over when a part failed or was never awaited.
    written: AtomicU64,
}

impl Upload {
    pub(super) fn new(disk: Arc<Disk>, staged: Staged, target: PathBuf) -> Self {
        let parts = Some(Arc::new(Parts { staged, written: AtomicU64::new(0) }));
        Self { disk, parts, target, offset: 0 }
    }

    fn take(&mut self) -> Result<Arc<Parts>> {
        self.parts.take().ok_or_else(|| self.error("it is completed or aborted already"))
    }

    fn error(&self, reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        let reason = reason.into();
        let source = io::Error::other(format!("cannot write {} in parts: {reason}", self.target.display()));
        Error::Generic { store: "DurableLocal", source: Box::new(source) }
    }
}

impl Parts {
    fn write(&self, payload: &PutPayload, start: u64) -> io::Result<()> {
        let mut offset = start;
        for chunk in payload {
            self.staged.file.write_all_at(chunk, offset)?;
            offset += chunk.len() as u64;
        }
        self.written.fetch_add(offset - start, Ordering::AcqRel);
        Ok(())
    }
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, payload: PutPayload) -> UploadPart {
        let start = self.offset;
        self.offset += payload.content_length() as u64;
        let parts = match &self.parts {
            Some(parts) => Arc::clone(parts),
            None => return futures::future::ready(Err(self.error("it is over"))).boxed(),
        };
        async move {
            let written = spawn_blocking(move || parts.write(&payload, start)).await?;
            written.map_err(|source| Error::Generic { store: "DurableLocal", source: Box::new(source) })
        }
        .boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let parts = self.take()?;
        let written = parts.written.load(Ordering::Acquire);
        if written != self.offset {
            return Err(self.error(format!("{written} of {} bytes were written", self.offset)));
        }
        let (disk, target) = (Arc::clone(&self.disk), self.target.clone());
        spawn_blocking(move || disk.place(&parts.staged, target, Placing::Overwrite)).await??;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn abort(&mut self) -> Result<()> {
        let parts = self.take()?;
        Ok(spawn_blocking(move || drop(parts)).await?)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // Removing a large file takes a while: not on a thread that runs futures.
        if let (Some(parts), Ok(runtime)) = (self.parts.take(), Handle::try_current()) {
            runtime.spawn_blocking(move || drop(parts));
        }
    }
}
