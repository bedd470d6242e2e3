//! What an executor and its container say to each other, over a socket that keeps messages apart.
//!
//! Owns the two messages and their passing of descriptors. Both ends are this very program, so nothing here has to last.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};

use super::sys::Reaped;

/// "Fork a process with this number": with it come its packets and its output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fork {
    pub(super) process: u32,
}

/// What the container tells.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// It is shut in and can fork.
    Ready,
    /// It could not shut itself in: at this step, for this reason.
    Refused { step: u32, errno: i32 },
    /// The process is there; its descriptor comes with it.
    Forked { process: u32 },
    /// The process could not be forked.
    NotForked { process: u32, errno: i32 },
    /// The process has ended and is reaped.
    Reaped { process: u32, reaped: Reaped },
}

const FORK: usize = 4;
const EVENT: usize = 32;

impl Fork {
    pub(super) fn encode(self) -> [u8; FORK] {
        self.process.to_le_bytes()
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        Some(Self { process: u32::from_le_bytes(bytes.try_into().ok()?) })
    }
}

impl Event {
    pub(super) fn encode(self) -> [u8; EVENT] {
        let (kind, process, code, cpu, peak) = match self {
            Self::Ready => (0_u32, 0, 0, 0, 0),
            Self::Refused { step, errno } => (1, step, errno, 0, 0),
            Self::Forked { process } => (2, process, 0, 0, 0),
            Self::NotForked { process, errno } => (3, process, errno, 0, 0),
            Self::Reaped { process, reaped } => {
                (4, process, reaped.status, reaped.cpu.as_micros() as u64, reaped.peak)
            }
        };
        let mut bytes = [0; EVENT];
        bytes[..4].copy_from_slice(&kind.to_le_bytes());
        bytes[4..8].copy_from_slice(&process.to_le_bytes());
        bytes[8..12].copy_from_slice(&code.to_le_bytes());
        bytes[16..24].copy_from_slice(&cpu.to_le_bytes());
        bytes[24..].copy_from_slice(&peak.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; EVENT] = bytes.try_into().ok()?;
        let four = |at: usize| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        let eight = |at: usize| {
            u64::from(u32::from_le_bytes(four(at))) | u64::from(u32::from_le_bytes(four(at + 4))) << 32
        };
        let (process, code) = (u32::from_le_bytes(four(4)), i32::from_le_bytes(four(8)));
        Some(match u32::from_le_bytes(four(0)) {
            0 => Self::Ready,
            1 => Self::Refused { step: process, errno: code },
            2 => Self::Forked { process },
            3 => Self::NotForked { process, errno: code },
            4 => {
                let cpu = Duration::from_micros(eight(16));
                Self::Reaped { process, reaped: Reaped { status: code, cpu, peak: eight(24) } }
            }
            _ => return None,
        })
    }
}

/// Sends one message; at most two descriptors go with it.
///
/// # Errors
/// As the socket says; `WouldBlock` if it is to be tried again.
pub(super) fn send(socket: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::Error::other("more descriptors than a message can take"));
    }
    rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives one message into `bytes`: its length (0 at the end) and the descriptors that came with it.
///
/// # Errors
/// As the socket says; `WouldBlock` if there is none yet.
pub(super) fn receive(socket: impl AsFd, bytes: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received =
        rustix::net::recvmsg(socket, &mut [IoSliceMut::new(bytes)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            fds.extend(received);
        }
    }
    Ok((received.bytes, fds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_survive_the_wire() {
        let reaped = Reaped { status: 9, cpu: Duration::from_micros(1_234_567), peak: 5 << 33 };
        for event in [
            Event::Ready,
            Event::Refused { step: 3, errno: 1 },
            Event::Forked { process: 7 },
            Event::NotForked { process: 8, errno: 11 },
            Event::Reaped { process: u32::MAX, reaped },
        ] {
            let back = Event::decode(&event.encode()).expect("it is one");
            assert_eq!(format!("{back:?}"), format!("{event:?}"));
        }
        assert_eq!(Fork::decode(&Fork { process: 77 }.encode()), Some(Fork { process: 77 }));
        assert!(Event::decode(&[9; EVENT]).is_none() && Fork::decode(&[1]).is_none());
    }
}
