//! The same for every other system: no scheduling policy, no known name, the permissions that the system gives.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use tempfile::Builder;

/// Leaves the scheduling to the system.
pub(crate) struct BatchScheduling;

impl BatchScheduling {
    /// Changes nothing.
    pub fn begin() -> Self {
        Self
    }
}

/// The name of this machine is not known.
pub(crate) fn host_name() -> Option<String> {
    None
}

/// A temporary file has the permissions of its folder.
pub(crate) fn readable_by_all<'b, 'p, 's>(builder: &'b mut Builder<'p, 's>) -> &'b mut Builder<'p, 's> {
    builder
}

/// Fills `bytes` with those of the file from `offset` on. It moves the file's cursor: one thread at a time may read a file that is open.
pub(crate) fn read_exact_at(mut file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_that_other_systems_read() {
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(path.path(), b"0123456789").unwrap();
        let file = File::open(path.path()).unwrap();
        for offset in [7, 0, 3] {
            let (mut here, mut there) = ([0; 3], [0; 3]);
            read_exact_at(&file, &mut here, offset).unwrap();
            crate::platform::read_exact_at(&file, &mut there, offset).unwrap();
            assert_eq!(here, there);
        }
        assert!(read_exact_at(&file, &mut [0; 3], 8).is_err());
    }
}
