//! A folder as an object store in which every write is durable before it is reported.
//!
//! object_store's `LocalFileSystem` never calls fsync: a write it reported can be gone, or full of zeros, after a power
//! failure. Here a write takes these steps, in this order, and no later one starts before an earlier one succeeded:
//!
//! 1. the bytes go to a staging file (`staging.rs`); missing folders are made;
//! 2. the file is fsynced;
//! 3. the parents of folders not yet known to be durable are fsynced (`folders.rs`) — after the file, for a
//!    journalling file system has by then written the new folders with it and has nothing left to do;
//! 4. the file gets its name: a hard link where it must be new (fails if the name is taken), else a rename;
//! 5. the folder of the name is fsynced.
//!
//! A failed fsync is never tried again on the same file: the kernel may have dropped the pages and would report success
//! (fsyncgate). Up to step 4 a failure leaves nothing behind; after it, the error says that the outcome is unknown.
//! Deletes are not fsynced: see `Store::delete`. Reads and listings are `LocalFileSystem`'s own.
//!
//! What the tests cannot show is the fsync itself, which needs a power failure: they show the order of the steps by
//! making single steps fail.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Write},
    ops::Range,
    path::PathBuf,
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::{
    CopyMode, CopyOptions, Error as StoreError, GetOptions, GetResult, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
    local::LocalFileSystem, path::Path,
};

use super::{
    folders::{Folders, create_root, fsync_folder},
    staging::{STAGING_FOLDER, Staged, Staging},
    upload::Upload,
};
use crate::error::{Error, ErrorKind};

/// Name in errors of object_store.
pub(super) const STORE: &str = "DurableLocal";

/// A folder whose writes are durable when reported. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct DurableLocal {
    files: LocalFileSystem,
    disk: Arc<Disk>,
}

/// The blocking half: everything here is called on a thread that may wait for the disk.
#[derive(Debug)]
pub(super) struct Disk {
    root: PathBuf,
    folders: Folders,
    staging: Staging,
}

/// What a new file does to one that has the name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placing {
    /// Leaves it: the write fails.
    Create,
    /// Replaces it.
    Overwrite,
}

/// A step of a write that failed.
#[derive(Debug, thiserror::Error)]
enum DiskError {
    #[error("cannot {step} {}: {source}", path.display())]
    Step { step: &'static str, path: PathBuf, source: io::Error },
    #[error(
        "{} has its name but the folder cannot be fsynced, so a power failure may undo it: the outcome is unknown: {source}",
        path.display()
    )]
    NotDurable { path: PathBuf, source: io::Error },
}

impl DurableLocal {
    /// Opens the folder, making it if it is missing. `Invalid` if it is not a folder or cannot be written.
    pub(super) async fn open(folder: PathBuf) -> Result<Self, Error> {
        let shown = folder.display().to_string();
        let opened = tokio::task::spawn_blocking(move || Self::open_blocking(folder)).await;
        opened
            .map_err(|error| Error::with_source(ErrorKind::Internal, format!("open store {shown}"), error))?
    }

    fn open_blocking(folder: PathBuf) -> Result<Self, Error> {
        let refuse = |reason: String| {
            move |error: io::Error| {
                let kind = match error.kind() {
                    io::ErrorKind::StorageFull | io::ErrorKind::ResourceBusy => ErrorKind::Unavailable,
                    _ => ErrorKind::Invalid,
                };
                Error::with_source(kind, format!("{reason}: {error}"), error)
            }
        };
        let shown = folder.display().to_string();
        if folder.exists() && !folder.is_dir() {
            return Err(Error::new(ErrorKind::Invalid, format!("store {shown} is a file, not a folder")));
        }
        create_root(&folder).map_err(refuse(format!("store folder {shown} cannot be made")))?;
        let root =
            folder.canonicalize().map_err(refuse(format!("store folder {shown} cannot be resolved")))?;
        let staging =
            Staging::claim(&root).map_err(refuse(format!("store folder {shown} cannot be written")))?;
        let files = LocalFileSystem::new_with_prefix(&root)
            .map_err(|error| Error::with_source(ErrorKind::Invalid, format!("open store {shown}"), error))?;
        Ok(Self { files, disk: Arc::new(Disk { folders: Folders::new(root.clone()), root, staging }) })
    }

    /// The folder itself.
    pub(super) fn root(&self) -> &std::path::Path {
        &self.disk.root
    }

    /// Fsyncs a file that exists, and the folders that lead to it.
    pub(super) async fn make_durable(&self, location: &Path) -> Result<()> {
        let path = self.files.path_to_filesystem(location)?;
        self.blocking(move |disk| disk.make_durable(path)).await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Disk) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let disk = Arc::clone(&self.disk);
        tokio::task::spawn_blocking(move || work(&disk)).await?
    }
}

impl Disk {
    fn write(&self, payload: &PutPayload, path: PathBuf, placing: Placing) -> Result<()> {
        let mut staged = self.stage(&path)?;
        let mut chunks = payload.iter();
        chunks.try_for_each(|chunk| staged.file.write_all(chunk)).map_err(failed("write", &path))?;
        self.place(&staged, path, placing)
    }

