//! How the words of a function's process and its host travel: a body that fits into a packet is in it, behind a zero; one
//! that does not is a stream, which the packet names behind a one.

use super::super::packet::{Lie, Packet};

/// A body, or the stream that it is sent as.
pub(super) enum Body<'a> {
    Here(&'a [u8]),
    Stream(i32),
}

/// The longest body that is in the packet itself.
const MOST_HERE: usize = Packet::CONTENT - 1;

impl<'a> Body<'a> {
    pub(super) fn fits(body: &[u8]) -> bool {
        body.len() <= MOST_HERE
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Here(body) => [&[0], *body].concat(),
            Self::Stream(stream) => [&[1], &stream.to_le_bytes()[..]].concat(),
        }
    }

    pub(super) fn decode(content: &'a [u8]) -> Result<Self, Lie> {
        match content {
            [0, body @ ..] => Ok(Self::Here(body)),
            [1, a, b, c, d] => Ok(Self::Stream(i32::from_le_bytes([*a, *b, *c, *d]))),
            _ => Err(Lie::Content("a call is a body, or names the stream that is one")),
        }
    }
}
