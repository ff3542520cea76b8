//! Pieces as tonic wants them.

use bytes::{Buf, BufMut};
use prost::Message;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use super::{PIECE_BYTES, Piece};

/// Bytes of a piece beside its data.
const AROUND: usize = 64;

#[derive(Clone, Copy, Default)]
pub(super) struct OfPieces;

impl Codec for OfPieces {
    type Encode = Piece;
    type Decode = Piece;
    type Encoder = Self;
    type Decoder = Self;
    fn encoder(&mut self) -> Self {
        Self
    }
    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for OfPieces {
    type Item = Piece;
    type Error = Status;
    fn encode(&mut self, piece: Piece, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.reserve(piece.encoded_len());
        debug_assert!(into.remaining_mut() >= piece.encoded_len());
        piece.encode(into).map_err(|error| Status::internal(error.to_string()))
    }
    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(AROUND, PIECE_BYTES)
    }
}

impl Decoder for OfPieces {
    type Item = Piece;
    type Error = Status;
    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Piece>, Status> {
        debug_assert!(from.remaining() <= super::MOST_MESSAGE);
        Piece::decode(from).map(Some).map_err(|error| Status::invalid_argument(error.to_string()))
    }
}
