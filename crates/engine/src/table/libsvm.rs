//! Reads LibSVM files: a label and `index:value` pairs in each line, with comments behind `#`. They become two columns, `label`
//! and the list `features`. An index is a column's number, whether the file counts from 0 or from 1.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Float64Builder, ListArray, StructArray, UInt32Array};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use quelea_core::visible::shortened;

use super::files::{self, Compression};
use super::pieces::{Batches, FileError, Piece};
use super::{BATCH_ROWS, PARTITION_BYTES, schema};

/// The column of labels.
const LABEL: &str = "label";
/// The column of pairs.
const FEATURES: &str = "features";
/// Pairs of a batch; a batch of long lines has fewer rows.
const BATCH_ENTRIES: usize = 1 << 22;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// The longest line there may be, in bytes.
const LONGEST_LINE: u64 = 1 << 28;

/// The column that holds what is to be predicted, if `table` names LibSVM files: their format has one.
pub fn label_column(table: &str) -> Option<&'static str> {
    files::is_libsvm(table).then_some(LABEL)
}

/// The columns of every LibSVM file.
pub(super) fn schema() -> SchemaRef {
    let list = DataType::List(Arc::new(Field::new("item", DataType::Struct(pair()), false)));
    Arc::new(Schema::new(vec![Field::new(LABEL, DataType::Float64, true), Field::new(FEATURES, list, false)]))
}

fn pair() -> Fields {
    vec![Field::new("index", DataType::UInt32, false), Field::new("value", DataType::Float32, false)].into()
}

/// The files in pieces. Large files that are not compressed are cut, so that their pieces can be read side by side.
pub(super) fn pieces(files: &[PathBuf], compression: Compression) -> Vec<Arc<dyn Piece>> {
    let mut pieces: Vec<Arc<dyn Piece>> = Vec::new();
    for file in files {
        let bytes = file.metadata().map_or(0, |metadata| metadata.len());
        let step = if compression == Compression::None { PARTITION_BYTES } else { u64::MAX };
        let mut from = 0;
        while from == 0 || from < bytes {
            let to = from.saturating_add(step);
            pieces.push(Arc::new(PieceOfFile { file: file.clone(), compression, from, to }));
            from = to;
        }
    }
    pieces
}

/// The lines of a file that begin at the bytes `from..to`.
#[derive(Debug)]
struct PieceOfFile {
    file: PathBuf,
    compression: Compression,
    from: u64,
    to: u64,
}

impl Piece for PieceOfFile {
    fn batches(&self, projection: &[usize]) -> Result<Batches, FileError> {
        let (file, projection) = (self.file.clone(), projection.to_vec());
        let projected = move |batch: Result<RecordBatch, FileError>| batch?.project(&projection).map_err(|e| FileError::new(&file, e));
        Ok(Box::new(self.lines()?.map(projected)))
    }
}

impl PieceOfFile {
    /// The piece's lines, from the first that begins in it.
    fn lines(&self) -> Result<Lines, FileError> {
        let unreadable = |e: std::io::Error| FileError::cut_short(&self.file, e);
        let (mut at, mut plain) = (self.from, schema::plain(&self.file, self.compression)?);
        if self.from > 0 {
            // A line that begins right at `from` follows a line break at the byte before.
            at = self.from - 1;
            let mut file = File::open(&self.file).map_err(unreadable)?;
            file.seek(SeekFrom::Start(at)).map_err(unreadable)?;
            plain = Box::new(file);
        }
        let mut reader: Box<dyn BufRead + Send> = Box::new(BufReader::with_capacity(1 << 20, plain));
        if self.from > 0 {
            at += reader.skip_until(b'\n').map_err(unreadable)? as u64;
        }
        Ok(Lines { reader, file: self.file.clone(), compression: self.compression, at, to: self.to, line: Vec::new(), is_done: false })
    }
}

/// Lines of a file, batch by batch.
struct Lines {
    reader: Box<dyn BufRead + Send>,
    file: PathBuf,
    compression: Compression,
    /// Where the next line begins.
    at: u64,
    to: u64,
    line: Vec<u8>,
    is_done: bool,
}

