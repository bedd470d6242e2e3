//! Services: what a host offers to processes by name. A process discovers what it wants, and talks to each by packets.
//!
//! Owns the registry and the rules of discovery: at most 256 services per process, names of 1 to 127 bytes. It never
//! reads a socket.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::key::ProcessKey;
use super::packet::{DISCOVER, Domain, Lie, Packet};

/// The most services that one process can discover.
pub const MOST_SERVICES: usize = 256;
/// The most bytes of a service's name.
pub const MOST_NAME: usize = 127;
/// The most calls of one service that wait for answers.
pub const WINDOW: usize = 256;

/// Something that processes can ask for by name.
pub trait Service: Send + Sync {
    /// What they call it: 1 to [`MOST_NAME`] bytes.
    fn name(&self) -> &str;

    /// What serves one process; made when that discovers the service.
    fn create(&self, made: Made) -> Box<dyn Instance>;
}

/// What an instance is made with.
#[derive(Clone, Debug)]
pub struct Made {
    /// Whom it serves.
    pub process: ProcessKey,
    /// The way to the process, for what is sent unasked.
    pub out: Outbox,
    /// How finely it may be told the time.
    pub time_resolution: Duration,
    /// What an earlier instance left behind when its process was suspended.
    pub state: Option<Vec<u8>>,
}

/// A service's side of one process.
pub trait Instance: Send {
    /// The process has been told that the service is there.
    fn start(&mut self) {}

    /// A packet from the process. Of calls the answer is awaited, its code and index are filled in.
    ///
    /// # Errors
    /// The process broke the rules of this service; it is ended for that.
    fn handle(&mut self, packet: Packet) -> Result<Handled, Lie>;

    /// The process has ended. If it was suspended, what is returned here is given to the next instance.
    fn shut_down(&mut self, suspended: bool) -> Option<Vec<u8>> {
        let _ = suspended;
        None
    }
}

/// What is to be done about a packet.
#[non_exhaustive]
pub enum Handled {
    /// Nothing more.
    Done,
    /// This is the answer.
    Answer(Vec<u8>),
    /// This will be the answer.
    Later(Pin<Box<dyn Future<Output = Vec<u8>> + Send>>),
    /// The process has said all that it has to say, and is not needed any more.
    Finish,
}

impl fmt::Debug for Handled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("Done"),
            Self::Answer(answer) => write!(f, "Answer({} bytes)", answer.len()),
            Self::Later(_) => f.write_str("Later"),
            Self::Finish => f.write_str("Finish"),
        }
    }
}

/// Sends packets of one service to its process.
#[derive(Clone, Debug)]
pub struct Outbox {
    pub(super) code: i16,
    pub(super) packets: mpsc::UnboundedSender<Packet>,
}

impl Outbox {
    /// Sends what the process has not asked for. Nothing happens if it has ended.
    ///
    /// # Panics
    /// If the content is longer than [`Packet::CONTENT`].
    pub fn send(&self, domain: Domain, index: u8, content: Vec<u8>) {
        assert!(content.len() <= Packet::CONTENT, "a packet holds {} bytes", Packet::CONTENT);
        let _ = self.packets.send(Packet { code: self.code, domain, index, content }); // it has ended
    }
}

/// The services that a process can discover.
///
/// ```
/// use delay::process::{Handled, Instance, Lie, Made, Packet, Service, Services};
///
/// struct Echo;
/// impl Service for Echo {
///     fn name(&self) -> &str { "echo" }
///     fn create(&self, _: Made) -> Box<dyn Instance> { Box::new(Echo) }
/// }
/// impl Instance for Echo {
///     fn handle(&mut self, packet: Packet) -> Result<Handled, Lie> { Ok(Handled::Answer(packet.content)) }
/// }
///
/// let services = Services::new().with(Echo);
/// assert!(services.has("echo"));
/// ```
#[derive(Clone, Default)]
pub struct Services {
    by_name: BTreeMap<String, Arc<dyn Service>>,
    states: BTreeMap<String, Vec<u8>>,
}

