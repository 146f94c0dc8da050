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
    local::{Disk, Placing, STORE, failed},
    staging::Staged,
};

/// One upload; parts may be written in any order and at the same time.
#[derive(Debug)]
pub(super) struct Upload {
    disk: Arc<Disk>,
    /// `None` once completed or aborted.
    parts: Option<Arc<Parts>>,
    /// Where the next part goes: the bytes handed over so far.
    offset: u64,
}

#[derive(Debug)]
struct Parts {
    target: PathBuf,
    staged: Staged,
    /// Bytes that have reached the file; less than handed over when a part failed or was never awaited.
    written: AtomicU64,
}

impl Upload {
    pub(super) fn new(disk: Arc<Disk>, staged: Staged, target: PathBuf) -> Self {
        let parts = Some(Arc::new(Parts { target, staged, written: AtomicU64::new(0) }));
        Self { disk, parts, offset: 0 }
    }

    fn take(&mut self) -> Result<Arc<Parts>> {
        self.parts.take().ok_or_else(over)
    }
}

impl Parts {
    fn write(&self, payload: &PutPayload, start: u64) -> Result<()> {
        let mut offset = start;
        for chunk in payload {
            self.staged.file.write_all_at(chunk, offset).map_err(failed("write a part of", &self.target))?;
            offset += chunk.len() as u64;
        }
        self.written.fetch_add(offset - start, Ordering::AcqRel);
        Ok(())
    }

    /// All `expected` bytes must have arrived: a caller may have ignored a part's error.
    fn check(&self, expected: u64) -> Result<()> {
        let written = self.written.load(Ordering::Acquire);
        if written == expected {
            return Ok(());
        }
        let reason = io::Error::other(format!("{written} of {expected} bytes were written"));
        Err(failed("complete", &self.target)(reason))
    }
}

fn over() -> Error {
    let source = "an upload that is completed or aborted takes nothing more".into();
    Error::Generic { store: STORE, source }
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, payload: PutPayload) -> UploadPart {
        let start = self.offset;
        self.offset += payload.content_length() as u64;
        let Some(parts) = self.parts.clone() else {
            return futures::future::ready(Err(over())).boxed();
        };
        async move { spawn_blocking(move || parts.write(&payload, start)).await? }.boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let parts = self.take()?;
        parts.check(self.offset)?;
        let disk = Arc::clone(&self.disk);
        spawn_blocking(move || disk.place(&parts.staged, parts.target.clone(), Placing::Overwrite)).await??;
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
