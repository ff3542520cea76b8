//! The hash of categories: which bucket of a sparse feature a text of a column falls into. It never changes, because model
//! files depend on it. And the hash that tells lists apart.

use twox_hash::XxHash3_128;

/// The most columns a sparse feature may have: its weights fit in memory and in a model file.
pub const MOST_COLUMNS: u32 = 1 << 28;
/// Buckets when nothing is said.
pub const BUCKETS: u32 = 1 << 20;
/// Stands between column and text; no byte of a text is this.
const BETWEEN: u8 = 0xff;

/// The bucket of `text` in column `column`, below `buckets`, which is at least 1: the lower 64 bits of the 128-bit XXH3 hash, without
/// seed, of the column's name, the byte 255 and the text, modulo the number of buckets.
pub fn bucket(column: &str, text: &str, buckets: u32) -> u32 {
    let mut bytes = Vec::with_capacity(column.len() + 1 + text.len());
    bytes.extend_from_slice(column.as_bytes());
    bytes.push(BETWEEN);
    bytes.extend_from_slice(text.as_bytes());
    (XxHash3_128::oneshot(&bytes) as u64 % u64::from(buckets)) as u32
}

/// The 128-bit XXH3 hash of bytes: no two different ones that anybody meets by chance have the same.
pub fn wide(bytes: &[u8]) -> u128 {
    XxHash3_128::oneshot(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_those_of_the_reference_implementation() {
        // Of the Python package xxhash: xxh3_128_intdigest(column + b"\xff" + text) % 2**64 % buckets.
        let cases = [("site", "a.example", 282_782), ("site", "", 756_776), ("année", "été", 95_105), ("x", "-17", 961_056)];
        for (column, text, expected) in cases {
            assert_eq!(bucket(column, text, BUCKETS), expected, "{column} {text}");
        }
        assert_eq!(bucket("app", &"y".repeat(300), 1_000_003), 115_176);
    }
}