/// The rows of a batch.
#[derive(Default)]
struct Rows {
    labels: Float64Builder,
    ends: Vec<i32>,
    indices: Vec<u32>,
    values: Vec<f32>,
}

impl Iterator for Lines {
    type Item = Result<RecordBatch, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut rows = Rows::default();
        while !self.is_done && rows.ends.len() < BATCH_ROWS && rows.indices.len() < BATCH_ENTRIES {
            if let Err(e) = self.read_line(&mut rows) {
                self.is_done = true;
                return Some(Err(e));
            }
        }
        (!rows.ends.is_empty()).then(|| rows.finish().map_err(|e| FileError::new(&self.file, e)))
    }
}

impl Lines {
    fn read_line(&mut self, rows: &mut Rows) -> Result<(), FileError> {
        self.line.clear();
        let read = if self.at < self.to { self.reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut self.line) } else { Ok(0) };
        let read = read.map_err(|e| FileError::cut_short(&self.file, e))?;
        self.is_done = read == 0;
        let is_too_long = read as u64 == LONGEST_LINE;
        // The first line of a file may begin with a mark that it is UTF-8.
        let line = self.line.strip_prefix(BYTE_ORDER_MARK).filter(|_| self.at == 0).unwrap_or(&self.line);
        match if is_too_long { Err(format!("the line is longer than {LONGEST_LINE} bytes")) } else { rows.push(line) } {
            Ok(()) => {
                self.at += read as u64;
                Ok(())
            }
            Err(problem) => Err(FileError::new(&self.file, format!("line {}: {problem}", self.line_number()?))),
        }
    }

    /// The number of the line that begins at `at`, from 1.
    fn line_number(&self) -> Result<u64, FileError> {
        Ok(1 + breaks_before(&self.file, self.compression, self.at)?)
    }
}

fn breaks_before(file: &Path, compression: Compression, end: u64) -> Result<u64, FileError> {
    let mut reader = BufReader::new(schema::plain(file, compression)?.take(end));
    let mut breaks = 0;
    loop {
        let bytes = reader.fill_buf().map_err(|e| FileError::cut_short(file, e))?;
        if bytes.is_empty() {
            return Ok(breaks);
        }
        breaks += bytes.iter().filter(|&&byte| byte == b'\n').count() as u64;
        let length = bytes.len();
        reader.consume(length);
    }
}

impl Rows {
    /// Takes in a line; one of blanks and comments alone is none.
    fn push(&mut self, line: &[u8]) -> Result<(), String> {
        let line = line.split(|&byte| byte == b'#').next().unwrap_or_default();
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).peekable();
        let Some(first) = words.peek() else { return Ok(()) };
        // Rows to be predicted may come without a label.
        match first.contains(&b':') {
            true => self.labels.append_null(),
            false => {
                self.labels.append_value(label(first)?);
                words.next();
            }
        }
        let start = self.indices.len();
        for word in words {
            let (index, value) = entry(word)?;
            if value != 0.0 && !value.is_nan() {
                self.indices.push(index);
                self.values.push(value);
            }
        }
        self.order(start)?;
        self.ends.push(self.indices.len() as i32);
        Ok(())
    }

    /// Puts the entries from `start` on in ascending order of their indices, none of which may occur twice.
    fn order(&mut self, start: usize) -> Result<(), String> {
        if !self.indices[start..].is_sorted() {
            let mut entries: Vec<(u32, f32)> = self.indices[start..].iter().copied().zip(self.values[start..].iter().copied()).collect();
            entries.sort_unstable_by_key(|&(index, _)| index);
            self.indices.truncate(start);
            self.values.truncate(start);
            self.indices.extend(entries.iter().map(|&(index, _)| index));
            self.values.extend(entries.iter().map(|&(_, value)| value));
        }
        match self.indices[start..].windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(format!("index {} occurs twice; keep one of them", pair[0])),
            None => Ok(()),
        }
    }

    fn finish(mut self) -> Result<RecordBatch, ArrowError> {
        let offsets: Vec<i32> = std::iter::once(0).chain(self.ends).collect();
        let columns: Vec<ArrayRef> = vec![Arc::new(UInt32Array::from(self.indices)), Arc::new(Float32Array::from(self.values))];
        let pairs = Arc::new(StructArray::try_new(pair(), columns, None)?);
        let item = Arc::new(Field::new("item", DataType::Struct(pair()), false));
        let list = ListArray::try_new(item, OffsetBuffer::new(offsets.into()), pairs, None)?;
        RecordBatch::try_new(schema(), vec![Arc::new(self.labels.finish()), Arc::new(list)])
    }
}

