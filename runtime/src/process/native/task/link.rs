//! The process's end of the talk with its host, for many threads: calls wait for their answers, and one thread of its own
//! reads what comes.

use std::collections::HashMap;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::event::{PollFd, PollFlags};
use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use super::super::flow::{Bodies, MOST_DATA, Windows, decode_flow, encode_data, encode_flow};
use super::super::packet::{DISCOVER, Domain, Packet, Reader};
use super::super::sys;
use super::ENTRY;
use super::body::Body;
use super::word::{Answer, Ask};
use crate::codec;
use crate::error::{Error, Kind, Result};

/// The place of the one service among those that are discovered.
const SERVICE: i16 = 0;

pub(super) struct Link {
    socket: Mutex<UnixStream>,
    calls: Mutex<Calls>,
    /// As many calls at once as there are indexes.
    indexes: Semaphore,
    windows: Windows,
}

#[derive(Default)]
struct Calls {
    waiting: HashMap<u8, oneshot::Sender<Vec<u8>>>,
    streams: i32,
}

impl Link {
    /// Starts the thread that reads, while there can still be one; `stopping` is cancelled when the host wants this
    /// process to end.
    pub(super) fn start(socket: UnixStream, stopping: CancellationToken) -> io::Result<Arc<Self>> {
        let reads = socket.try_clone()?;
        let link = Arc::new(Self {
            socket: Mutex::new(socket),
            calls: Mutex::default(),
            indexes: Semaphore::new(256),
            windows: Windows::default(),
        });
        let reader = Arc::clone(&link);
        // Not through a stopper: there is none here, and the thread ends with its process.
        std::thread::Builder::new().name("delay-link".to_owned()).spawn(move || {
            let error = reader.read(reads, &stopping);
            // Without a host there is nothing left to do, and nobody to tell.
            sys::exit(if error.kind() == io::ErrorKind::UnexpectedEof { 1 } else { 127 });
        })?;
        let mut content = 1_u16.to_le_bytes().to_vec();
        content.push(ENTRY.len() as u8);
        content.extend(ENTRY.as_bytes());
        // The answer is not waited for: the service is there, or this process is not that of a function.
        link.send(&Packet { code: DISCOVER, domain: Domain::Call, index: 0, content })?;
        Ok(link)
    }

    fn read(&self, mut socket: UnixStream, stopping: &CancellationToken) -> io::Error {
        let wake = sys::wake();
        let mut reader = Reader::default();
        let mut bodies = Bodies::new(usize::MAX);
        let mut bytes = vec![0; 16 * 1024];
        loop {
            let poll = || {
                let mut fds =
                    [PollFd::new(&socket, PollFlags::IN), PollFd::from_borrowed_fd(wake, PollFlags::IN)];
                let fds = if stopping.is_cancelled() { &mut fds[..1] } else { &mut fds[..] };
                rustix::io::retry_on_intr(|| rustix::event::poll(fds, None))?;
                Ok::<_, io::Error>((
                    !fds[0].revents().is_empty(),
                    fds.get(1).is_some_and(|fd| !fd.revents().is_empty()),
                ))
            };
            match poll() {
                Err(error) => return error,
                Ok((talks, wakes)) => {
                    if wakes {
                        stopping.cancel();
                    }
                    if !talks {
                        continue;
                    }
                }
            }
            match socket.read(&mut bytes) {
                Ok(0) => return io::ErrorKind::UnexpectedEof.into(),
                Ok(read) => reader.push(&bytes[..read]),
                Err(error) => return error,
            }
            loop {
                match reader.next() {
                    Ok(Some(packet)) => {
                        if let Err(error) = self.take(packet, &mut bodies) {
                            return error;
                        }
                    }
                    Ok(None) => break,
                    Err(lie) => return io::Error::other(lie),
                }
            }
        }
    }

    fn take(&self, packet: Packet, bodies: &mut Bodies) -> io::Result<()> {
        match packet.domain {
            _ if packet.code == DISCOVER => {}
            Domain::Flow => {
                for (stream, bytes) in decode_flow(&packet.content).map_err(io::Error::other)? {
                    self.windows.grant(stream, usize::try_from(bytes).unwrap_or(0));
                }
            }
            Domain::Data => {
                if let Some(granted) = bodies.push(&packet.content).map_err(io::Error::other)? {
                    let content = encode_flow(&[granted]);
                    self.send(&Packet { code: SERVICE, domain: Domain::Flow, index: 0, content })?;
                }
            }
            Domain::Call => {
                let body = match Body::decode(&packet.content).map_err(io::Error::other)? {
                    Body::Here(body) => body.to_vec(),
                    Body::Stream(stream) => bodies.take(stream).unwrap_or_default(),
                };
                let waiting = locked(&self.calls).waiting.remove(&packet.index);
                if let Some(waiting) = waiting {
                    let _ = waiting.send(body); // the call was dropped
                    self.indexes.add_permits(1);
                }
            }
            Domain::Info => {}
        }
        Ok(())
    }

    fn send(&self, packet: &Packet) -> io::Result<()> {
        let mut wire = Vec::new();
        packet.encode(&mut wire);
        locked(&self.socket).write_all(&wire)
    }

    /// Tells the host something that has no answer. What is too long is left out.
    pub(super) fn inform(&self, content: Vec<u8>) {
        if content.len() <= Packet::CONTENT {
            let _ = self.send(&Packet { code: SERVICE, domain: Domain::Info, index: 0, content }); // the reader notices
        }
    }

    /// Asks the host.
    ///
    /// # Errors
    /// The host refuses, or is gone.
    ///
    /// # Cancel safety
    /// Dropping the future may leave what was asked for done or not.
    pub(super) async fn ask(&self, ask: &Ask) -> Result<Answer> {
        let gone = || Error::new(Kind::Unavailable, "the worker of this process is gone");
        let body = codec::to_vec(ask).map_err(|error| {
            Error::with_source(Kind::Encode, "cannot pack a request to the worker", error)
        })?;
        // Given back with the answer, and not before: an index whose call was dropped is still on its way.
        self.indexes.acquire().await.map_err(|_| gone())?.forget();
        let (answered, answer) = oneshot::channel();
        let (index, stream) = {
            let mut calls = locked(&self.calls);
            let index = (0..=u8::MAX).find(|index| !calls.waiting.contains_key(index)).unwrap_or_default();
            calls.waiting.insert(index, answered);
            calls.streams = calls.streams.wrapping_add(1) & i32::MAX;
            (index, calls.streams)
        };
        let call = |content| Packet { code: SERVICE, domain: Domain::Call, index, content };
        if Body::fits(&body) {
            self.send(&call(Body::Here(&body).encode())).map_err(|_| gone())?;
        } else {
            self.windows.open(stream);
            let mut rest = &body[..];
            while !rest.is_empty() {
                let taken = self.windows.take(stream, rest.len().min(MOST_DATA)).await;
                let (data, after) = rest.split_at(taken);
                let content = encode_data(stream, 0, data);
                self.send(&Packet { code: SERVICE, domain: Domain::Data, index: 0, content })
                    .map_err(|_| gone())?;
                rest = after;
            }
            self.windows.close(stream);
            self.send(&call(Body::Stream(stream).encode())).map_err(|_| gone())?;
        }
        let answer = answer.await.map_err(|_| gone())?;
        match codec::from_slice(&answer) {
            Ok(Answer::Refused(text)) => Err(Error::new(Kind::Other, text)),
            Ok(answer) => Ok(answer),
            Err(error) => Err(Error::with_source(Kind::Decode, "the worker's answer is not one", error)),
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
