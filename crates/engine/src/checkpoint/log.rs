//! The candidates of clocks as bytes: each clock's follow those of the one before, so that files can be joined.

use quelea_params::Packet;

/// The candidates of one clock in the order of their blocks.
pub(crate) type Clock = Vec<Packet>;

/// Adds a clock.
pub(super) fn write(clock: &[Packet], to: &mut Vec<u8>) {
    to.extend(postcard::to_allocvec(clock).expect("bytes are plain data"));
}

/// Adds the clocks of `bytes` to `clocks`, or says what is wrong.
pub(super) fn read(mut bytes: &[u8], clocks: &mut Vec<Clock>) -> Result<(), String> {
    while !bytes.is_empty() {
        let (clock, rest) = postcard::take_from_bytes(bytes).map_err(|e| format!("it cannot be read: {e}"))?;
        clocks.push(clock);
        bytes = rest;
    }
    Ok(())
}
