//! What a message is on the wire: a head, and blocks beside it as they lie in memory, or packed.

use std::sync::Arc;

use quelea_core::block::{Block, PickedRow};
use quelea_params::Packet;
use quelea_params::message::{FromRun, FromShard, ToRun, ToShard};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::pack::Floats;

#[cfg(target_endian = "big")]
compile_error!("numbers are sent as they lie in memory, the lowest byte first");

/// A message that can be sent.
pub(crate) trait Message: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What people call it when it is too large.
    fn what(&self) -> String {
        "a message".into()
    }

    /// The blocks that travel beside it.
    fn blocks(&self) -> &[(u32, Block)] {
        &[]
    }

    /// Bytes that travel beside it.
    fn packet(&self) -> Option<&Packet> {
        None
    }

    /// Whether blocks or bytes travel beside it.
    fn has_beside(&self) -> bool {
        false
    }

    /// Puts the blocks back.
    fn put_blocks(&mut self, _: Vec<(u32, Block)>) {}

    /// Puts the bytes back.
    fn put_packet(&mut self, _: Packet) {}
}

impl Message for ToRun {}

impl Message for FromRun {
    fn what(&self) -> String {
        match self {
            Self::Joined(_) => "a plan".into(),
            Self::Tile { tile, .. } => format!("tile {tile}"),
            Self::Log { from, .. } => format!("the log from clock {from} on"),
            _ => "an answer of the run".into(),
        }
    }

    fn packet(&self) -> Option<&Packet> {
        match self {
            Self::Tile { bytes, .. } => Some(bytes),
            _ => None,
        }
    }

    fn has_beside(&self) -> bool {
        matches!(self, Self::Tile { .. })
    }

    fn put_packet(&mut self, packet: Packet) {
        if let Self::Tile { bytes, .. } = self {
            *bytes = packet;
        }
    }
}

impl Message for FromShard {
    fn what(&self) -> String {
        match self {
            Self::Committed { clock, .. } => format!("what a shard found in clock {clock}"),
            Self::Rows { .. } => "rows of parameters".into(),
            _ => "an answer of a shard".into(),
        }
    }

    fn blocks(&self) -> &[(u32, Block)] {
        match self {
            Self::Rows { blocks, .. } => blocks,
            _ => &[],
        }
    }

    fn has_beside(&self) -> bool {
        matches!(self, Self::Rows { .. })
    }

    fn put_blocks(&mut self, received: Vec<(u32, Block)>) {
        if let Self::Rows { blocks, .. } = self {
            *blocks = Arc::new(received);
        }
    }
}

impl Message for ToShard {
    fn what(&self) -> String {
        match self {
            Self::Open { .. } => "a plan".into(),
            Self::Replay { from, .. } => format!("the log from clock {from} on"),
            Self::Advance { clock, .. } => format!("what the other shards found in clock {clock}"),
            Self::Push { id, .. } => format!("the sums for clock {}", id.clock),
            Self::Read { .. } => "the keys that are read".into(),
            Self::Load { .. } => "rows of a cut".into(),
            _ => "a call of a shard".into(),
        }
    }

    fn blocks(&self) -> &[(u32, Block)] {
        match self {
            Self::Push { blocks, .. } | Self::Read { blocks, .. } | Self::Load { blocks, .. } => blocks,
            _ => &[],
        }
    }

    fn has_beside(&self) -> bool {
        matches!(self, Self::Push { .. } | Self::Read { .. } | Self::Load { .. })
    }

    fn put_blocks(&mut self, received: Vec<(u32, Block)>) {
        if let Self::Push { blocks, .. } | Self::Read { blocks, .. } | Self::Load { blocks, .. } = self {
            *blocks = Arc::new(received);
        }
    }
}

/// What is called, and what answers.
pub(crate) trait Service: Send + 'static {
    type Ask: Message + Clone;
    type Answer: Message;
    /// Tells the two services apart in a greeting.
    const NUMBER: u8;
    /// What the other side is, for messages.
    const NAME: &'static str;
}

/// What workers ask of a run.
pub(crate) struct OfRun;

impl Service for OfRun {
    type Ask = ToRun;
    type Answer = FromRun;
    const NUMBER: u8 = 1;
    const NAME: &'static str = "a run";
}

/// What runs and workers ask of a shard.
pub(crate) struct OfShard;

impl Service for OfShard {
    type Ask = ToShard;
    type Answer = FromShard;
    const NUMBER: u8 = 2;
    const NAME: &'static str = "a shard";
}

/// How something is sent that travels beside a message: a block, or bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Shape {
    /// So many integers, beside the head.
    Integers(u64),
    /// So many fixed-point numbers.
    Fixed(u64),
    /// So many numbers in no order.
    Bag(u64),
    /// So many keys.
    Keys(u64),
    /// So many parameters.
    Values(u64),
    /// The rows themselves, in the head.
    Rows(Vec<(u32, u32, Vec<f32>)>),
    /// So many integers in so many bytes; see `pack`.
    PackedIntegers { len: u64, bytes: u64 },
    /// So many keys in so many bytes.
    PackedKeys { len: u64, bytes: u64 },
    /// So many parameters as short floats.
    ShortValues { len: u64, half: bool, below: u8 },
    /// So many bytes that are no block.
    Packet(u64),
}

impl Shape {
    pub(crate) fn of(block: &Block) -> Self {
        match block {
            Block::Integers(values) => Self::Integers(values.len() as u64),
            Block::Fixed(values) => Self::Fixed(values.len() as u64),
            Block::Bag(values) => Self::Bag(values.len() as u64),
            Block::Keys(keys) => Self::Keys(keys.len() as u64),
            Block::Values(values) => Self::Values(values.len() as u64),
            Block::Rows(rows) => Self::Rows(rows.iter().map(|row| (row.tile, row.row, row.values.clone())).collect()),
        }
    }

    /// How many bytes lie beside the head.
    pub(crate) fn bytes(&self) -> Option<u64> {
        match self {
            Self::Integers(len) | Self::Keys(len) => len.checked_mul(8),
            Self::Fixed(len) => len.checked_mul(16),
            Self::Bag(len) | Self::Values(len) => len.checked_mul(4),
            Self::Rows(_) => Some(0),
            Self::Packet(len) => Some(*len),
            // Each has a byte at least, so what lies is paid for in bytes.
            Self::PackedIntegers { len, bytes } | Self::PackedKeys { len, bytes } => (len <= bytes).then_some(*bytes),
            Self::ShortValues { len, half, below } => len.checked_mul(Floats { half: *half, below: *below }.width()),
        }
    }
}

/// The bytes of a block that lie beside the head.
pub(crate) fn bytes_of(block: &Block) -> &[u8] {
    match block {
        Block::Integers(values) => bytemuck::cast_slice(values),
        Block::Fixed(values) => bytemuck::cast_slice(values),
        Block::Bag(values) | Block::Values(values) => bytemuck::cast_slice(values),
        Block::Keys(keys) => bytemuck::cast_slice(keys),
        Block::Rows(_) => &[],
    }
}

/// The rows of a block that came with the head.
pub(crate) fn rows(rows: Vec<(u32, u32, Vec<f32>)>) -> Block {
    Block::Rows(rows.into_iter().map(|(tile, row, values)| PickedRow { tile, row, values }).collect())
}