impl Services {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// And this one, instead of another of its name.
    ///
    /// # Panics
    /// If its name is empty or longer than [`MOST_NAME`] bytes.
    #[must_use]
    pub fn with(mut self, service: impl Service + 'static) -> Self {
        let name = service.name().to_owned();
        assert!(
            (1..=MOST_NAME).contains(&name.len()),
            "a service's name has 1 to {MOST_NAME} bytes: {name:?}"
        );
        self.by_name.insert(name, Arc::new(service));
        self
    }

    /// With what services left behind when a process was suspended.
    #[must_use]
    pub fn resume(mut self, buffers: &Buffers) -> Self {
        self.states.extend(buffers.services.iter().cloned());
        self
    }

    /// Whether there is one of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_name.keys()).finish()
    }
}

/// What is left when a process has ended, for the next one that goes on where it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Buffers {
    /// The states of its services.
    pub services: Vec<(String, Vec<u8>)>,
    /// What was meant for it and not sent any more.
    pub input: Vec<u8>,
    /// What it had begun to send.
    pub output: Vec<u8>,
}

/// The services that one process has discovered, by their codes.
pub(super) struct Discovered<'a> {
    services: &'a Services,
    process: ProcessKey,
    time_resolution: Duration,
    packets: mpsc::UnboundedSender<Packet>,
    instances: Vec<Option<(String, Box<dyn Instance>)>>,
}

impl<'a> Discovered<'a> {
    pub(super) fn new(
        services: &'a Services,
        process: ProcessKey,
        time_resolution: Duration,
        packets: mpsc::UnboundedSender<Packet>,
    ) -> Self {
        Self { services, process, time_resolution, packets, instances: Vec::new() }
    }

    /// A request for services, and its answer: a byte for each name, 1 if there is such a service.
    fn discover(&mut self, packet: &Packet) -> Result<Packet, Lie> {
        let names = names(&packet.content)?;
        if self.instances.len() + names.len() > MOST_SERVICES {
            return Err(Lie::Content("a process discovers at most 256 services"));
        }
        let mut content = Vec::with_capacity(names.len());
        let first = self.instances.len();
        for name in names {
            let code = i16::try_from(self.instances.len()).map_err(|_| Lie::Content("too many services"))?;
            let service = self.services.by_name.get(name);
            content.push(u8::from(service.is_some()));
            let made = Made {
                process: self.process,
                time_resolution: self.time_resolution,
                out: Outbox { code, packets: self.packets.clone() },
                state: self.services.states.get(name).cloned(),
            };
            self.instances.push(service.map(|service| (name.to_owned(), service.create(made))));
        }
        for (_, instance) in self.instances[first..].iter_mut().flatten() {
            instance.start();
        }
        Ok(Packet { code: DISCOVER, domain: Domain::Call, index: packet.index, content })
    }

    /// What is to be done about a packet of the process.
    pub(super) fn handle(&mut self, packet: Packet) -> Result<Handled, Lie> {
        if packet.code == DISCOVER {
            if packet.domain != Domain::Call {
                return Err(Lie::Content("services are discovered by a call"));
            }
            let answer = self.discover(&packet)?;
            let _ = self.packets.send(answer); // the receiver is the one who calls this
            return Ok(Handled::Done);
        }
        let known = usize::try_from(packet.code).ok().and_then(|code| self.instances.get_mut(code));
        match known {
            None => Err(Lie::Content("a packet for a service that was not discovered")),
            Some(None) => Err(Lie::Content("a packet for a service that is not there")),
            Some(Some((_, instance))) => instance.handle(packet),
        }
    }

    /// All of them, in the order of their discovery; their states, if the process was suspended.
    pub(super) fn shut_down(self, suspended: bool) -> Vec<(String, Vec<u8>)> {
        let instances = self.instances.into_iter().flatten();
        instances.filter_map(|(name, mut instance)| Some((name, instance.shut_down(suspended)?))).collect()
    }
}

