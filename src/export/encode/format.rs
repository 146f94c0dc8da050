//! The formats and compressions of an export, by the names that users write.
//!
//! Each format's row in the README's table is made from here.

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// How an export is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Parquet, zstd inside: the table's columns, `day` among them.
    Parquet,
    /// One JSON object a line: an event as the API shows it.
    Ndjson,
    /// RFC 4180 with a header line, safe to open in a spreadsheet; not every text comes back from it as it was.
    Csv,
    /// The same with every text as it is: for programs.
    CsvRaw,
    /// An Arrow IPC stream with zstd buffers.
    Arrow,
    /// Events of the Open Cybersecurity Schema Framework in Parquet: nested columns.
    OcsfParquet,
    /// The same, one JSON object a line.
    OcsfNdjson,
}

/// What a text format is packed with. The binary formats compress inside and take [`Compression::None`] only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// As it is.
    None,
    /// One gzip member without name and time.
    Gzip,
    /// One zstd frame with a checksum.
    Zstd,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 7] = [
        Self::Parquet,
        Self::Ndjson,
        Self::Csv,
        Self::CsvRaw,
        Self::Arrow,
        Self::OcsfParquet,
        Self::OcsfNdjson,
    ];

    /// The name in requests, settings and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::CsvRaw => "csv-raw",
            Self::Arrow => "arrow",
            Self::OcsfParquet => "ocsf-parquet",
            Self::OcsfNdjson => "ocsf-ndjson",
        }
    }

    /// The format of that name; the error lists all names.
    ///
    /// ```
    /// use auditlake::export::encode::Format;
    /// assert_eq!(Format::from_name("ocsf-parquet").unwrap(), Format::OcsfParquet);
    /// assert!(Format::from_name("xml").is_err());
    /// ```
    pub fn from_name(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::new(ErrorKind::Invalid, format!("export format '{name}' is unknown; there are {names}"))
        })
    }

    /// Whether the rows are events of the Open Cybersecurity Schema Framework.
    pub fn is_ocsf(self) -> bool {
        matches!(self, Self::OcsfParquet | Self::OcsfNdjson)
    }

    /// Whether each row is text of its own, whatever stands before and after it.
    pub(super) fn is_lines(self) -> bool {
        matches!(self, Self::Ndjson | Self::Csv | Self::CsvRaw | Self::OcsfNdjson)
    }

    /// The compressions that the format may be packed with; the first is the one if nothing is said.
    pub fn compressions(self) -> &'static [Compression] {
        match self {
            Self::Parquet | Self::Arrow | Self::OcsfParquet => &[Compression::None],
            Self::Ndjson | Self::OcsfNdjson => &[Compression::Zstd, Compression::Gzip, Compression::None],
            Self::Csv | Self::CsvRaw => &[Compression::None, Compression::Gzip, Compression::Zstd],
        }
    }

    /// The compression if nothing is said.
    pub fn default_compression(self) -> Compression {
        self.compressions()[0]
    }

    /// The end of a file's name, without a dot before it.
    ///
    /// ```
    /// use auditlake::export::encode::{Compression, Format};
    /// assert_eq!(Format::OcsfNdjson.extension(Compression::Zstd), "ndjson.zst");
    /// assert_eq!(Format::OcsfParquet.extension(Compression::None), "parquet");
    /// ```
    pub fn extension(self, compression: Compression) -> String {
        let own = match self {
            Self::Parquet | Self::OcsfParquet => "parquet",
            Self::Ndjson | Self::OcsfNdjson => "ndjson",
            Self::Csv | Self::CsvRaw => "csv",
            Self::Arrow => "arrows",
        };
        match compression {
            Compression::None => own.to_owned(),
            Compression::Gzip => format!("{own}.gz"),
            Compression::Zstd => format!("{own}.zst"),
        }
    }

    /// The media type of what is inside of the compression.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Parquet | Self::OcsfParquet => "application/vnd.apache.parquet",
            Self::Ndjson | Self::OcsfNdjson => "application/x-ndjson",
            Self::Csv | Self::CsvRaw => "text/csv; charset=utf-8; header=present",
            Self::Arrow => "application/vnd.apache.arrow.stream",
        }
    }

    /// Fails if the format is not packed with `compression`, and says with what it is.
    pub fn check(self, compression: Compression) -> Result<()> {
        if self.compressions().contains(&compression) {
            return Ok(());
        }
        let (name, asked) = (self.name(), compression.name());
        Err(Error::new(
            ErrorKind::Invalid,
            format!(
                "{name} is not packed with {asked}: it is compressed inside; leave compression out, or say none"
            ),
        ))
    }

    /// The format's row in the README's table.
    pub fn row(self) -> String {
        let packed: Vec<&str> = self.compressions().iter().map(|compression| compression.name()).collect();
        let extension = self.extension(self.default_compression());
        format!("| `{}` | `.{extension}` | {} | {} |", self.name(), packed.join(", "), self.summary())
    }

    fn summary(self) -> &'static str {
        match self {
            Self::Parquet => {
                "the table's columns, `day` among them; zstd inside, row groups of 8 MiB at most"
            }
            Self::Ndjson => {
                "one event a line, as the API shows it; rows of a query as objects with all columns"
            }
            Self::Csv => "a header, one line a row; safe in a spreadsheet and not reversible, see below",
            Self::CsvRaw => "the same with every text as it is, for programs",
            Self::Arrow => "an IPC stream of the table's columns; zstd inside",
            Self::OcsfParquet => {
                "[OCSF](#ocsf), nested columns; `unmapped` and `resources.data` are JSON text"
            }
            Self::OcsfNdjson => "[OCSF](#ocsf), one object a line, without nulls",
        }
    }
}

impl Compression {
    /// All compressions.
    pub const ALL: [Self; 3] = [Self::None, Self::Gzip, Self::Zstd];

    /// The name in requests, settings and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// The compression of that name; the error lists all names.
    ///
    /// ```
    /// use auditlake::export::encode::Compression;
    /// assert_eq!(Compression::from_name("zstd").unwrap(), Compression::Zstd);
    /// ```
    pub fn from_name(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|compression| compression.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::new(ErrorKind::Invalid, format!("compression '{name}' is unknown; there are {names}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a name in settings that is not the name in requests, and two formats of one name.
    #[test]
    fn names_are_the_same_everywhere() {
        for format in Format::ALL {
            assert_eq!(serde_json::to_value(format).unwrap(), format.name());
            assert_eq!(Format::from_name(format.name()).unwrap(), format);
        }
        for compression in Compression::ALL {
            assert_eq!(serde_json::to_value(compression).unwrap(), compression.name());
            assert_eq!(Compression::from_name(compression.name()).unwrap(), compression);
        }
        let error = Format::from_name("xml").unwrap_err().to_string();
        assert!(error.contains("'xml'") && error.contains("parquet, ndjson, csv"), "{error}");
    }

    /// Would catch a default that the format itself refuses, and a compression that is taken and does nothing.
    #[test]
    fn only_text_is_packed() {
        for format in Format::ALL {
            assert!(format.check(format.default_compression()).is_ok());
            let binary = matches!(format, Format::Parquet | Format::Arrow | Format::OcsfParquet);
            assert_eq!(format.check(Compression::Gzip).is_err(), binary, "{format:?}");
        }
        let error = Format::Parquet.check(Compression::Zstd).unwrap_err();
        assert!(error.to_string().starts_with("parquet is not packed with zstd"), "{error}");
    }
}
