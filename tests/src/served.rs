//! A runtime on a file, behind a door on a real socket of the loopback. Knows how to sign for it, and nothing of what is
//! tested.

use std::net::SocketAddr;

use delay::http::{Auth, Door, Key, Keys, serve};

use delay::store::TaskRecord;
use delay::{Builder, Client, Drafted, Runtime, TaskId};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::wait::soon;
use crate::web::{Call, seconds};

/// A served runtime.
pub struct Served {
    /// The runtime; it was not started.
    pub rt: Runtime,
    /// Where the door is.
    pub address: SocketAddr,
    /// What it accepts.
    pub keys: Keys,
    folder: Option<TempDir>,
    server: JoinHandle<delay::Result<()>>,
}

impl Served {
    /// A runtime on a new file, and its door.
    pub async fn start(set_up: impl FnOnce(Builder) -> Builder, door: impl FnOnce(Door) -> Door) -> Self {
        let folder = TempDir::new().expect("a folder");
        let url = format!("sqlite:{}", folder.path().join("jobs.db").display());
        Self { folder: Some(folder), ..Self::on(&url, set_up, door).await }
    }

    /// A runtime on this store, and its door.
    ///
    /// # Panics
    /// If it cannot be opened.
    pub async fn on(
        url: &str,
        set_up: impl FnOnce(Builder) -> Builder,
        door: impl FnOnce(Door) -> Door,
    ) -> Self {
        let rt = set_up(Runtime::builder(url)).build().await.expect("a runtime");
        let keys = Keys::new(Key::generate().parse().expect("a key"));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let door = door(Door::new(&rt, Auth::signed(keys.clone())));
        let server = tokio::spawn(serve(listener, door));
        Self { rt, address, keys, folder: None, server }
    }

    /// The store's file.
    ///
    /// # Panics
    /// If it was opened by its URL.
    #[must_use]
    pub fn file(&self) -> std::path::PathBuf {
        self.folder.as_ref().expect("a store of its own").path().join("jobs.db")
    }

    /// Signs a request as a message of this id, now.
    #[must_use]
    pub fn sign(&self, id: &str, call: Call) -> Call {
        sign(&self.keys, id, 0, call)
    }

    /// Signs a request as a message of its own.
    #[must_use]
    pub fn signed(&self, call: Call) -> Call {
        self.sign(&TaskId::new().to_string(), call)
    }

    /// All tasks in the store.
    ///
    /// # Panics
    /// If it cannot be read.
    pub async fn tasks(&self) -> Vec<TaskRecord> {
        self.rt.client().store().list(delay::store::Filter::default()).await.expect("a store")
    }

    /// Stops it in order.
    ///
    /// # Panics
    /// If the server or the store fails.
    pub async fn stop(self) {
        soon("the stop", self.rt.stop()).await.expect("a stop in order");
        soon("the server's end", self.server).await.expect("no panic").expect("it served to its end");
    }
}

/// Signs a request as a message of this id, `off` seconds from now.
///
/// # Panics
/// If the id cannot be signed.
#[must_use]
pub fn sign(keys: &Keys, id: &str, off: i64, call: Call) -> Call {
    let signed = keys.sign(id, seconds(off), &call.body).expect("an id");
    call.headers(signed.headers())
}

/// What a call of a function holds.
///
/// # Panics
/// If it cannot be stored.
pub async fn payload(task: impl Drafted) -> Vec<u8> {
    use delay::Enqueue as _;
    let client = Client::open("memory:").await.expect("a store");
    let added = client.add_all([task]).await.expect("a task").remove(0).expect("a task");
    added.record().await.expect("a task").payload
}
