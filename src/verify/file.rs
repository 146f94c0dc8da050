//! An exported file against the tree.
//!
//! In: events (NDJSON as the API shows them, or Parquet), tiles from wherever they come, a checkpoint that is believed. Out:
//! how many events there are, and which of them are not in the log as they stand in the file. Guaranteed: tiles need not be
//! believed: each event's inclusion proof is made from them and checked against the checkpoint.

use std::{collections::BTreeMap, io::BufRead};

use arrow::{array::AsArray, datatypes::Int64Type};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use parquet::{arrow::arrow_reader::ParquetRecordBatchReaderBuilder, file::reader::ChunkReader};
use serde::{Deserialize, Serialize};

use super::{Finding, Kind, finding::Findings};
use crate::{
    error::{Error, ErrorKind, Result},
    event::{decode::without_seq, derived, schema, sealed},
    evidence::{Checkpoint, Hash, Reader, TileId, Tiles, leaves_of, proof},
};

/// How a bundle for a file says what it is.
pub const FORMAT: &str = "auditlake/proof-tiles/v1";

/// What proves the events of a file: the checkpoint, and the tiles that lead to it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Bundle {
    /// [`FORMAT`].
    pub format: String,
    /// A signed note.
    pub checkpoint: String,
    /// Tiles by their paths, in base64.
    pub tiles: BTreeMap<String, String>,
}

impl Bundle {
    /// Reads a document.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if it is none.
    pub fn parse(text: &[u8]) -> Result<Self> {
        let bundle: Self = serde_json::from_slice(text).map_err(|error| {
            Error::with_source(ErrorKind::Invalid, "this is not a proof of a file", error)
        })?;
        match bundle.format == FORMAT {
            true => Ok(bundle),
            false => Err(Error::new(
                ErrorKind::Invalid,
                format!("a proof of format {:?} is not known here", bundle.format),
            )),
        }
    }
}

impl Tiles for Bundle {
    async fn tile(&self, tile: TileId) -> Result<Bytes> {
        let bytes = self.tiles.get(&tile.path()).and_then(|text| BASE64_STANDARD.decode(text).ok());
        let missing = || Error::new(ErrorKind::Corrupt, format!("the proof has no tile {}", tile.path()));
        bytes.map(Bytes::from).ok_or_else(missing)
    }
}

/// Tiles from elsewhere, all of which are kept for a [`Bundle`].
pub struct Collected<'t, T> {
    tiles: &'t T,
    kept: std::sync::Mutex<BTreeMap<String, String>>,
}

impl<'t, T: Tiles> Collected<'t, T> {
    /// Begins with none.
    pub fn new(tiles: &'t T) -> Self {
        Self { tiles, kept: std::sync::Mutex::default() }
    }

    /// The bundle of what was needed, under the checkpoint of this note.
    pub fn into_bundle(self, checkpoint: &str) -> Bundle {
        let tiles = self.kept.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        Bundle { format: FORMAT.to_owned(), checkpoint: checkpoint.to_owned(), tiles }
    }
}

impl<T: Tiles + Sync> Tiles for Collected<'_, T> {
    async fn tile(&self, tile: TileId) -> Result<Bytes> {
        let bytes = self.tiles.tile(tile).await?;
        let mut kept = self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        kept.insert(tile.path(), BASE64_STANDARD.encode(&bytes));
        Ok(bytes)
    }
}

/// What was found of a file.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Events that are in the log, exactly as they stand in the file.
    pub proven: u64,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// Findings past those that are listed.
    pub more_findings: u64,
}

/// The check of one file.
pub struct Check<'t, T> {
    reader: Reader<'t, T>,
    checkpoint: Checkpoint,
    proven: u64,
    findings: Findings,
}

