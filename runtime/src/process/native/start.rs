//! The one message that is not a packet: what a child is told before it begins. It comes from the executor's process, so
//! it is trusted; after it, the child is not.

use std::io::{self, Read};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::entry::Image;
use super::policy::ProcessPolicy;
use crate::codec;

/// What a child needs to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Start {
    pub(super) entry: String,
    pub(super) cpu_time: Option<Duration>,
    pub(super) memory: u64,
    pub(super) descriptors: u32,
    /// The bytes of input that follow.
    pub(super) input: usize,
}

impl Start {
    pub(super) fn encode(image: &Image, policy: &ProcessPolicy) -> io::Result<Vec<u8>> {
        let start = Self {
            entry: image.entry.clone(),
            cpu_time: policy.cpu_time,
            memory: policy.memory,
            descriptors: policy.descriptors,
            input: image.input.len(),
        };
        let head = codec::to_vec(&start).map_err(io::Error::other)?;
        let mut bytes = Vec::with_capacity(4 + head.len() + image.input.len());
        bytes.extend((head.len() as u32).to_le_bytes());
        bytes.extend(head);
        bytes.extend(&image.input);
        Ok(bytes)
    }

    /// Waits for it; `None` if there will be none.
    pub(super) fn read(from: &mut impl Read) -> io::Result<Option<(Self, Vec<u8>)>> {
        let mut length = [0; 4];
        match from.read_exact(&mut length) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        let mut head = vec![0; u32::from_le_bytes(length) as usize];
        from.read_exact(&mut head)?;
        let start: Self = codec::from_slice(&head).map_err(io::Error::other)?;
        let mut input = vec![0; start.input];
        from.read_exact(&mut input)?;
        Ok(Some((start, input)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_survives_the_wire() {
        let policy = ProcessPolicy::default().cpu_time(Duration::from_millis(1500)).memory(64 << 20);
        let bytes = Start::encode(&Image::new("sum", vec![7; 100]), &policy).unwrap();
        let (start, input) = Start::read(&mut &bytes[..]).unwrap().expect("there is one");
        assert_eq!((start.entry.as_str(), start.memory, input), ("sum", 64 << 20, vec![7; 100]));
        assert_eq!(start.cpu_time, Some(Duration::from_millis(1500)));
        assert!(Start::read(&mut &[][..]).unwrap().is_none(), "a process that is closed before it begins");
    }
}
