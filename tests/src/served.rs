//! A runtime on a file, behind a door on a real socket of the loopback. Knows how to sign for it, and nothing of what is
//! tested.

use std::net::SocketAddr;

use axum::Router;
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
        Self::start_with(&keys(), set_up, door).await
    }

    /// The same, with keys that somebody else has, too.
    ///
    /// # Panics
    /// If there is no place for temporary files.
    pub async fn start_with(
        keys: &Keys,
        set_up: impl FnOnce(Builder) -> Builder,
        door: impl FnOnce(Door) -> Door,
    ) -> Self {
        let folder = TempDir::new().expect("a folder");
        let url = format!("sqlite:{}", folder.path().join("jobs.db").display());
        Self { folder: Some(folder), ..Self::open(&url, keys, set_up, |_, _, _, of| door(of)).await }
    }

    /// A runtime on a new file, its door, and further routes.
    ///
    /// # Panics
    /// If there is no place for temporary files.
    pub async fn paged(
        set_up: impl FnOnce(Builder) -> Builder,
        routes: impl FnOnce(&Runtime) -> Router,
    ) -> Self {
        let folder = TempDir::new().expect("a folder");
        let url = format!("sqlite:{}", folder.path().join("jobs.db").display());
        let served = Self::open(&url, &keys(), set_up, |rt, _, _, door| door.app(routes(rt))).await;
        Self { folder: Some(folder), ..served }
    }

    /// On a store in memory; the door is made by whoever has seen the runtime and the address.
    pub async fn seen(door: impl FnOnce(&Runtime, SocketAddr, &Keys, Door) -> Door) -> Self {
        Self::open("memory:", &keys(), |builder| builder, door).await
    }

    /// A runtime on this store, and its door.
    pub async fn on(
        url: &str,
        set_up: impl FnOnce(Builder) -> Builder,
        door: impl FnOnce(Door) -> Door,
    ) -> Self {
        Self::open(url, &keys(), set_up, |_, _, _, of| door(of)).await
    }

    async fn open(
        url: &str,
        keys: &Keys,
        set_up: impl FnOnce(Builder) -> Builder,
        door: impl FnOnce(&Runtime, SocketAddr, &Keys, Door) -> Door,
    ) -> Self {
        let rt = set_up(Runtime::builder(url)).build().await.expect("a runtime");
        let keys = keys.clone();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let door = door(&rt, address, &keys, Door::new(&rt, Auth::signed(keys.clone())));
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

fn keys() -> Keys {
    Keys::new(Key::generate().parse().expect("a key"))
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