fn shown(word: &[u8]) -> String {
    format!("{:?}", shortened(&String::from_utf8_lossy(word)))
}

fn label(word: &[u8]) -> Result<f64, String> {
    if word.contains(&b',') {
        return Err(format!("{} is several labels; a row has one", shown(word)));
    }
    let number = std::str::from_utf8(word).ok().and_then(|text| text.parse::<f64>().ok());
    number.filter(|number| number.is_finite()).ok_or_else(|| format!("the label {} is not a number; mend it", shown(word)))
}

/// `index:value`.
fn entry(word: &[u8]) -> Result<(u32, f32), String> {
    let expected = || format!("{} is not index:value; mend it", shown(word));
    let colon = word.iter().position(|&byte| byte == b':').ok_or_else(expected)?;
    let (index, value) = (&word[..colon], &word[colon + 1..]);
    if index == b"qid" {
        return Err("qid groups rows for ranking, which no learner does; take it out".into());
    }
    let value = small_whole(value).map(|value| value as f32).or_else(|| std::str::from_utf8(value).ok()?.parse().ok());
    let value = value.ok_or_else(expected)?;
    if value.is_infinite() {
        return Err(format!("{}: the value is infinite, or beyond the 3.4e38 that a 32-bit float can hold", shown(word)));
    }
    match small_whole(index) {
        Some(index) => Ok((index, value)),
        None => large_index(index, value).ok_or_else(expected)?,
    }
}

/// A number of at most seven digits, which is exact as a 32-bit float.
fn small_whole(digits: &[u8]) -> Option<u32> {
    let is_small = (1..=7).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    is_small.then(|| digits.iter().fold(0, |number, &digit| 10 * number + u32::from(digit - b'0')))
}

fn large_index(index: &[u8], value: f32) -> Option<Result<(u32, f32), String>> {
    let text = std::str::from_utf8(index).ok()?;
    let number: i128 = text.parse().ok()?;
    Some(super::lists::index(number).map(|index| (index, value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(lines: &[&str]) -> Result<Rows, String> {
        let mut rows = Rows::default();
        lines.iter().try_for_each(|line| rows.push(line.as_bytes())).map(|()| rows)
    }

    #[test]
    fn lines_become_rows() {
        let rows = rows(&["+1 3:0.5 1:2 # note 7:1", "", "# nothing", "-1", "2:1e-3 9:0", "1.5\t0:-4\r\n"]).unwrap();
        assert_eq!(rows.indices, [1, 3, 2, 0]);
        assert_eq!(rows.values, [2.0, 0.5, 1e-3, -4.0]);
        assert_eq!(rows.ends, [2, 2, 3, 4]);
        assert_eq!(rows.labels.values_slice(), [1.0, -1.0, 0.0, 1.5]);
    }

    #[test]
    fn what_breaks_a_line_is_told() {
        let problem = |line| rows(&[line]).err().unwrap();
        assert!(problem("1 3:1 3:2").contains("index 3 occurs twice"));
        assert!(problem("1 3").contains("\"3\" is not index:value"));
        assert!(problem("1 -3:1").contains("-3"));
        assert!(problem("1 99999999999999:1").contains("99999999999999"));
        assert!(problem("1 3:1e99").contains("3.4e38"));
        assert!(problem("1 qid:4 3:1").contains("qid"));
        assert!(problem("1,2 3:1").contains("several labels"));
        assert!(problem("spam 3:1").contains("not a number"));
    }
}
