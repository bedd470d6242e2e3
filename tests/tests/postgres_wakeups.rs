//! What processes tell each other over the server, as an ear of our own hears it.

use std::future::poll_fn;
use std::sync::Arc;

use delay::store::postgres::{PostgresOptions, PostgresStore};
use delay::store::{Queues, Settlement, Store};
use delay::tokio_postgres::{AsyncMessage, Client as Db, NoTls, connect};
use delay::{BoxError, Result, Transition};
use delay_tests::postgres::{Schema, Server, shared_url};
use delay_tests::{Hand, soon, task};
use tokio::sync::mpsc;

/// Hears what is told on a schema's channel.
struct Ear {
    heard: mpsc::UnboundedReceiver<String>,
    /// The connection ends with it.
    _db: Db,
}

impl Ear {
    async fn at(url: &str, schema: &str) -> Result<Self, BoxError> {
        let (db, mut connection) = connect(url, NoTls).await?;
        let (sender, heard) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
                if let AsyncMessage::Notification(notification) = message {
                    let _ = sender.send(notification.payload().to_owned());
                }
            }
        });
        db.batch_execute(&format!("LISTEN \"delay:{schema}\"")).await?;
        Ok(Self { heard, _db: db })
    }

    /// Waits until somebody tells this.
    async fn hears(&mut self, word: &str) {
        let told = async {
            loop {
                let told = self.heard.recv().await.expect("the connection holds");
                if told.split(' ').any(|told| told == word) {
                    return;
                }
            }
        };
        soon(&format!("a notification that says `{word}`"), told).await;
    }
}

#[tokio::test]
async fn others_hear_of_what_is_ready_and_of_what_has_finished() -> Result<(), BoxError> {
    let schema = Schema::fresh();
    let store: Arc<dyn Store> = Arc::new(PostgresStore::open(PostgresOptions::new(schema.url())).await?);
    let mut ear = Ear::at(shared_url(), schema.name()).await?;
    // However soon one follows the other.
    for _ in 0..10 {
        store.push(vec![task()]).await?;
        ear.hears("r").await;
    }
    let hand = Hand::enlist(&store).await?;
    for claim in hand.claim(10).await? {
        let settlement = Settlement { fence: claim.fence, transition: Transition::Succeed(None) };
        hand.turn(vec![settlement], 0, Queues::All).await?;
        ear.hears("f").await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_tells_others_is_not_held_up_by_those_who_do_so_too() -> Result<(), BoxError> {
    let server = Server::start();
    // From here on a commit that waits for standbys waits for ever.
    server.configure(&[("synchronous_standby_names", "nobody")]);
    let store =
        PostgresStore::open(PostgresOptions::new(server.url("schema=own&durability=process&pool=2"))).await?;
    let mut ear = Ear::at(&server.url(""), "own").await?;
    let (other, connection) = connect(&server.url(""), NoTls).await?;
    tokio::spawn(connection);
    let hangs =
        tokio::spawn(
            async move { other.batch_execute("CREATE TEMPORARY TABLE other(); NOTIFY other").await },
        );
    server.until_somebody_waits("SyncRep");
    for _ in 0..20 {
        soon("a push", store.push(vec![task()])).await?;
    }
    server.configure(&[("synchronous_standby_names", "")]);
    hangs.await??;
    ear.hears("r").await;
    store.close().await.map_err(Into::into)
}
