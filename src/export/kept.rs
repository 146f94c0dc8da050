//! Files of exports that are kept in the store, for whoever may fetch them.
//!
//! In: where a file is. Out: its size, its bytes or a part of them, a URL of it. Guaranteed: what is not there is told in the same words
//! whatever the reason.

use std::time::Duration;

use object_store::{GetOptions, GetResult, ObjectStore as _, ObjectStoreExt as _, path::Path};
use url::Url;

use super::encode::{Compression, Format};
use crate::{
    error::{Error, ErrorKind, Result},
    store::Store,
};

/// A file that is kept here, unless it turns out not to be.
#[derive(Clone, Debug)]
pub struct KeptFile {
    pub(super) store: Store,
    pub(super) path: Path,
    /// Whose it is, for messages: `export 'exp_…'`.
    pub(super) of: String,
    /// Its name there.
    pub name: String,
    /// Its media type: of the file as it is, whatever is inside, as its hash is that of the manifest.
    pub media: &'static str,
}

impl KeptFile {
    /// Its size.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if it is not there; as the store.
    pub async fn bytes(&self) -> Result<u64> {
        let found = self.store.object_store().head(&self.path).await;
        found.map(|object| object.size).map_err(|error| self.unread(error))
    }

    /// It, or the part that `options` ask for.
    ///
    /// # Errors
    /// As [`KeptFile::bytes`].
    pub async fn get(&self, options: GetOptions) -> Result<GetResult> {
        let got = self.store.object_store().get_opts(&self.path, options).await;
        got.map_err(|error| self.unread(error))
    }

    /// A URL of the store that gives it to whoever has it, for so long; `None` if the store makes none.
    ///
    /// # Errors
    /// As the store.
    pub async fn url(&self, holds: Duration) -> Result<Option<Url>> {
        self.store.signed_url(&self.path, holds).await
    }

    fn unread(&self, error: object_store::Error) -> Error {
        let Self { of, name, .. } = self;
        match error {
            object_store::Error::NotFound { .. } => not_there(of, name),
            error => Error::with_source(ErrorKind::Unavailable, format!("read {name} of {of}"), error),
        }
    }
}

/// There is no such file.
pub(super) fn not_there(of: &str, name: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("{of} has no file '{name}' here"))
}

/// What a file of this format is to whoever fetches it.
pub(super) fn media(format: Format, compression: Compression) -> &'static str {
    match compression {
        Compression::None => format.content_type(),
        Compression::Gzip => "application/gzip",
        Compression::Zstd => "application/zstd",
    }
}