impl<'t, T: Tiles + Sync> Check<'t, T> {
    /// Checks against the tree that `checkpoint` signs.
    pub fn new(tiles: &'t T, checkpoint: Checkpoint) -> Self {
        let reader = Reader::new(tiles, checkpoint.size);
        Self { reader, checkpoint, proven: 0, findings: Findings::default() }
    }

    /// Checks lines of JSON.
    ///
    /// # Errors
    /// If the file cannot be read, or the tiles cannot be had.
    pub async fn ndjson(&mut self, lines: impl BufRead) -> Result<()> {
        for (number, line) in (1_u64..).zip(lines.lines()) {
            let line =
                line.map_err(|error| Error::with_source(ErrorKind::Invalid, "read the file", error))?;
            if line.trim().is_empty() {
                continue;
            }
            match without_seq(&line) {
                Ok((event, Some(seq))) => {
                    let leaf = Hash::leaf(sealed::committed(&event).unwrap_or(event).as_bytes());
                    self.event(seq, leaf, &format!("line {number}")).await?
                }
                Ok((_, None)) => {
                    self.wrong(number, "it has no seq: it was not committed when it was exported")
                }
                Err(error) => self.wrong(number, &error.report()),
            }
        }
        Ok(())
    }

    /// Checks rows of Parquet.
    ///
    /// # Errors
    /// As [`Check::ndjson`].
    pub async fn parquet(&mut self, file: impl ChunkReader + 'static) -> Result<()> {
        let unreadable = |error| Error::with_source(ErrorKind::Invalid, "read the Parquet file", error);
        let batches = ParquetRecordBatchReaderBuilder::try_new(file)
            .and_then(|builder| builder.build())
            .map_err(unreadable)?;
        let mut first = 1;
        for batch in batches {
            let batch = batch
                .map_err(|error| Error::with_source(ErrorKind::Invalid, "read the Parquet file", error))?;
            let leaves = leaves_of(&batch, |_| true)?;
            for row in derived::contradictions(&batch)? {
                self.wrong(
                    first + row as u64,
                    "its columns target_… and target_ids are not those of its targets",
                );
            }
            let Some(seqs) =
                batch.column_by_name(schema::SEQ).and_then(|seqs| seqs.as_primitive_opt::<Int64Type>())
            else {
                return Err(Error::new(ErrorKind::Invalid, "the Parquet file has no column seq of integers"));
            };
            for (row, leaf) in leaves.into_iter().enumerate() {
                let place = first + row as u64;
                match u64::try_from(seqs.value(row)).ok().filter(|_| arrow::array::Array::is_valid(seqs, row))
                {
                    Some(seq) => self.event(seq, leaf, &format!("row {place}")).await?,
                    None => self.wrong(place, "it has no seq: it was not committed when it was exported"),
                }
            }
            first += batch.num_rows() as u64;
        }
        Ok(())
    }

    /// What was found.
    pub fn finish(mut self) -> Report {
        let (findings, more_findings) = self.findings.take();
        Report { proven: self.proven, findings, more_findings }
    }

    async fn event(&mut self, seq: u64, leaf: Hash, place: &str) -> Result<()> {
        let wrong = |detail: String| Finding::range(Kind::Changed, seq, seq, &format!("{place}: {detail}"));
        if seq >= self.checkpoint.size {
            let detail = format!("the checkpoint covers {} events only", self.checkpoint.size);
            self.findings.push(wrong(detail));
            return Ok(());
        }
        let proof = match self.reader.inclusion(seq).await {
            Ok(proof) => proof,
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                self.findings.push(wrong(error.report()));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let root = proof::root_by_inclusion(leaf, seq, self.checkpoint.size, &proof);
        match root == Some(self.checkpoint.root) {
            true => self.proven += 1,
            false => self.findings.push(wrong("it is not in the log as it stands here".to_owned())),
        }
        Ok(())
    }

    fn wrong(&mut self, place: u64, detail: &str) {
        self.findings.push(Finding::new(Kind::File, format!("line {place}: {detail}")));
    }
}
