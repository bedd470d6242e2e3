//! A way to a server that can be cut, at the worst moment as well: when the server has done what it was asked to, and
//! nobody has heard of it yet.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::server::Server;

/// Passes bytes between a port of its own and a server.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    wires: Arc<Wires>,
}

#[derive(Debug, Default)]
struct Wires {
    /// The next answer that ends a statement is swallowed.
    armed: AtomicBool,
    swallowed: AtomicUsize,
    closed: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// A proxy to this server.
    ///
    /// # Panics
    /// If there is no port for it.
    #[must_use]
    pub fn to(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its port").port();
        let (wires, server) = (Arc::new(Wires::default()), server.port());
        let passing = Arc::clone(&wires);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if passing.closed.load(Ordering::SeqCst) {
                    return;
                }
                // A server that is down is no one: the client's connection is closed at once.
                if let Ok(server) = TcpStream::connect(("127.0.0.1", server)) {
                    pass(&client, &server, &passing);
                }
            }
        });
        Self { port, wires }
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a store behind it.
    #[must_use]
    pub fn url(&self, options: &str) -> String {
        super::server::url(&[self.port], options)
    }

    /// From the next answer that says a statement is done, nothing reaches the client: its connection is cut instead.
    pub fn swallow_an_answer(&self) {
        self.wires.armed.store(true, Ordering::SeqCst);
    }

    /// How many answers were swallowed.
    #[must_use]
    pub fn swallowed(&self) -> usize {
        self.wires.swallowed.load(Ordering::SeqCst)
    }

    /// Cuts all connections that there are.
    pub fn cut(&self) {
        for wire in self.wires.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // It may be cut already.
            let _ = wire.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.wires.closed.store(true, Ordering::SeqCst);
        self.cut();
        // Lets the one who listens see that it is over.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn pass(client: &TcpStream, server: &TcpStream, wires: &Arc<Wires>) {
    let clone = |stream: &TcpStream| stream.try_clone().expect("a second handle");
    for stream in [client, server] {
        // Statements are small; waiting to fill a packet would slow them down.
        let _ = stream.set_nodelay(true);
        wires.open.lock().unwrap_or_else(PoisonError::into_inner).push(clone(stream));
    }
    let (asking, asked) = (clone(client), clone(server));
    std::thread::spawn(move || copy(asking, asked, |_| false));
    let (answering, answered, wires) = (clone(server), clone(client), Arc::clone(wires));
    std::thread::spawn(move || {
        copy(answering, answered, |bytes| {
            let hit = ends_a_statement(bytes) && wires.armed.swap(false, Ordering::SeqCst);
            wires.swallowed.fetch_add(usize::from(hit), Ordering::SeqCst);
            hit
        });
    });
}

/// Copies until one side is gone, or `cut` takes some bytes; then both sides are closed.
fn copy(mut from: TcpStream, mut to: TcpStream, mut cut: impl FnMut(&[u8]) -> bool) {
    let mut bytes = vec![0; 65_536];
    while let Ok(read) = from.read(&mut bytes) {
        if read == 0 || cut(&bytes[..read]) || to.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

/// `CommandComplete`: the letter, and a length that is always short.
fn ends_a_statement(bytes: &[u8]) -> bool {
    bytes.windows(4).any(|four| four == [b'C', 0, 0, 0])
}
