//! A wire to a server that can be cut at the worst moment: the server has done what it was asked, and the answer never
//! comes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A proxy in front of a server.
pub struct Cutter {
    address: SocketAddr,
    cuts: Arc<AtomicUsize>,
    asked: watch::Sender<usize>,
}

impl Cutter {
    /// A wire to `server` (`host:port`), whole at first.
    ///
    /// # Panics
    /// If there is no free port.
    pub async fn before(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let cuts = Arc::new(AtomicUsize::new(0));
        let asked = watch::Sender::new(0);
        let (wire, counted) = (Arc::clone(&cuts), asked.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server.clone(), Arc::clone(&wire), counted.clone()));
            }
        });
        Self { address, cuts, asked }
    }

    /// The port to connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Waits until the server has been sent so many more bytes than at the call.
    pub fn asks(&self, bytes: usize) -> impl Future<Output = ()> + use<> {
        let mut asked = self.asked.subscribe();
        let all = *asked.borrow() + bytes;
        async move { drop(asked.wait_for(|asked| *asked >= all).await.expect("the wire is there")) }
    }

    /// The next `count` answers are swallowed, and their connections end.
    pub fn swallow(&self, count: usize) {
        self.cuts.store(count, Ordering::SeqCst);
    }

    /// How many answers are still to be swallowed.
    #[must_use]
    pub fn left(&self) -> usize {
        self.cuts.load(Ordering::SeqCst)
    }
}

async fn carry(client: TcpStream, server: String, cuts: Arc<AtomicUsize>, asked: watch::Sender<usize>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let asking = tokio::spawn(async move {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
            if to_server.write_all(&buffer[..read]).await.is_err() {
                break;
            }
            asked.send_modify(|asked| *asked += read);
        }
        let _ = to_server.shutdown().await;
    });
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
        let cut = cuts.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |cuts| cuts.checked_sub(1)).is_ok();
        if cut || to_client.write_all(&buffer[..read]).await.is_err() {
            break;
        }
    }
    asking.abort();
}
