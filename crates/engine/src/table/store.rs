//! The files of a session's Parquet tables, which DataFusion reads by number: a number needs no encoding, and so a file may
//! have any name. It refuses everything but reading.

use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use url::Url;

use crate::platform::read_exact_at;

/// The address of the store.
const ADDRESS: &str = "numbered://files/";

/// Files by number.
#[derive(Debug)]
pub(super) struct FileStore {
    files: Vec<PathBuf>,
}

impl FileStore {
    /// A store of these files; the first is number 0.
    pub fn new(files: Vec<PathBuf>) -> Self {
        Self { files }
    }

    /// The address that the store has in a session.
    pub fn address() -> crate::Result<Url> {
        Url::parse(ADDRESS).map_err(crate::Error::internal)
    }

    /// The address of a file. Addresses sort as numbers do, because DataFusion sorts the files of a table by address.
    pub fn address_of(number: usize) -> crate::Result<Url> {
        Self::address()?.join(&format!("{number:010}")).map_err(crate::Error::internal)
    }

    fn open(&self, location: &Path) -> Result<(File, &PathBuf)> {
        let path = location.as_ref().parse().ok().and_then(|number: usize| self.files.get(number));
        let path = path.ok_or_else(|| refused("read of another file"))?;
        Ok((File::open(path).map_err(failed)?, path))
    }
}

impl fmt::Display for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "FileStore")
    }
}

fn failed(source: std::io::Error) -> Error {
    Error::Generic { store: "FileStore", source: Box::new(source) }
}

fn refused(operation: &str) -> Error {
    Error::NotImplemented { operation: operation.into(), implementer: "FileStore".into() }
}

/// Memory is allocated for bytes that the file has, whatever a damaged file says of itself.
fn read(file: &File, range: &Range<u64>) -> std::io::Result<Bytes> {
    if range.end > file.metadata()?.len() {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    let mut bytes = vec![0; range.end.saturating_sub(range.start) as usize];
    read_exact_at(file, &mut bytes, range.start)?;
    Ok(bytes.into())
}

/// Reads block the thread they run on, as all reading of tables does.
#[async_trait]
impl ObjectStore for FileStore {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let (file, path) = self.open(location)?;
        let metadata = file.metadata().map_err(failed)?;
        let last_modified = metadata.modified().map_err(failed)?.into();
        let meta = ObjectMeta { location: location.clone(), last_modified, size: metadata.len(), e_tag: None, version: None };
        options.check_preconditions(&meta)?;
        let range = match options.range {
            None => 0..meta.size,
            Some(range) => range.as_range(meta.size).map_err(|e| failed(std::io::Error::other(e)))?,
        };
        Ok(GetResult { payload: GetResultPayload::File(file, path.clone()), meta, range, attributes: Attributes::default() })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let (file, _) = self.open(location)?;
        ranges.iter().map(|range| read(&file, range).map_err(failed)).collect()
    }

    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        Err(refused("put"))
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(refused("put"))
    }

    fn delete_stream(&self, _: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        futures::stream::iter([Err(refused("delete"))]).boxed()
    }

    fn list(&self, _: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        futures::stream::iter([Err(refused("list"))]).boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        Err(refused("list"))
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(refused("copy"))
    }
}
