//! Packets: what a process and its host say to each other, and how that lies on the wire.
//!
//! Owns the format and its limits: a header of eight bytes, little-endian, `{u32 size, i16 code, u8 domain, u8 index}`,
//! then the content, then zeros up to the next multiple of eight. The size counts header and content. Whoever sends
//! anything else is not talked to any longer. It never reads or writes a socket.

use std::fmt;

/// The bytes of a header.
pub const HEADER: usize = 8;
/// The most bytes of a packet, its header included.
pub const MOST: usize = 64 * 1024;
/// The code of packets that ask for services, and of the answers.
pub const DISCOVER: i16 = -1;

/// What a packet is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Domain {
    /// A question, or the one answer to it; both have the same index.
    Call = 0,
    /// Something to know, without an answer.
    Info = 1,
    /// How much the sender of a stream may send, or that it need not send more: see `flow`.
    Flow = 2,
    /// A part of a stream.
    Data = 3,
}

impl Domain {
    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Call, Self::Info, Self::Flow, Self::Data].into_iter().find(|domain| *domain as u8 == byte)
    }
}

/// One packet.
///
/// ```
/// use delay::process::{Domain, Packet, Reader};
///
/// let packet = Packet { code: 0, domain: Domain::Call, index: 7, content: b"hello".to_vec() };
/// let mut wire = Vec::new();
/// packet.encode(&mut wire);
/// assert_eq!(wire, b"\x0d\0\0\0\0\0\0\x07hello\0\0\0");
///
/// let mut reader = Reader::default();
/// reader.push(&wire);
/// assert_eq!(reader.next()?, Some(packet));
/// # Ok::<(), delay::process::Lie>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The service that it belongs to, by its place among those that were discovered; or [`DISCOVER`].
    pub code: i16,
    /// What it is about.
    pub domain: Domain,
    /// Which call, of those that wait for an answer.
    pub index: u8,
    /// What it says; at most [`MOST`] less [`HEADER`] bytes.
    pub content: Vec<u8>,
}

impl Packet {
    /// The most bytes of content.
    pub const CONTENT: usize = MOST - HEADER;

    /// Appends it to `wire`.
    ///
    /// # Panics
    /// If the content is longer than [`Self::CONTENT`].
    pub fn encode(&self, wire: &mut Vec<u8>) {
        assert!(self.content.len() <= Self::CONTENT, "a packet holds {} bytes", Self::CONTENT);
        let size = HEADER + self.content.len();
        wire.extend((size as u32).to_le_bytes());
        wire.extend(self.code.to_le_bytes());
        wire.extend([self.domain as u8, self.index]);
        wire.extend(&self.content);
        wire.resize(wire.len() + padding(size), 0);
    }
}

fn padding(size: usize) -> usize {
    size.next_multiple_of(8) - size
}

/// What is not a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lie {
    /// The size is smaller than a header.
    TooShort(u32),
    /// The size is larger than a packet may be.
    TooLong(u32),
    /// There is no such domain.
    UnknownDomain(u8),
    /// What fills a packet up is not zero.
    Padding,
    /// The end came inside a packet.
    Unfinished,
    /// The content is not what the domain asks for.
    Content(&'static str),
}

impl fmt::Display for Lie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort(size) => write!(f, "a packet of {size} bytes is shorter than its header"),
            Self::TooLong(size) => write!(f, "a packet of {size} bytes is longer than {MOST}"),
            Self::UnknownDomain(domain) => write!(f, "there is no domain {domain}"),
            Self::Padding => f.write_str("the padding of a packet is not zero"),
            Self::Unfinished => f.write_str("the last packet has no end"),
            Self::Content(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Lie {}

/// Takes packets out of bytes as they come. It holds one packet and what was pushed last, never more.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    bytes: Vec<u8>,
    /// What was taken out already.
    taken: usize,
}

