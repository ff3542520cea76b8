//! What tests of checkpoints have in common: damage.

use std::path::Path;

use crate::Result;

/// Flips a bit of each byte of each file in `folder`, and cuts each file off behind each byte. Every time `read` must be an error
/// that names the file; in the end all is as it was.
pub(super) fn assert_damage_is_noticed<T>(folder: &Path, read: impl Fn() -> Result<T>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let whole = std::fs::read(&path).unwrap();
        let refused = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            let error = read().err().expect("damage is an error").to_string();
            assert!(error.contains(path.to_str().unwrap()), "{error}");
        };
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            refused(&bytes);
            refused(&whole[..at]);
        }
        std::fs::write(&path, &whole).unwrap();
    }
}