/// The names in a request: their number in two bytes, then each with its length in one.
fn names(content: &[u8]) -> Result<Vec<&str>, Lie> {
    let wrong = Lie::Content("a discovery is a number of names, each with its length");
    let (count, mut rest) = content.split_first_chunk().ok_or(wrong)?;
    let count = usize::from(u16::from_le_bytes(*count));
    if count > MOST_SERVICES {
        return Err(Lie::Content("a process discovers at most 256 services"));
    }
    let mut names = Vec::with_capacity(count);
    for _ in 0..count {
        let (length, after) = rest.split_first().ok_or(wrong)?;
        let (name, after) = after.split_at_checked(usize::from(*length)).ok_or(wrong)?;
        if !(1..=MOST_NAME).contains(&name.len()) {
            return Err(Lie::Content("a service's name has 1 to 127 bytes"));
        }
        names.push(std::str::from_utf8(name).map_err(|_| Lie::Content("a service's name is text"))?);
        rest = after;
    }
    if rest.is_empty() { Ok(names) } else { Err(wrong) }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Echo(&'static str);
    impl Service for Echo {
        fn name(&self) -> &str {
            self.0
        }
        fn create(&self, made: Made) -> Box<dyn Instance> {
            Box::new(Echoed(made.state.unwrap_or_default()))
        }
    }
    struct Echoed(Vec<u8>);
    impl Instance for Echoed {
        fn handle(&mut self, packet: Packet) -> Result<Handled, Lie> {
            self.0.extend(&packet.content);
            Ok(Handled::Answer(packet.content))
        }
        fn shut_down(&mut self, suspended: bool) -> Option<Vec<u8>> {
            suspended.then(|| self.0.clone())
        }
    }

    fn request(names: &[&str]) -> Packet {
        let mut content = (names.len() as u16).to_le_bytes().to_vec();
        for name in names {
            content.push(name.len() as u8);
            content.extend(name.as_bytes());
        }
        Packet { code: DISCOVER, domain: Domain::Call, index: 9, content }
    }

    fn discovered(services: &Services) -> (Discovered<'_>, mpsc::UnboundedReceiver<Packet>) {
        let (packets, sent) = mpsc::unbounded_channel();
        let key = ProcessKey { executor: 1, process: 1 };
        (Discovered::new(services, key, Duration::ZERO, packets), sent)
    }

    #[test]
    fn services_are_discovered_by_name_and_known_by_their_place() {
        let services = Services::new().with(Echo("echo")).with(Echo("log"));
        let (mut discovered, mut sent) = discovered(&services);
        discovered.handle(request(&["log", "absent", "echo"])).unwrap();
        let answer = sent.try_recv().unwrap();
        assert_eq!((answer.code, answer.index, answer.content), (DISCOVER, 9, vec![1, 0, 1]));
        let call = |code| Packet { code, domain: Domain::Call, index: 0, content: b"hi".to_vec() };
        assert!(matches!(discovered.handle(call(2)), Ok(Handled::Answer(answer)) if answer == b"hi"));
        assert!(discovered.handle(call(1)).is_err(), "it was told that there is none");
        assert!(discovered.handle(call(3)).is_err(), "it never asked");
        assert!(discovered.handle(call(-2)).is_err());
    }

    #[test]
    fn states_outlive_a_suspended_process_alone() {
        let services = Services::new().with(Echo("echo"));
        for (suspended, left) in [(true, vec![("echo".to_owned(), b"hi".to_vec())]), (false, vec![])] {
            let (mut discovered, _sent) = discovered(&services);
            discovered.handle(request(&["echo"])).unwrap();
            let packet = Packet { code: 0, domain: Domain::Info, index: 0, content: b"hi".to_vec() };
            discovered.handle(packet).unwrap();
            assert_eq!(discovered.shut_down(suspended), left);
        }
        let buffers = Buffers { services: vec![("echo".to_owned(), b"old ".to_vec())], ..Buffers::default() };
        let services = services.resume(&buffers);
        let (mut discovered, _sent) = discovered(&services);
        discovered.handle(request(&["echo"])).unwrap();
        assert_eq!(discovered.shut_down(true), buffers.services, "given to the next instance");
    }

    #[test]
    fn discovery_has_limits() {
        let services = Services::new();
        let (mut discovered, _sent) = discovered(&services);
        let long = "x".repeat(128);
        for wrong in [request(&[""]), request(&[&long])] {
            assert!(discovered.handle(wrong).is_err());
        }
        discovered.handle(request(&[&"x".repeat(127)])).unwrap();
        discovered.handle(request(&vec!["a"; 255])).unwrap();
        assert!(discovered.handle(request(&["b"])).is_err(), "the 257th");
        let mut cut = request(&["abc"]);
        cut.content.pop();
        assert!(discovered.handle(cut).is_err());
    }
}
