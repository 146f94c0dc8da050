//! A small object that is fetched whole, once, whatever parts of it are asked for.
//!
//! In: a store and the size of one object. Out: the same store, which answers every read of that object from one request.
//! Guaranteed: the bytes are those of the object; other objects, and everything but reading, are as in the store below.

use std::{fmt, ops::Range, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::physical_plan::metrics::Count;
use futures::{StreamExt, stream, stream::BoxStream};
use object_store::{
    CopyOptions, GetOptions, GetRange, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, path::Path,
};
use tokio::sync::OnceCell;

/// The store, for one object.
#[derive(Debug)]
pub(super) struct OneGet {
    store: Arc<dyn ObjectStore>,
    object: ObjectMeta,
    whole: OnceCell<Bytes>,
    /// Bytes fetched.
    fetched: Count,
}

impl OneGet {
    pub(super) fn new(store: Arc<dyn ObjectStore>, object: ObjectMeta, fetched: Count) -> Self {
        Self { store, object, whole: OnceCell::new(), fetched }
    }

    async fn whole(&self) -> Result<&Bytes> {
        let fetch = || async {
            let bytes = self.store.get(&self.object.location).await?.bytes().await?;
            self.fetched.add(bytes.len());
            Ok(bytes)
        };
        self.whole.get_or_try_init(fetch).await
    }

    /// Part of the object; an error if it is not as long as it was said to be.
    async fn part(&self, range: &Range<u64>) -> Result<Bytes> {
        let whole = self.whole().await?;
        let (start, end) = (range.start as usize, range.end as usize);
        if start > end || end > whole.len() {
            let message = format!("{} has {} bytes, not {end}", self.object.location, whole.len());
            return Err(object_store::Error::Generic { store: "one get", source: message.into() });
        }
        Ok(whole.slice(start..end))
    }
}

impl fmt::Display for OneGet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for OneGet {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let size = self.object.size;
        let range = match &options.range {
            _ if *location != self.object.location || options.head => {
                return self.store.get_opts(location, options).await;
            }
            None => 0..size,
            Some(GetRange::Bounded(range)) => range.start..range.end.min(size),
            Some(GetRange::Offset(start)) => *start..size,
            Some(GetRange::Suffix(bytes)) => size.saturating_sub(*bytes)..size,
        };
        let part = self.part(&range).await?;
        Ok(GetResult {
            payload: GetResultPayload::Stream(stream::once(async { Ok(part) }).boxed()),
            meta: self.object.clone(),
            range,
            attributes: Default::default(),
        })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        if *location != self.object.location {
            return self.store.get_ranges(location, ranges).await;
        }
        let mut parts = Vec::with_capacity(ranges.len());
        for range in ranges {
            parts.push(self.part(range).await?);
        }
        Ok(parts)
    }

    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.store.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.store.put_multipart_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.store.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.store.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.store.copy_opts(from, to, options).await
    }
}
