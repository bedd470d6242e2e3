//! Flow: how much of a stream its receiver is ready for.
//!
//! Owns the contents of flow and data packets, and the windows of whoever sends. A stream begins with [`FIRST`] bytes of
//! credit, so that what is short needs no grant; the receiver grants what it has taken in. A data packet without
//! data is the stream's end. It never sends anything.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use super::packet::{Lie, Packet};

/// The bytes of a stream that may be sent before the receiver has granted any.
pub const FIRST: usize = 256 * 1024;
/// The bytes before a data packet's data.
const DATA_HEADER: usize = 8;
/// The most data of a packet.
pub(super) const MOST_DATA: usize = Packet::CONTENT - DATA_HEADER;

/// The content of a flow packet: streams, and the bytes by which each may go on; 0 means that no more is wanted.
#[must_use]
pub fn encode_flow(grants: &[(i32, i32)]) -> Vec<u8> {
    grants.iter().flat_map(|(stream, bytes)| [stream.to_le_bytes(), bytes.to_le_bytes()]).flatten().collect()
}

/// Reads the content of a flow packet.
///
/// # Errors
/// It is not pairs of numbers, or grants less than nothing.
pub fn decode_flow(content: &[u8]) -> Result<Vec<(i32, i32)>, Lie> {
    let (pairs, rest) = content.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(Lie::Content("a flow packet is pairs of a stream and a number"));
    }
    let number = |bytes: &[u8; 8], at: usize| {
        i32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
    };
    let grants: Vec<(i32, i32)> = pairs.iter().map(|pair| (number(pair, 0), number(pair, 4))).collect();
    match grants.iter().all(|(_, bytes)| *bytes >= 0) {
        true => Ok(grants),
        false => Err(Lie::Content("a flow packet takes nothing back")),
    }
}

/// The content of a data packet; without data, the end of the stream.
#[must_use]
pub fn encode_data(stream: i32, note: i32, data: &[u8]) -> Vec<u8> {
    let mut content = Vec::with_capacity(DATA_HEADER + data.len());
    content.extend(stream.to_le_bytes());
    content.extend(note.to_le_bytes());
    content.extend_from_slice(data);
    content
}

/// Reads the content of a data packet: its stream, its note, its data.
///
/// # Errors
/// It is too short.
pub fn decode_data(content: &[u8]) -> Result<(i32, i32, &[u8]), Lie> {
    let short = Lie::Content("a data packet names its stream");
    let (stream, rest) = content.split_first_chunk().ok_or(short)?;
    let (note, data) = rest.split_first_chunk().ok_or(short)?;
    Ok((i32::from_le_bytes(*stream), i32::from_le_bytes(*note), data))
}

/// What may still be sent, stream by stream.
#[derive(Debug, Default)]
pub(super) struct Windows {
    credit: Mutex<HashMap<i32, usize>>,
    granted: Notify,
}

impl Windows {
    /// A new stream.
    pub(super) fn open(&self, stream: i32) {
        self.locked(|credit| credit.insert(stream, FIRST));
    }

    /// The receiver wants more, of a stream that is open.
    pub(super) fn grant(&self, stream: i32, bytes: usize) {
        self.locked(|credit| {
            if let Some(left) = credit.get_mut(&stream) {
                *left = left.saturating_add(bytes);
            }
        });
        self.granted.notify_waiters();
    }

    /// Nothing more is sent.
    pub(super) fn close(&self, stream: i32) {
        self.locked(|credit| credit.remove(&stream));
        self.granted.notify_waiters();
    }

    /// Waits until some of `wanted` bytes may be sent, and takes them: 0 if the stream is closed.
    ///
    /// # Cancel safety
    /// What was taken is lost if the future is dropped after; before, nothing is.
    pub(super) async fn take(&self, stream: i32, wanted: usize) -> usize {
        loop {
            let granted = self.granted.notified();
            let taken = self.locked(|credit| {
                let left = credit.get_mut(&stream)?;
                let taken = wanted.min(*left);
                *left -= taken;
                Some(taken)
            });
            match taken {
                None => return 0,
                Some(0) => granted.await,
                Some(taken) => return taken,
            }
        }
    }

    fn locked<T>(&self, act: impl FnOnce(&mut HashMap<i32, usize>) -> T) -> T {
        act(&mut self.credit.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Streams on their way in, put together.
#[derive(Debug)]
pub(super) struct Bodies {
    open: HashMap<i32, Vec<u8>>,
    held: usize,
    most: usize,
}

impl Bodies {
    /// At most so many bytes in all.
    pub(super) fn new(most: usize) -> Self {
        Self { open: HashMap::new(), held: 0, most }
    }

    /// One more data packet; what is to be granted for it.
    ///
    /// # Errors
    /// It is malformed, or more than is allowed.
    pub(super) fn push(&mut self, content: &[u8]) -> Result<Option<(i32, i32)>, Lie> {
        let (stream, _, data) = decode_data(content)?;
        self.held = self.held.saturating_add(data.len());
        if self.held > self.most {
            return Err(Lie::Content("more data than is allowed"));
        }
        if self.open.len() >= 256 && !self.open.contains_key(&stream) {
            return Err(Lie::Content("more than 256 streams at once"));
        }
        self.open.entry(stream).or_default().extend_from_slice(data);
        let granted = i32::try_from(data.len()).unwrap_or(i32::MAX);
        Ok((granted > 0).then_some((stream, granted)))
    }

    /// All of a stream.
    pub(super) fn take(&mut self, stream: i32) -> Option<Vec<u8>> {
        let body = self.open.remove(&stream)?;
        self.held -= body.len();
        Some(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flow_and_data_survive_the_wire() {
        let grants = [(1, 4096), (-7, 0), (i32::MAX, i32::MAX)];
        assert_eq!(decode_flow(&encode_flow(&grants)).unwrap(), grants);
        assert_eq!(decode_data(&encode_data(3, -1, b"abc")).unwrap(), (3, -1, &b"abc"[..]));
        assert!(decode_flow(&[0; 7]).is_err() && decode_data(&[0; 7]).is_err());
        assert!(decode_flow(&encode_flow(&[(1, -1)])).is_err(), "nothing is taken back");
    }

    #[tokio::test]
    async fn a_sender_waits_for_credit_and_goes_on_with_it() {
        let windows = Windows::default();
        windows.open(1);
        assert_eq!(windows.take(1, FIRST + 5).await, FIRST);
        let grant = async {
            tokio::task::yield_now().await;
            windows.grant(1, 3);
        };
        let (taken, ()) = tokio::join!(windows.take(1, 5), grant);
        assert_eq!(taken, 3);
        windows.close(1);
        assert_eq!(windows.take(1, 5).await, 0, "nobody wants it any more");
    }

    #[test]
    fn bodies_are_put_together_and_their_sum_is_limited() {
        let mut bodies = Bodies::new(10);
        assert_eq!(bodies.push(&encode_data(1, 0, b"abc")), Ok(Some((1, 3))));
        assert_eq!(bodies.push(&encode_data(2, 0, b"xy")), Ok(Some((2, 2))));
        assert_eq!(bodies.push(&encode_data(1, 0, b"de")), Ok(Some((1, 2))));
        assert_eq!(bodies.take(1), Some(b"abcde".to_vec()));
        assert_eq!(bodies.take(1), None);
        bodies.push(&encode_data(3, 0, b"12345678")).unwrap();
        assert!(bodies.push(&encode_data(3, 0, b"9")).is_err(), "2 and 8 are held");
    }
}
