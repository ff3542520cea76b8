//! A look at a file's outline before it is unfolded: a nested message of two bytes would take hundreds in memory.

use crate::{Error, Result};

/// Nested messages that any file may have.
const FREE_MESSAGES: usize = 1_000;
/// Bytes that a nested message takes at the least on average; ours take more.
const BYTES_PER_MESSAGE: usize = 8;

/// The messages whose members are looked at.
#[derive(Clone, Copy)]
enum Kind {
    Model,
    Graph,
    Node,
    Attribute,
    Leaf,
}

impl Kind {
    /// What the member of this number is, if it is a message.
    fn member(self, number: u64) -> Option<Kind> {
        match (self, number) {
            (Self::Model, 7) => Some(Self::Graph),
            (Self::Graph, 1) => Some(Self::Node),
            (Self::Node, 5) => Some(Self::Attribute),
            (Self::Model, 8 | 14 | 25) | (Self::Graph, 5 | 11 | 12) | (Self::Attribute, 5) => Some(Self::Leaf),
            _ => None,
        }
    }
}

/// Refuses a file of more messages than its length justifies. What is not protobuf is left to the decoder.
pub fn refuse_bloated(bytes: &[u8]) -> Result<()> {
    let messages = count(bytes, Kind::Model);
    if messages > FREE_MESSAGES + bytes.len() / BYTES_PER_MESSAGE {
        return Err(Error::Bloated { messages, bytes: bytes.len() });
    }
    Ok(())
}

/// The messages inside a message.
fn count(mut bytes: &[u8], kind: Kind) -> usize {
    let mut messages = 0;
    while let Some(key) = varint(&mut bytes) {
        let skipped = match key & 7 {
            0 => varint(&mut bytes).map(|_| 0),
            1 => Some(8),
            5 => Some(4),
            2 => varint(&mut bytes).and_then(|length| usize::try_from(length).ok()),
            _ => None,
        };
        let Some((member, rest)) = skipped.and_then(|length| bytes.split_at_checked(length)) else { break };
        bytes = rest;
        if let (2, Some(member_kind)) = (key & 7, kind.member(key >> 3)) {
            messages += 1 + count(member, member_kind);
        }
    }
    messages
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}
