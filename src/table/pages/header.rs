//! The header of a Parquet page: Thrift's compact protocol, of which only what a reader of values needs is kept.
//!
//! In: bytes that begin with a header, believed in nothing. Out: the header and its length. Source:
//! `PageHeader` in parquet.thrift of apache/parquet-format, thrift-compact-protocol.md of apache/thrift.

use parquet::{
    basic::Encoding,
    errors::{ParquetError, Result},
};

/// Fields within fields that are passed over: statistics are one level deep.
const DEPTH_MAX: usize = 8;

/// What a page is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Dictionary {
        values: u32,
        encoding: Encoding,
        is_sorted: bool,
    },
    Data {
        values: u32,
        encoding: Encoding,
        definition_levels: Encoding,
        repetition_levels: Encoding,
    },
    /// Of the second format, whose levels stand before what is compressed.
    Data2 {
        values: u32,
        nulls: u32,
        rows: u32,
        encoding: Encoding,
        levels: [u32; 2],
        is_compressed: bool,
    },
}

impl Kind {
    /// Its number in `PageType`.
    fn code(&self) -> i64 {
        match self {
            Self::Data { .. } => 0,
            Self::Dictionary { .. } => 2,
            Self::Data2 { .. } => 3,
        }
    }
}

/// A header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Kind,
    pub(super) uncompressed_bytes: usize,
    pub(super) compressed_bytes: usize,
}

impl Header {
    /// Reads the header that `bytes` begin with; gives its length too.
    pub(super) fn parse(bytes: &[u8]) -> Result<(Self, usize)> {
        let mut input = Input { rest: bytes };
        let (mut numbers, mut kind) = ([None; 3], None);
        let mut last = 0;
        while let Some((sort, id)) = input.field(last)? {
            match (id, sort) {
                (1..=3, INTEGER) => numbers[id as usize - 1] = Some(input.integer()?),
                (5, STRUCTURE) => kind = Some(data(&mut input)?),
                (7, STRUCTURE) => kind = Some(dictionary(&mut input)?),
                (8, STRUCTURE) => kind = Some(data2(&mut input)?),
                _ => input.skip(sort, DEPTH_MAX)?,
            }
            last = id;
        }
        let (Some(kind), [Some(code), Some(uncompressed), Some(compressed)]) = (kind, numbers) else {
            return Err(wrong("it has no size, or is of no page of values"));
        };
        if code != kind.code() {
            return Err(wrong("it is of another sort of page than it says"));
        }
        let header = Self {
            kind,
            uncompressed_bytes: number(uncompressed)? as usize,
            compressed_bytes: number(compressed)? as usize,
        };
        Ok((header, bytes.len() - input.rest.len()))
    }
}

fn data(input: &mut Input<'_>) -> Result<Kind> {
    let mut fields = [None; 4];
    input.integers(&mut fields)?;
    let [values, encodings @ ..] = fields;
    let [encoding, definition_levels, repetition_levels] = encodings.map(self::encoding);
    Ok(Kind::Data {
        values: needed(values)?,
        encoding: encoding?,
        definition_levels: definition_levels?,
        repetition_levels: repetition_levels?,
    })
}

fn dictionary(input: &mut Input<'_>) -> Result<Kind> {
    let mut fields = [None; 3];
    input.integers(&mut fields)?;
    let [values, encoding, is_sorted] = fields;
    Ok(Kind::Dictionary {
        values: needed(values)?,
        encoding: self::encoding(encoding)?,
        is_sorted: is_sorted == Some(1),
    })
}

fn data2(input: &mut Input<'_>) -> Result<Kind> {
    let mut fields = [None; 7];
    input.integers(&mut fields)?;
    let [values, nulls, rows, encoding, definition_bytes, repetition_bytes, is_compressed] = fields;
    Ok(Kind::Data2 {
        values: needed(values)?,
        nulls: needed(nulls)?,
        rows: needed(rows)?,
        encoding: self::encoding(encoding)?,
        levels: [needed(definition_bytes)?, needed(repetition_bytes)?],
        is_compressed: is_compressed != Some(0),
    })
}

