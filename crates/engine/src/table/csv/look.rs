//! Looks a CSV file over before it is read by type: what breaks its rows is named with its line, and what keeps a
//! column of numbers from being one, or is lost when it is one, is noted.

use std::io::{BufReader, Read};
use std::path::Path;

use csv::{ByteRecord, ReaderBuilder};

use super::super::pieces::FileError;
use super::super::stray::{Notes, Tally};

/// First bytes of files that are not CSV whatever their name, and what to do.
const DISGUISES: [(&[u8], &str); 6] = [
    (b"\xff\xfe", "the file is UTF-16; save it as UTF-8, for example with iconv -f UTF-16 -t UTF-8"),
    (b"\xfe\xff", "the file is UTF-16; save it as UTF-8, for example with iconv -f UTF-16 -t UTF-8"),
    (b"\x1f\x8b", "the file is compressed with gzip; give it a name that ends in .csv.gz"),
    (b"\x28\xb5\x2f\xfd", "the file is compressed with zstd; give it a name that ends in .csv.zst"),
    (b"PAR1", "this is a Parquet file; give it a name that ends in .parquet"),
    (b"PK\x03\x04", "this is a zip archive or a spreadsheet; export it as CSV"),
];
/// What other programs put between columns.
const SEPARATORS: [(u8, &str); 3] = [(b';', "semicolons"), (b'\t', "tabs"), (b'|', "bars")];

/// Reads at most `rows` rows of `file`, whose plain bytes `open` gives, and refuses them when they are no CSV.
/// The answer is what the user should know of the columns.
pub(super) fn look<R: Read>(
    file: &Path,
    open: impl Fn() -> Result<R, FileError>,
    rows: usize,
    is_null: impl Fn(&str) -> bool,
) -> Result<Notes, FileError> {
    let mut reader = open()?;
    let mut first = Vec::new();
    reader.by_ref().take(4).read_to_end(&mut first).map_err(|e| FileError::cut_short(file, e))?;
    if let Some((_, problem)) = DISGUISES.iter().find(|(magic, _)| first.starts_with(magic)) {
        return Err(FileError::new(file, problem));
    }
    let mut records = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(first.as_slice().chain(reader));
    let (mut header, mut record) = (ByteRecord::new(), ByteRecord::new());
    if !records.read_byte_record(&mut header).map_err(|e| FileError::cut_short(file, e))? {
        return Err(FileError::new(file, "the file is empty; its first line must name the columns"));
    }
    let names = header_names(&header).map_err(|problem| FileError::new(file, problem))?;
    let mut tallies = vec![Tally::default(); names.len()];
    for row in 0..rows {
        if !records.read_byte_record(&mut record).map_err(|e| FileError::cut_short(file, e))? {
            break;
        }
        if let Err(problem) = check_row(&names, &record) {
            return Err(FileError::new(file, format!("line {}{problem}", line_of(file, open()?, &record)?)));
        }
        for (tally, value) in tallies.iter_mut().zip(&record) {
            let text = std::str::from_utf8(value).unwrap_or_default();
            if !is_null(text) {
                tally.see(row as u64, text);
            }
        }
    }
    Ok(Notes::new(names.iter().map(String::as_str).zip(tallies)))
}

/// Looks over every row of a file, and refuses the first that breaks.
pub(super) fn check<R: Read>(file: &Path, open: impl Fn() -> Result<R, FileError>) -> Result<(), FileError> {
    look(file, open, usize::MAX, |_| true).map(drop)
}

/// The line, from 1, on which row `row` of the file begins, which counts from 0 behind the header.
pub(super) fn line_of_row<R: Read>(file: &Path, open: impl Fn() -> Result<R, FileError>, row: u64) -> Result<usize, FileError> {
    let mut records = ReaderBuilder::new().has_headers(true).flexible(true).from_reader(open()?);
    let mut record = ByteRecord::new();
    for _ in 0..=row {
        records.read_byte_record(&mut record).map_err(|e| FileError::cut_short(file, e))?;
    }
    line_of(file, open()?, &record)
}

