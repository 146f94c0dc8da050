//! Opens data files for a scan, always with their page index.
//!
//! DataFusion loads the page index only where a filter can prune pages by their smallest and largest values. The skip index
//! chooses rows by other means, and without the page index the Parquet reader would have to fetch and unpack whole
//! column chunks to get at them. Footers and page indexes are kept in the shared cache.
//!
//! In a store that is far away a request costs more than a megabyte: there a needle takes a small file in one ([`SmallFilesWhole`]).

mod one_get;

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use datafusion::{
    datasource::{
        listing::PartitionedFile,
        physical_plan::{ParquetFileReaderFactory, parquet::CachedParquetFileReaderFactory},
    },
    error::Result,
    execution::cache::cache_manager::FileMetadataCache,
    physical_plan::metrics::{ExecutionPlanMetricsSet, MetricBuilder},
};
use futures::future::BoxFuture;
use object_store::ObjectStore;
use parquet::{
    arrow::{arrow_reader::ArrowReaderOptions, async_reader::AsyncFileReader},
    errors::Result as ParquetResult,
    file::metadata::{PageIndexPolicy, ParquetMetaData},
};

use self::one_get::OneGet;

/// Readers of another factory, told to load the page index.
#[derive(Debug)]
pub(crate) struct WithPageIndex(pub(crate) Arc<dyn ParquetFileReaderFactory>);

impl ParquetFileReaderFactory for WithPageIndex {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let reader = self.0.create_reader(partition, file, metadata_size_hint, metrics)?;
        Ok(Box::new(Reader(reader)))
    }
}

/// What takes about as long to fetch as one more request to a store that is far away.
pub(crate) const SMALL_FILE_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// Readers that fetch a small file whole, footer and pages in one request; of others, what is asked for.
#[derive(Debug)]
pub(crate) struct SmallFilesWhole {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) footers: Arc<FileMetadataCache>,
    pub(crate) of_large: Arc<dyn ParquetFileReaderFactory>,
}

impl ParquetFileReaderFactory for SmallFilesWhole {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let size = file.object_meta.size;
        if size > SMALL_FILE_BYTES_MAX {
            return self.of_large.create_reader(partition, file, metadata_size_hint, metrics);
        }
        let fetched = MetricBuilder::new(metrics).counter("bytes_scanned", partition);
        let store = OneGet::new(Arc::clone(&self.store), file.object_meta.clone(), fetched);
        let readers = CachedParquetFileReaderFactory::new(Arc::new(store), Arc::clone(&self.footers));
        // What it asks for is not what is fetched, so its own count goes nowhere.
        readers.create_reader(partition, file, Some(size as usize), &ExecutionPlanMetricsSet::new())
    }
}

/// One such reader.
pub(crate) struct Reader(pub(crate) Box<dyn AsyncFileReader + Send>);

impl AsyncFileReader for Reader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        self.0.get_bytes(range)
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        self.0.get_byte_ranges(ranges)
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        let options = options.cloned().unwrap_or_default().with_page_index_policy(PageIndexPolicy::Optional);
        Box::pin(async move { self.0.get_metadata(Some(&options)).await })
    }
}
