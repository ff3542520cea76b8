//! What Unix systems have: permissions of files, and reads that move no cursor.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt};

use tempfile::Builder;

/// Gives a temporary file the permissions of a usual new file, less what the user's mask takes away; its own would keep others out.
pub(crate) fn readable_by_all<'b, 'p, 's>(builder: &'b mut Builder<'p, 's>) -> &'b mut Builder<'p, 's> {
    builder.permissions(Permissions::from_mode(0o666))
}

/// Fills `bytes` with those of the file from `offset` on.
pub(crate) fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    file.read_exact_at(bytes, offset)
}
