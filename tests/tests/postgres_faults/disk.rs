//! The server's disk is full.

use std::sync::Arc;

use delay::Result;
use delay::store::Store;
use delay::store::postgres::{PostgresOptions, PostgresStore};
use delay_tests::postgres::Server;
use delay_tests::{Hand, in_mount_namespace, mount_tmpfs, remount, task};

#[test]
fn a_full_disk_is_told_and_what_was_acknowledged_is_there_when_there_is_room_again() {
    in_mount_namespace(
        "postgres_faults::disk::a_full_disk_is_told_and_what_was_acknowledged_is_there_when_there_is_room_again",
        || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(fill()).expect("the store");
        },
    );
}

/// The tables lie on a small disk of their own; the log does not, or the server itself would stop.
async fn fill() -> Result<()> {
    let server = Server::start();
    let disk = server.folder("small");
    mount_tmpfs(&disk, "size=24m");
    server.own(&disk);
    server.psql(&format!("CREATE TABLESPACE small LOCATION '{}'", disk.display()));
    server.psql("ALTER ROLE delay SET default_tablespace = small");
    let store: Arc<dyn Store> =
        Arc::new(PostgresStore::open(PostgresOptions::new(server.url("schema=own"))).await?);
    let large = || delay::Task { payload: noise(100_000), ..task() };
    let mut acknowledged = Vec::new();
    let full = loop {
        let given = large();
        let id = given.id;
        match store.push(vec![given]).await {
            Ok(_) => acknowledged.push(id),
            Err(error) => break error,
        }
        assert!(acknowledged.len() < 1000, "the disk is not full");
    };
    assert!(full.is_disk_full(), "{full:?}");
    assert!(full.to_string().contains("disk"), "{full}");
    remount(&disk, "size=100m");
    store.push(vec![large()]).await?;
    let known = store.get(acknowledged.clone()).await?;
    assert!(acknowledged.len() > 50 && known.iter().all(Option::is_some), "of {}", acknowledged.len());
    let hand = Hand::enlist(&store).await?;
    for _ in 0..=acknowledged.len() {
        hand.finish_one().await?;
    }
    store.close().await
}

/// Bytes that nothing can make shorter.
fn noise(length: usize) -> Vec<u8> {
    let mut dice = delay_tests::Dice::new(7);
    (0..length / 8).flat_map(|_| dice.number().to_le_bytes()).collect()
}