/// The line, from 1, on which a record begins. Its position is behind the record before it, so line breaks may follow.
fn line_of(file: &Path, reader: impl Read, record: &ByteRecord) -> Result<usize, FileError> {
    let start = record.position().map_or(0, csv::Position::byte);
    let mut line = 1;
    for (at, byte) in BufReader::new(reader).bytes().enumerate() {
        match byte.map_err(|e| FileError::cut_short(file, e))? {
            b'\n' => line += 1,
            b'\r' => {}
            _ if at as u64 >= start => break,
            _ => {}
        }
    }
    Ok(line)
}

fn header_names(header: &ByteRecord) -> Result<Vec<String>, String> {
    let name = |(place, name): (usize, &[u8])| match std::str::from_utf8(name) {
        Ok(name) => Ok(name.to_string()),
        Err(_) => Err(format!("line 1: the name of column {} is not UTF-8 text; {SAVE_AS_UTF8}", place + 1)),
    };
    let names = header.iter().enumerate().map(name).collect::<Result<Vec<_>, _>>()?;
    if let [only] = &names[..]
        && let Some((separator, called)) = SEPARATORS.iter().find(|(separator, _)| only.as_bytes().contains(separator))
    {
        let columns = only.as_bytes().iter().filter(|byte| *byte == separator).count() + 1;
        return Err(format!(
            "line 1: {called} seem to stand between its {columns} columns, where a CSV file has commas; write it again with commas"
        ));
    }
    Ok(names)
}

const SAVE_AS_UTF8: &str = "save the file as UTF-8, for example with iconv -f LATIN1 -t UTF-8";

fn check_row(names: &[String], record: &ByteRecord) -> Result<(), String> {
    if record.len() != names.len() {
        let (values, columns) = (counted(record.len(), "value"), counted(names.len(), "column"));
        let advice = match record.len() > names.len() {
            true => "quote values that hold a comma, or mend the line",
            false => "fill in what is missing, or mend the line",
        };
        return Err(format!(": it has {values}, and the first line names {columns}; {advice}"));
    }
    match record.iter().position(|value| std::str::from_utf8(value).is_err()) {
        None => Ok(()),
        Some(column) => Err(format!(", column {:?}: the value is not UTF-8 text; {SAVE_AS_UTF8}", names[column])),
    }
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("{count} {what}") } else { format!("{count} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(content: &[u8]) -> String {
        match look(Path::new("t.csv"), || Ok(content), 100, str::is_empty) {
            Ok(_) => String::new(),
            Err(e) => e.to_string(),
        }
    }

    #[test]
    fn rows_that_break_are_named_by_their_line() {
        assert!(problem(b"a,b\n1,2\n\n3\n").contains("line 4: it has 1 value, and the first line names 2 columns"));
        assert!(problem(b"a,b\n\"1\n1\",2\n3,4,5\n").contains("line 4: it has 3 values"));
        assert!(problem(b"a,b\n1,2\n3,\xff\n").contains("line 3, column \"b\""));
        assert!(problem(b"a,\xe9t\xe9\n1,2\n").contains("line 1: the name of column 2"));
        assert!(problem(b"\xef\xbb\xbfa,b\r\n1,2\r\n3\r\n").contains("line 3: it has 1 value"));
        assert_eq!(problem(b"\xef\xbb\xbfa,b\r\n1,2\r\n\r\n"), "");
    }

    #[test]
    fn files_of_another_kind_are_told() {
        assert!(problem(b"\xff\xfea\0,\0b\0\n\0").contains("UTF-16"));
        assert!(problem(b"a;b;c\n1;2,5;3\n").contains("semicolons seem to stand between its 3 columns"));
        assert!(problem(b"a\tb\n1\t2\n").contains("tabs"));
        assert!(problem(b"\x1f\x8b\x08\x00rest").contains(".csv.gz"));
        assert!(problem(b"").contains("empty"));
        assert_eq!(problem(b"a,b;c\n1,2\n"), "");
    }
}
