//! The pool of connections: deadpool over the [`Connector`], each connection with a cache of prepared statements.

use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{self, Metrics, PoolError, RecycleError, RecycleResult, TimeoutType};
use deadpool_postgres::ClientWrapper;

use super::connect::Connector;
use super::fault::closed;
use crate::error::{Error, Kind, Result};

/// Connections that are taken and given back. Closed by `Connector::close` after `Pool::close`.
pub(super) type Pool = managed::Pool<Connector>;

/// A connection out of the pool: it goes back when it is dropped.
pub(super) type Pooled = managed::Object<Connector>;

impl Connector {
    /// A pool of at most `most` connections, none of which is made before it is needed.
    pub(super) fn pool(&self, most: usize) -> Pool {
        let pool = Pool::builder(self.clone())
            .max_size(most)
            .runtime(Runtime::Tokio1)
            .queue_mode(managed::QueueMode::Lifo);
        pool.build().expect("a runtime is named, which is all that timeouts need")
    }
}

impl managed::Manager for Connector {
    type Type = ClientWrapper;
    type Error = Error;

    async fn create(&self) -> Result<ClientWrapper> {
        let (client, driver) = self.connect().await?.into_parts();
        Ok(ClientWrapper::new(client, driver))
    }

    async fn recycle(&self, client: &mut ClientWrapper, _: &Metrics) -> RecycleResult<Error> {
        // No round trip: a connection that is dead in another way says so at its next statement.
        if client.is_closed() { Err(RecycleError::message("the connection has ended")) } else { Ok(()) }
    }
}

/// A connection, within a bounded time.
///
/// # Errors
/// What keeps us from connecting; [`is_unavailable`](Error::is_unavailable) if all are in use for so long.
pub(super) async fn take(pool: &Pool, within: Duration) -> Result<Pooled> {
    let timeouts = managed::Timeouts { wait: Some(within), create: None, recycle: None };
    pool.timeout_get(&timeouts).await.map_err(|error| match error {
        PoolError::Backend(error) => error,
        PoolError::Closed => closed(),
        PoolError::Timeout(TimeoutType::Wait) => {
            let text = format!(
                "all {} connections to the server have been in use for {within:?}: raise `pool=` in the store URL",
                pool.status().max_size
            );
            Error::new(Kind::Unavailable, text)
        }
        other => Error::with_source(Kind::Unavailable, "cannot get a connection to the server", other),
    })
}

/// Throws a connection away that may lead nowhere, or to a server that is no primary any more.
pub(super) fn discard(connection: Pooled) {
    drop(Pooled::take(connection));
}
