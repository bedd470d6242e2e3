//! The child's own side: what it is told, what it may ask, and the step by which it is shut in.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags};
use rustix::process::{Resource, Rlimit};

use super::entry::Exit;
use super::filter::Filter;
use super::packet::{DISCOVER, Domain, Packet, Reader};
use super::start::Start;
use super::sys;
use crate::process::trap::Trap;

/// A child that knows what it is to do and is not yet shut in: the time to make threads.
pub(crate) struct Threshold {
    start: Start,
    input: Vec<u8>,
    socket: UnixStream,
    last: Filter,
}

impl fmt::Debug for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.start.fmt(f)
    }
}

impl Threshold {
    pub(super) fn new(start: Start, input: Vec<u8>, socket: UnixStream, last: Filter) -> Self {
        Self { start, input, socket, last }
    }

    /// The entry's name.
    pub(super) fn entry(&self) -> &str {
        &self.start.entry
    }

    /// One more of its socket, for a thread that reads.
    pub(super) fn socket(&self) -> io::Result<UnixStream> {
        self.socket.try_clone()
    }

    /// Limits this process and shuts it in, for good. Without that nothing of the entry runs.
    pub(super) fn cross(mut self) -> Guest {
        if let Err(error) = self.limit() {
            eprintln!("cannot be limited: {error}");
            sys::exit(i32::from(Exit::trap(Trap::AbiDeficiency).0));
        }
        Guest { input: self.input, socket: self.socket, reader: Reader::default(), services: 0 }
    }

    fn limit(&mut self) -> io::Result<()> {
        let set = |resource, limit: u64| {
            rustix::process::setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })
        };
        set(Resource::Data, self.start.memory)?;
        set(Resource::Nofile, u64::from(self.start.descriptors))?;
        if let Some(limit) = self.start.cpu_time {
            // The timer is exact; it can be kept from its signal, the limit of whole seconds behind it cannot.
            set(Resource::Cpu, limit.as_secs() + 2)?;
            sys::limit_cpu(limit)?;
        }
        self.last.apply().map_err(io::Error::other)
    }
}

/// A process's own view of itself, given to its [`entry`](crate::process::entry).
pub struct Guest {
    input: Vec<u8>,
    socket: UnixStream,
    reader: Reader,
    /// How many services were found.
    services: i16,
}

impl fmt::Debug for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guest({} bytes of input, {} services)", self.input.len(), self.services)
    }
}

impl Guest {
    /// What it was started with.
    #[must_use]
    pub fn input(&self) -> &[u8] {
        &self.input
    }

    /// Whether it was asked to suspend itself. It does so by returning [`Exit::SUSPENDED`]; what it then wants to be
    /// called with again it has told a service before.
    #[must_use]
    pub fn is_suspending(&self) -> bool {
        sys::is_suspending()
    }

    /// Asks for a service by name: its code for packets, or `None` if the host has none of that name.
    ///
    /// # Errors
    /// If the host is gone.
    pub fn discover(&mut self, name: &str) -> io::Result<Option<i16>> {
        let mut content = 1_u16.to_le_bytes().to_vec();
        content.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        content.extend(name.as_bytes());
        self.send(&Packet { code: DISCOVER, domain: Domain::Call, index: 0, content })?;
        loop {
            let Some(packet) = self.receive()? else { continue };
            if packet.code == DISCOVER {
                let code = self.services;
                self.services += 1;
                return Ok((packet.content.first() == Some(&1)).then_some(code));
            }
        }
    }

    /// Asks a service and waits for the answer.
    ///
    /// # Errors
    /// If the host is gone.
    pub fn call(&mut self, code: i16, content: &[u8]) -> io::Result<Vec<u8>> {
        self.send(&Packet { code, domain: Domain::Call, index: 0, content: content.to_vec() })?;
        loop {
            match self.receive()? {
                Some(Packet { code: from, domain: Domain::Call, index: 0, content }) if from == code => {
                    return Ok(content);
                }
                _ => {}
            }
        }
    }

    /// Sends one packet.
    ///
    /// # Errors
    /// If the host is gone.
    pub fn send(&mut self, packet: &Packet) -> io::Result<()> {
        let mut wire = Vec::new();
        packet.encode(&mut wire);
        self.socket.write_all(&wire)
    }

    /// Sends bytes as they are, packets or not: what a program does that has gone wrong.
    ///
    /// # Errors
    /// If the host is gone.
    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes)
    }

    /// Waits for a packet; `None` if this process is asked to suspend itself before there is one.
    ///
    /// # Errors
    /// If the host is gone.
    pub fn receive(&mut self) -> io::Result<Option<Packet>> {
        let wake = sys::wake();
        loop {
            if let Some(packet) = self.reader.next().map_err(io::Error::other)? {
                return Ok(Some(packet));
            }
            // The request stays readable, so one that comes just before the wait ends it all the same.
            let mut fds =
                [PollFd::new(&self.socket, PollFlags::IN), PollFd::from_borrowed_fd(wake, PollFlags::IN)];
            rustix::io::retry_on_intr(|| rustix::event::poll(&mut fds, None))?;
            if fds[0].revents().is_empty() {
                return Ok(None);
            }
            let mut bytes = [0; 4096];
            match self.socket.read(&mut bytes)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => self.reader.push(&bytes[..read]),
            }
        }
    }
}