fn encoding(code: Option<i64>) -> Result<Encoding> {
    match code {
        Some(0) => Ok(Encoding::PLAIN),
        Some(2) => Ok(Encoding::PLAIN_DICTIONARY),
        Some(3) => Ok(Encoding::RLE),
        Some(5) => Ok(Encoding::DELTA_BINARY_PACKED),
        Some(6) => Ok(Encoding::DELTA_LENGTH_BYTE_ARRAY),
        Some(7) => Ok(Encoding::DELTA_BYTE_ARRAY),
        Some(8) => Ok(Encoding::RLE_DICTIONARY),
        Some(9) => Ok(Encoding::BYTE_STREAM_SPLIT),
        _ => Err(wrong("its encoding is not known")),
    }
}

fn needed(field: Option<i64>) -> Result<u32> {
    number(field.ok_or_else(|| wrong("a field is missing"))?)
}

fn number(value: i64) -> Result<u32> {
    u32::try_from(value).map_err(|_| wrong("a number is below zero or too large"))
}

fn wrong(why: &str) -> ParquetError {
    ParquetError::General(format!("a page's header cannot be read: {why}"))
}

/// The types of the compact protocol that are told apart.
const STOP: u8 = 0;
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const INTEGER: u8 = 5;
const STRUCTURE: u8 = 12;

/// What is left to read.
struct Input<'b> {
    rest: &'b [u8],
}

impl Input<'_> {
    fn byte(&mut self) -> Result<u8> {
        let (first, rest) = self.rest.split_first().ok_or_else(|| wrong("it is cut off"))?;
        self.rest = rest;
        Ok(*first)
    }

    fn pass(&mut self, bytes: u64) -> Result<()> {
        let bytes = usize::try_from(bytes).map_err(|_| wrong("it is cut off"))?;
        self.rest = self.rest.get(bytes..).ok_or_else(|| wrong("it is cut off"))?;
        Ok(())
    }

    fn varint(&mut self) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(wrong("a number has no end"))
    }

    fn integer(&mut self) -> Result<i64> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// Type and id of the next field; `None` at the end of the structure.
    fn field(&mut self, last: i64) -> Result<Option<(u8, i64)>> {
        let byte = self.byte()?;
        match (byte & 0x0f, i64::from(byte >> 4)) {
            (STOP, _) => Ok(None),
            (sort, 0) => Ok(Some((sort, self.integer()?))),
            (sort, delta) => Ok(Some((sort, last.saturating_add(delta)))),
        }
    }

    /// Reads the fields from 1 on of a structure, which are integers or booleans; others are passed over.
    fn integers(&mut self, fields: &mut [Option<i64>]) -> Result<()> {
        let mut last = 0;
        while let Some((sort, id)) = self.field(last)? {
            let place = usize::try_from(id).ok().and_then(|id| fields.get_mut(id.checked_sub(1)?));
            match (place, sort) {
                (Some(place), TRUE | FALSE) => *place = Some(i64::from(sort == TRUE)),
                (Some(place), INTEGER) => *place = Some(self.integer()?),
                _ => self.skip(sort, DEPTH_MAX)?,
            }
            last = id;
        }
        Ok(())
    }

    fn skip(&mut self, sort: u8, depth: usize) -> Result<()> {
        let depth = depth.checked_sub(1).ok_or_else(|| wrong("its fields are nested too deep"))?;
        match sort {
            TRUE | FALSE => Ok(()),
            3 => self.pass(1),
            4..=6 => self.varint().map(drop),
            7 => self.pass(8),
            8 => {
                let bytes = self.varint()?;
                self.pass(bytes)
            }
            STRUCTURE => {
                let mut last = 0;
                while let Some((sort, id)) = self.field(last)? {
                    self.skip(sort, depth)?;
                    last = id;
                }
                Ok(())
            }
            _ => Err(wrong("a field is of a type that no header has")),
        }
    }
}