impl Reader {
    /// More bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..std::mem::take(&mut self.taken));
        self.bytes.extend_from_slice(bytes);
    }

    /// The next packet, if it is whole. A header is judged as soon as it is there.
    ///
    /// # Errors
    /// What came is not a packet; nor is, then, anything after it.
    #[allow(clippy::should_implement_trait)] // an iterator would end at the first gap
    pub fn next(&mut self) -> Result<Option<Packet>, Lie> {
        let rest = &self.bytes[self.taken..];
        let Some((&[a, b, c, d, code, code_high, domain, index], _)) = rest.split_first_chunk::<HEADER>()
        else {
            return Ok(None);
        };
        let size = u32::from_le_bytes([a, b, c, d]);
        let length = match usize::try_from(size) {
            Ok(length) if length > MOST => return Err(Lie::TooLong(size)),
            Ok(length) if length < HEADER => return Err(Lie::TooShort(size)),
            Ok(length) => length,
            Err(_) => return Err(Lie::TooLong(size)),
        };
        let domain = Domain::from_byte(domain).ok_or(Lie::UnknownDomain(domain))?;
        let whole = length + padding(length);
        let Some(packet) = rest.get(..whole) else { return Ok(None) };
        if packet[length..].iter().any(|byte| *byte != 0) {
            return Err(Lie::Padding);
        }
        let content = packet[HEADER..length].to_vec();
        self.taken += whole;
        Ok(Some(Packet { code: i16::from_le_bytes([code, code_high]), domain, index, content }))
    }

    /// What was pushed and not taken out.
    #[must_use]
    pub fn rest(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packets() -> impl Strategy<Value = Packet> {
        let domain = (0..4_u8).prop_map(|byte| Domain::from_byte(byte).expect("one of four"));
        (any::<i16>(), domain, any::<u8>(), proptest::collection::vec(any::<u8>(), 0..100))
            .prop_map(|(code, domain, index, content)| Packet { code, domain, index, content })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_however_it_is_cut(
            sent in proptest::collection::vec(packets(), 0..8),
            cut in 1..40_usize,
        ) {
            let mut wire = Vec::new();
            sent.iter().for_each(|packet| packet.encode(&mut wire));
            prop_assert_eq!(wire.len() % 8, 0, "packets are aligned");
            let (mut reader, mut read) = (Reader::default(), Vec::new());
            for piece in wire.chunks(cut) {
                reader.push(piece);
                while let Some(packet) = reader.next().expect("it was written by us") {
                    read.push(packet);
                }
            }
            prop_assert_eq!(read, sent);
            prop_assert!(reader.rest().is_empty());
        }
    }

    #[test]
    fn a_packet_is_at_most_64_kib() {
        let full = Packet { code: 1, domain: Domain::Data, index: 0, content: vec![7; Packet::CONTENT] };
        let mut reader = Reader::default();
        let mut wire = Vec::new();
        full.encode(&mut wire);
        assert_eq!(wire.len(), MOST);
        reader.push(&wire);
        assert_eq!(reader.next(), Ok(Some(full)));
        reader.push(&65_537_u32.to_le_bytes());
        reader.push(&[0; 4]);
        assert_eq!(reader.next(), Err(Lie::TooLong(65_537)));
    }

    #[test]
    fn each_lie_is_told_from_the_header_alone() {
        let read = |bytes: &[u8]| {
            let mut reader = Reader::default();
            reader.push(bytes);
            reader.next()
        };
        assert_eq!(read(&[7, 0, 0, 0, 0, 0, 0, 0]), Err(Lie::TooShort(7)));
        assert_eq!(read(&[0; 8]), Err(Lie::TooShort(0)));
        assert_eq!(read(&[255, 255, 255, 255, 0, 0, 0, 0]), Err(Lie::TooLong(u32::MAX)));
        assert_eq!(read(&[8, 0, 0, 0, 0, 0, 4, 0]), Err(Lie::UnknownDomain(4)));
        assert_eq!(read(&[9, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1]), Err(Lie::Padding));
        assert_eq!(read(&[9, 0, 0, 0, 0, 0, 0]), Ok(None), "not yet a header");
    }
}
