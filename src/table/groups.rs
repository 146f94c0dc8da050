//! The row groups of a data file as they are stored, for whoever puts them into another file without decoding them.
//!
//! In: a [`DataFile`]. Out: its footer, and the bytes of one row group after another. Guaranteed: no more than one row group is in
//! memory, or the whole of a small file.

use std::sync::Arc;

use bytes::{Buf as _, Bytes, buf::Reader};
use object_store::path::Path;
use parquet::{
    arrow::{arrow_reader::ArrowReaderOptions, async_reader::AsyncFileReader as _},
    errors::ParquetError,
    file::{
        metadata::{PageIndexPolicy, ParquetMetaData},
        reader::{ChunkReader, Length},
    },
};

use super::{
    read::{Source, read_error, slice},
    snapshot::DataFile,
};
use crate::{
    error::{Error, ErrorKind, Result},
    paths::TableFolder,
    store::Store,
};

/// The row groups of one file, in its order.
pub struct RowGroups {
    key: Path,
    source: Source,
    metadata: Arc<ParquetMetaData>,
    next: usize,
}

/// One of them.
#[derive(Clone, Debug)]
pub struct RowGroup {
    /// The footer of its file.
    pub metadata: Arc<ParquetMetaData>,
    /// Which of the file's row groups it is.
    pub number: usize,
    /// Where in the file its bytes begin.
    start: u64,
    bytes: Bytes,
}

impl RowGroups {
    pub(super) async fn open(store: &Store, folder: &TableFolder, file: &DataFile) -> Result<Self> {
        let key = folder.data_file(&file.path);
        let mut source = Source::open(store, &key, file).await?;
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
        let metadata = source.get_metadata(Some(&options)).await.map_err(|cause| read_error(&key, cause))?;
        Ok(Self { key, source, metadata, next: 0 })
    }

    /// The file's footer, with its page index.
    pub fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }

    /// The next one.
    pub async fn next(&mut self) -> Result<Option<RowGroup>> {
        if self.next == self.metadata.num_row_groups() {
            return Ok(None);
        }
        let ranges = self.metadata.row_group(self.next).columns().iter().map(|column| column.byte_range());
        let (start, end) = ranges.fold((u64::MAX, 0), |(start, end), (from, length)| {
            (start.min(from), end.max(from.saturating_add(length)))
        });
        if start > end {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("{} has a row group without columns", self.key),
            ));
        }
        let read = self.source.get_bytes(start..end).await;
        let bytes = read.map_err(|cause| read_error(&self.key, cause))?;
        let group = RowGroup { metadata: Arc::clone(&self.metadata), number: self.next, start, bytes };
        self.next += 1;
        Ok(Some(group))
    }
}

impl RowGroup {
    fn within(&self, start: u64, length: u64) -> parquet::errors::Result<Bytes> {
        let from = start.checked_sub(self.start);
        let from = from.ok_or_else(|| ParquetError::EOF(format!("byte {start} is before the row group")))?;
        slice(&self.bytes, from..from.saturating_add(length))
    }
}

impl Length for RowGroup {
    fn len(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

/// As the file, of which only these bytes are there.
impl ChunkReader for RowGroup {
    type T = Reader<Bytes>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(self.within(start, self.len().saturating_sub(start))?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        self.within(start, length as u64)
    }
}
