//! What Unix systems have: permissions of files.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use tempfile::Builder;

/// Gives a temporary file the permissions of a usual new file, less what the user's mask takes away; its own would keep others out.
pub(crate) fn readable_by_all<'b, 'p, 's>(builder: &'b mut Builder<'p, 's>) -> &'b mut Builder<'p, 's> {
    builder.permissions(Permissions::from_mode(0o666))
}