    /// A file for the bytes of `path`.
    pub(super) fn stage(&self, path: &std::path::Path) -> Result<Staged> {
        self.staging.create().map_err(failed("make a staging file for", path))
    }

    /// Steps 2 to 5 of a write; the staged file is complete.
    pub(super) fn place(&self, staged: &Staged, path: PathBuf, placing: Placing) -> Result<()> {
        let folder = path.parent().unwrap_or(&self.root);
        let unsynced = self.folders.create(folder).map_err(failed("make the folder of", &path))?;
        staged.file.sync_all().map_err(failed("fsync the content of", &path))?;
        self.folders.sync(unsynced).map_err(failed("fsync the folders of", &path))?;
        self.name(staged, &path, placing)?;
        fsync_folder(folder).map_err(|source| {
            let path = path.clone();
            StoreError::Generic { store: STORE, source: Box::new(DiskError::NotDurable { path, source }) }
        })
    }

    fn name(&self, staged: &Staged, path: &std::path::Path, placing: Placing) -> Result<()> {
        let named = match placing {
            Placing::Create => fs::hard_link(&staged.path, path),
            Placing::Overwrite => fs::rename(&staged.path, path),
        };
        match named {
            Err(source) if placing == Placing::Create && source.kind() == io::ErrorKind::AlreadyExists => {
                Err(StoreError::AlreadyExists { path: path.display().to_string(), source: Box::new(source) })
            }
            Err(source) => {
                let step = match source.kind() {
                    io::ErrorKind::CrossesDevices => "leave the store's own file system for",
                    _ => "give its name to",
                };
                if source.kind() == io::ErrorKind::NotFound {
                    // Someone removed the folder under us; the next write makes it again.
                    self.folders.forget();
                }
                Err(failed(step, path)(source))
            }
            Ok(()) => Ok(()),
        }
    }

    fn copy(&self, from: PathBuf, to: PathBuf, placing: Placing) -> Result<()> {
        let staged = self.staging.link(&from).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => absent(&from, source),
            _ => failed("copy", &from)(source),
        })?;
        self.place(&staged, to, placing)
    }

    fn make_durable(&self, path: PathBuf) -> Result<()> {
        let file = File::open(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => absent(&path, source),
            _ => failed("open", &path)(source),
        })?;
        file.sync_all().map_err(failed("fsync the content of", &path))?;
        let folder = path.parent().unwrap_or(&self.root);
        let unsynced = self.folders.create(folder).map_err(failed("make the folder of", &path))?;
        self.folders.sync(unsynced).map_err(failed("fsync the folders of", &path))?;
        fsync_folder(folder).map_err(failed("fsync the folder of", &path))
    }
}

/// The error of a step, for `map_err`.
pub(super) fn failed(step: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_path_buf();
    move |source| StoreError::Generic {
        store: STORE,
        source: Box::new(DiskError::Step { step, path, source }),
    }
}

fn absent(path: &std::path::Path, source: io::Error) -> StoreError {
    StoreError::NotFound { path: path.display().to_string(), source: Box::new(source) }
}

#[async_trait]
impl ObjectStore for DurableLocal {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let placing = match options.mode {
            PutMode::Create => Placing::Create,
            PutMode::Overwrite => Placing::Overwrite,
            PutMode::Update(_) => return Err(self.not_implemented("conditional overwrite")),
        };
        if !options.attributes.is_empty() {
            return Err(self.not_implemented("attributes"));
        }
        let path = self.files.path_to_filesystem(location)?;
        self.blocking(move |disk| disk.write(&payload, path, placing)).await?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        if !options.attributes.is_empty() {
            return Err(self.not_implemented("attributes"));
        }
        let path = self.files.path_to_filesystem(location)?;
        let target = path.clone();
        let staged = self.blocking(move |disk| disk.stage(&path)).await?;
        Ok(Box::new(Upload::new(Arc::clone(&self.disk), staged, target)))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.files.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.files.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.files.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.files.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.files.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let mut listed = self.files.list_with_delimiter(prefix).await?;
        listed.common_prefixes.retain(|folder| folder.as_ref() != STAGING_FOLDER);
        Ok(listed)
    }

    /// A copy is a second name for the same bytes: no object is ever changed in place, so that cannot be seen.
    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let placing = match options.mode {
            CopyMode::Create => Placing::Create,
            CopyMode::Overwrite => Placing::Overwrite,
        };
        let (from, to) = (self.files.path_to_filesystem(from)?, self.files.path_to_filesystem(to)?);
        self.blocking(move |disk| disk.copy(from, to, placing)).await
    }
}

impl DurableLocal {
    fn not_implemented(&self, operation: &str) -> StoreError {
        StoreError::NotImplemented { operation: operation.to_owned(), implementer: self.to_string() }
    }
}

impl fmt::Display for DurableLocal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{STORE}({})", self.disk.root.display())
    }
}
