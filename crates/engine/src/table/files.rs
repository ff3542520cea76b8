//! Finds the files of a table: one file, all of a folder, or those a glob matches, in the order of their paths.

use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use quelea_core::suggest;

use crate::{Error, Result};

/// How a file holds its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Parquet,
    Csv(Compression),
    LibSvm(Compression),
}

/// How a file of text is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

const ENDINGS: [(&str, Format); 14] = [
    (".parquet", Format::Parquet),
    (".csv", Format::Csv(Compression::None)),
    (".csv.gz", Format::Csv(Compression::Gzip)),
    (".csv.zst", Format::Csv(Compression::Zstd)),
    (".pq", Format::Parquet),
    (".svm", Format::LibSvm(Compression::None)),
    (".svm.gz", Format::LibSvm(Compression::Gzip)),
    (".svm.zst", Format::LibSvm(Compression::Zstd)),
    (".libsvm", Format::LibSvm(Compression::None)),
    (".libsvm.gz", Format::LibSvm(Compression::Gzip)),
    (".libsvm.zst", Format::LibSvm(Compression::Zstd)),
    (".svmlight", Format::LibSvm(Compression::None)),
    (".svmlight.gz", Format::LibSvm(Compression::Gzip)),
    (".svmlight.zst", Format::LibSvm(Compression::Zstd)),
];

/// The files that `table` names, sorted by path, and their common format.
pub(crate) fn find(table: &str) -> Result<(Vec<PathBuf>, Format)> {
    let path = Path::new(table);
    let files = if path.is_dir() {
        files_of_folder(path)?
    } else if path.symlink_metadata().is_ok() {
        vec![path.to_path_buf()]
    } else if table.contains(['*', '?', '[']) {
        files_of_glob(table)?
    } else {
        return Err(Error::NoTable { table: table.into(), hint: hint(path) });
    };
    let format = common_format(table, &files)?;
    files.iter().try_for_each(|file| refuse_what_is_no_file(file))?;
    let absolute = |file: &PathBuf| std::path::absolute(file).map_err(|source| Error::File { action: "read", path: file.clone(), source });
    let mut files = files.iter().map(absolute).collect::<Result<Vec<_>>>()?;
    // By the whole path as text, and not by its parts.
    files.sort_by(|a, b| a.as_os_str().cmp(b.as_os_str()));
    Ok((files, format))
}

/// A table is read more than once, and parts of it out of their order, which a pipe does not allow.
fn refuse_what_is_no_file(path: &Path) -> Result<()> {
    let kind = path.metadata().map_err(|source| Error::File { action: "read", path: path.into(), source })?.file_type();
    let what = match () {
        () if kind.is_file() => return Ok(()),
        () if kind.is_fifo() => "a pipe",
        () if kind.is_socket() => "a socket",
        () if kind.is_dir() => "a folder",
        () => "a device",
    };
    let problem = format!("it is {what}, and a table must be a file, so that it can be read more than once; save its rows in one");
    Err(Error::Table { table: path.display().to_string(), problem })
}

/// Whether `table` names LibSVM files.
pub(super) fn is_libsvm(table: &str) -> bool {
    find(table).is_ok_and(|(_, format)| matches!(format, Format::LibSvm(_)))
}

/// Whether a file is a CSV file.
pub(crate) fn is_csv(file: &Path) -> bool {
    matches!(format_of(file), Some(Format::Csv(_)))
}

fn files_of_folder(folder: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = |source| Error::File { action: "read", path: folder.into(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if !path.is_dir() && !is_hidden(&path) && format_of(&path).is_some() {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(Error::Table { table: folder.display().to_string(), problem: format!("the folder holds no {} file", endings()) });
    }
    Ok(files)
}

fn files_of_glob(pattern: &str) -> Result<Vec<PathBuf>> {
    let wrong = |problem: String| Error::Table { table: pattern.into(), problem };
    let matches = glob::glob(pattern).map_err(|e| wrong(format!("not a glob pattern: {e}")))?;
    let readable = |found: glob::GlobResult| found.map_err(|e| Error::File { action: "read", path: e.path().into(), source: e.into() });
    let mut files = matches.map(readable).collect::<Result<Vec<PathBuf>>>()?;
    files.retain(|file| !file.is_dir());
    if files.is_empty() {
        return Err(wrong("the pattern matches no file".into()));
    }
    // As in a folder, what other programs leave beside tables is passed over; a pattern may ask for hidden names.
    let wants_hidden = is_hidden(Path::new(pattern));
    let is_wanted = |file: &&PathBuf| format_of(file).is_some() && (wants_hidden || !is_hidden(file));
    let wanted: Vec<PathBuf> = files.iter().filter(is_wanted).cloned().collect();
    Ok(if wanted.is_empty() { files } else { wanted })
}

fn common_format(table: &str, files: &[PathBuf]) -> Result<Format> {
    let mut common = None;
    for file in files {
        let format = format_of(file).ok_or_else(|| Error::Table {
            table: file.display().to_string(),
            problem: format!("its format is told by its name, which must end in {}", endings()),
        })?;
        if *common.get_or_insert(format) != format {
            return Err(Error::Table {
                table: table.into(),
                problem: format!("{} is of another format than the files before it; keep one format per table", file.display()),
            });
        }
    }
    common.ok_or_else(|| Error::NoTable { table: table.into(), hint: String::new() })
}

/// The format of a file, as its name tells.
pub(super) fn format_of(file: &Path) -> Option<Format> {
    let name = file.file_name()?.to_string_lossy().to_ascii_lowercase();
    ENDINGS.iter().find(|(ending, _)| name.ends_with(ending)).map(|&(_, format)| format)
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_none_or(|name| matches!(name.as_encoded_bytes().first(), Some(b'.' | b'_')))
}

fn endings() -> String {
    ENDINGS.map(|(ending, _)| ending).join(", ")
}

fn hint(path: &Path) -> String {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let could_be_table = |path: &Path| path.is_dir() || format_of(path).is_some();
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let names: Vec<String> =
        entries.filter(|path| could_be_table(path)).filter_map(|path| path.file_name()?.to_str().map(str::to_string)).collect();
    let wanted = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    match suggest::nearest(wanted, names.iter().map(String::as_str)) {
        Some(name) => format!("; did you mean {}?", folder.join(name).display()),
        None => String::new(),
    }
}
