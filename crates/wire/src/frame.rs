//! Frames: a message with the number of its call, behind its length.
//!
//! A frame is 20 bytes of header (call: u64, bytes of the head: u32, bytes beside it: u64; the lowest byte first), the
//! head (the message and the shapes of what lies beside it, in postcard's format), and what lies beside: a packet's bytes, or the
//! blocks' numbers, packed where that makes them shorter (`pack`). A frame without a head stands for an answer that cannot be
//! sent; beside it lies why.

use std::borrow::Cow;
use std::io::{self, IoSlice};
use std::time::Duration;

use quelea_core::block::Block;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::WireError;
use crate::message::{Message, Shape, rows};
use crate::pack::{self, Floats, sent};

/// Small frames are read many at a time, large ones past this buffer.
pub(crate) const BUFFER_BYTES: usize = 16 << 10;
pub(crate) const HEADER: usize = 20;
/// The most that a head may have: a page of the log, a plan. Tests have less memory than that.
const MOST_HEAD: u32 = if cfg!(test) { 1 << 24 } else { 1 << 30 };
/// The most that may lie beside it.
const MOST_BESIDE: u64 = 1 << 36;
/// The most that the reason may have for which there is no answer.
const MOST_REASON: usize = 1_000;
/// What memory is taken for at once, and how many times more for what has come: a length that lies is paid for in bytes.
const FIRST_BYTES: usize = 4 << 20;
const GROWTH: usize = 16;
/// What is read at once.
const STEP_BYTES: usize = 256 << 10;

/// What a frame says of itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    pub call: u64,
    /// Bytes of the head.
    pub head: u64,
    /// Bytes beside it.
    pub beside: u64,
}

/// Writes a frame, and says how many bytes it had; a receiver that takes none of them for `patience` is given up.
pub(crate) async fn write<M: Message>(
    to: &mut (impl AsyncWrite + Unpin),
    call: u64,
    message: &M,
    patience: Duration,
) -> Result<u64, WireError> {
    let Frame { start, header, beside } = frame_of(call, message)?;
    let parts = std::iter::once(start.as_slice()).chain(beside.iter().map(|part| &**part));
    write_all(to, &mut parts.map(IoSlice::new).collect::<Vec<_>>(), patience).await?;
    Ok(start.len() as u64 + header.beside)
}

/// A frame that is to be written.
pub(crate) struct Frame<'a> {
    /// The header and the head.
    pub start: Vec<u8>,
    pub header: Header,
    /// A packet's bytes and the blocks' numbers: where packing them gains nothing, as they lie in memory.
    pub beside: Vec<Cow<'a, [u8]>>,
}

/// The frame of a message.
pub(crate) fn frame_of<M: Message>(call: u64, message: &M) -> Result<Frame<'_>, WireError> {
    let (mut shapes, mut parts) = (Vec::new(), Vec::new());
    for (number, block) in message.blocks() {
        let (shape, bytes) = sent(block);
        shapes.push((*number, shape));
        parts.push(bytes);
    }
    if let Some(packet) = message.packet() {
        shapes.push((0, Shape::Packet(packet.len() as u64)));
        parts.push(Cow::Borrowed(packet));
    }
    let beside: u64 = parts.iter().map(|part| part.len() as u64).sum();
    let mut start = vec![0; HEADER];
    start = postcard::to_extend(&(message, shapes), start).map_err(io::Error::other)?;
    let too_large = |bytes, most| WireError::TooLarge { what: message.what(), bytes, most };
    let bytes = (start.len() - HEADER) as u64;
    let head = u32::try_from(bytes).ok().filter(|len| *len <= MOST_HEAD).ok_or_else(|| too_large(bytes, MOST_HEAD.into()))?;
    if beside > MOST_BESIDE {
        return Err(too_large(beside, MOST_BESIDE));
    }
    start[..HEADER].copy_from_slice(&header_of(call, head, beside));
    Ok(Frame { start, header: Header { call, head: head.into(), beside }, beside: parts })
}

fn header_of(call: u64, head: u32, beside: u64) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(&call.to_le_bytes());
    header[8..12].copy_from_slice(&head.to_le_bytes());
    header[12..].copy_from_slice(&beside.to_le_bytes());
    header
}

/// Writes why there is no answer to a call.
pub(crate) async fn refuse(to: &mut (impl AsyncWrite + Unpin), call: u64, why: &str, patience: Duration) -> Result<(), WireError> {
    let why = reason(why);
    let header = header_of(call, 0, why.len() as u64);
    Ok(write_all(to, &mut [IoSlice::new(&header), IoSlice::new(why)], patience).await?)
}

/// As much of a reason as is sent.
pub(crate) fn reason(why: &str) -> &[u8] {
    &why.as_bytes()[..why.len().min(MOST_REASON)]
}

