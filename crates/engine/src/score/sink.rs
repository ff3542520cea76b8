//! Where predictions are written to: a Parquet or CSV file that appears whole or not at all, or the standard output.

use std::io::Write;
use std::path::{Path, PathBuf};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::arrow::csv;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::properties::WriterProperties;

use crate::output::Output;
use crate::{Error, Result};

/// Where predictions go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// CSV to the standard output.
    Stdout,
    /// A Parquet file.
    Parquet(PathBuf),
    /// A CSV file.
    Csv(PathBuf),
}

impl Destination {
    /// The destination that a user names: a path that ends in `.parquet` or `.csv`, or `-`.
    pub fn parse(name: &str) -> std::result::Result<Self, String> {
        let lower = name.to_ascii_lowercase();
        match () {
            () if name == "-" => Ok(Self::Stdout),
            () if lower.ends_with(".parquet") => Ok(Self::Parquet(name.into())),
            () if lower.ends_with(".csv") => Ok(Self::Csv(name.into())),
            () => Err("name a file that ends in .parquet or .csv, or - for CSV on the standard output".into()),
        }
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Stdout => Path::new("the standard output"),
            Self::Parquet(path) | Self::Csv(path) => path,
        }
    }
}

/// A destination that is being written.
pub(super) struct Sink {
    path: PathBuf,
    writer: Writer,
}

enum Writer {
    Parquet(Box<ArrowWriter<Output>>),
    Csv(Output),
    Stdout,
}

impl Sink {
    /// Begins to write rows of `schema`.
    pub fn create(destination: &Destination, schema: SchemaRef) -> Result<Self> {
        let path = destination.path().to_path_buf();
        let writer = match destination {
            Destination::Stdout => Writer::Stdout,
            Destination::Csv(path) => Writer::Csv(Output::create(path)?),
            Destination::Parquet(path) => {
                let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
                let writer = ArrowWriter::try_new(Output::create(path)?, schema.clone(), Some(properties));
                Writer::Parquet(Box::new(writer.map_err(|e| failed(path, std::io::Error::other(e)))?))
            }
        };
        let mut sink = Self { path, writer };
        sink.write_text(&RecordBatch::new_empty(schema), true)?;
        Ok(sink)
    }

    /// Writes the next rows.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match &mut self.writer {
            Writer::Parquet(writer) => writer.write(batch).map_err(|e| failed(&self.path, std::io::Error::other(e))),
            Writer::Csv(_) | Writer::Stdout => self.write_text(batch, false),
        }
    }

    /// Writes rows as CSV, if that is the format. They are put together in memory, so that an error is that of the file.
    fn write_text(&mut self, batch: &RecordBatch, with_header: bool) -> Result<()> {
        let to: &mut dyn Write = match &mut self.writer {
            Writer::Parquet(_) => return Ok(()),
            Writer::Csv(output) => output,
            Writer::Stdout => &mut std::io::stdout(),
        };
        let mut text = csv::WriterBuilder::new().with_header(with_header).build(Vec::new());
        text.write(batch).map_err(|e| failed(&self.path, std::io::Error::other(format!("{e}; write a Parquet file"))))?;
        to.write_all(&text.into_inner()).map_err(|e| failed(&self.path, e))
    }

    /// Puts the file in its place.
    pub fn finish(self) -> Result<()> {
        match self.writer {
            Writer::Parquet(writer) => writer.into_inner().map_err(|e| failed(&self.path, std::io::Error::other(e)))?.finish(),
            Writer::Csv(output) => output.finish(),
            Writer::Stdout => std::io::stdout().flush().map_err(|e| failed(&self.path, e)),
        }
    }
}

fn failed(path: &Path, source: std::io::Error) -> Error {
    Error::File { action: "write", path: path.into(), source }
}