async fn write_all(to: &mut (impl AsyncWrite + Unpin), mut parts: &mut [IoSlice<'_>], patience: Duration) -> io::Result<()> {
    IoSlice::advance_slices(&mut parts, 0);
    while !parts.is_empty() {
        match timeout(patience, to.write_vectored(parts)).await?? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => IoSlice::advance_slices(&mut parts, written),
        }
    }
    // TLS keeps what the socket does not take at once, and nothing else may be written for long.
    timeout(patience, to.flush()).await?
}

/// Reads a frame: the call's number, the message, and how many bytes it had.
pub(crate) async fn read<M: Message>(from: &mut (impl AsyncRead + Unpin), address: &str) -> Result<(u64, M, u64), WireError> {
    let mut header = [0; HEADER];
    from.read_exact(&mut header).await?;
    let number = |at: usize, len: usize| header[at..at + len].iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    let header = Header { call: number(0, 8), head: number(8, 4), beside: number(12, 8) };
    let (message, bytes) = read_behind(from, address, header).await?;
    Ok((header.call, message, bytes))
}

/// Reads what comes behind a header: the message, and how many bytes the frame had.
pub(crate) async fn read_behind<M: Message>(
    from: &mut (impl AsyncRead + Unpin),
    address: &str,
    Header { head, beside, .. }: Header,
) -> Result<(M, u64), WireError> {
    let malformed = |problem| WireError::Malformed { address: address.into(), problem };
    if head > u64::from(MOST_HEAD) || beside > MOST_BESIDE {
        return Err(malformed("it is too long"));
    }
    if head == 0 && (1..=MOST_REASON as u64).contains(&beside) {
        let problem = read_numbers::<u8>(from, beside).await?;
        return Err(WireError::Unanswered { address: address.into(), problem: String::from_utf8_lossy(&problem).into() });
    }
    let bytes = (HEADER as u64).saturating_add(head).saturating_add(beside);
    let head = read_numbers::<u8>(from, head).await?;
    let read = postcard::take_from_bytes::<(M, Vec<(u32, Shape)>)>(&head);
    let ((mut message, shapes), rest) = read.map_err(|_| malformed("its head cannot be read"))?;
    if !rest.is_empty() || !(shapes.is_empty() || message.has_beside()) {
        return Err(malformed("its head has more than belongs there"));
    }
    let lengths: Option<u64> = shapes.iter().try_fold(0u64, |sum, (_, shape)| sum.checked_add(shape.bytes()?));
    if lengths != Some(beside) {
        return Err(malformed("its lengths contradict each other"));
    }
    let mut blocks = Vec::with_capacity(shapes.len());
    for (number, shape) in shapes {
        let block = match shape {
            Shape::Integers(len) => Block::Integers(read_numbers(from, len).await?),
            Shape::Fixed(len) => Block::Fixed(read_numbers(from, len).await?),
            Shape::Bag(len) => Block::Bag(read_numbers(from, len).await?),
            Shape::Keys(len) => Block::Keys(read_numbers(from, len).await?),
            Shape::Values(len) => Block::Values(read_numbers(from, len).await?),
            Shape::Rows(of) => rows(of),
            Shape::Packet(_) if message.packet().is_none() => return Err(malformed("bytes lie beside it that do not belong there")),
            Shape::Packet(len) => {
                message.put_packet(read_numbers(from, len).await?.into());
                continue;
            }
            Shape::PackedIntegers { len, bytes } => {
                let packed = read_numbers(from, bytes).await?;
                Block::Integers(pack::integers(&packed, len).ok_or_else(|| malformed("its integers cannot be read"))?)
            }
            Shape::PackedKeys { len, bytes } => {
                let packed = read_numbers(from, bytes).await?;
                Block::Keys(pack::keys(&packed, len).ok_or_else(|| malformed("its keys cannot be read"))?)
            }
            Shape::ShortValues { len, half, below } => {
                let floats = Floats { half, below };
                Block::Values(floats.unpack(&read_numbers::<u8>(from, len * floats.width()).await?))
            }
        };
        blocks.push((number, block));
    }
    message.put_blocks(blocks);
    Ok((message, bytes))
}

/// Reads numbers to where they stay. Memory is never taken far ahead of what has come, and is written first just before it
/// is read into, while it is in the processor's cache.
async fn read_numbers<T: bytemuck::Pod>(from: &mut (impl AsyncRead + Unpin), len: u64) -> Result<Vec<T>, WireError> {
    let too_long = |_| io::Error::new(io::ErrorKind::InvalidData, "a message is too large for this machine");
    let len = usize::try_from(len).map_err(too_long)?;
    let mut numbers: Vec<T> = Vec::new();
    while numbers.len() < len {
        let come = numbers.len();
        if come == numbers.capacity() {
            numbers.reserve_exact(len.min((come * GROWTH).max(FIRST_BYTES / size_of::<T>())) - come);
        }
        numbers.resize(len.min(numbers.capacity()).min(come + STEP_BYTES / size_of::<T>()), T::zeroed());
        from.read_exact(bytemuck::cast_slice_mut(&mut numbers[come..])).await?;
    }
    Ok(numbers)
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
