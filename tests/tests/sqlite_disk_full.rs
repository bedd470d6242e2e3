//! A full disk: nothing new is taken in, what runs is finished, what was acknowledged is there, and once there is room
//! again everything goes on. On a small file system of its own.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use delay::store::sqlite::{SqliteOptions, SqliteStore};
use delay::store::{Inspect as _, Pushed, Queues, Settled, Settlement, Store, Upkeep as _, UpkeepRules};
use delay::{Clock, Kept, Result, Task, TaskId, TaskState, Timestamp, Transition, VirtualClock};
use delay_tests::{Hand, in_mount_namespace, mount_tmpfs, remount, soon, task};
use tempfile::TempDir;

fn on_a_small_disk(name: &str, body: impl AsyncFnOnce(&Path) -> Result<()>) {
    in_mount_namespace(name, || {
        let folder = TempDir::new().expect("a folder");
        mount_tmpfs(folder.path(), "size=12m");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(body(folder.path())).expect("no other error than those that are asked for");
    });
}

fn open(folder: &Path) -> Result<Arc<dyn Store>> {
    Ok(Arc::new(SqliteStore::open(SqliteOptions::new(folder.join("jobs.db")))?))
}

/// Adds tasks of 64 KiB until the disk is full; those that were acknowledged.
async fn fill(store: &Arc<dyn Store>) -> Result<Vec<TaskId>> {
    let mut added = Vec::new();
    loop {
        let large = Task { payload: vec![1; 64 << 10], priority: 1, ..task() };
        let id = large.id;
        match store.push(vec![large]).await {
            Ok(pushed) => {
                assert_eq!(pushed, [Pushed::Added]);
                added.push(id);
            }
            Err(error) if error.is_disk_full() => return Ok(added),
            Err(error) => return Err(error),
        }
        assert!(added.len() < 12 * 16, "more was taken in than there is room for");
    }
}

async fn all_are_there(store: &Arc<dyn Store>, ids: &[TaskId]) -> Result<()> {
    assert!(store.get(ids.to_vec()).await?.iter().all(Option::is_some));
    Ok(())
}

/// Tries again and again, as producers do.
async fn is_taken_in_again(store: &Arc<dyn Store>) -> Result<()> {
    soon("new tasks to be taken in again", async {
        loop {
            match store.push(vec![task()]).await {
                Err(error) if error.is_disk_full() => {}
                other => return other.map(drop),
            }
        }
    })
    .await
}

#[test]
fn on_a_full_disk_what_is_claimed_can_be_finished_and_nothing_is_lost() {
    let name = "on_a_full_disk_what_is_claimed_can_be_finished_and_nothing_is_lost";
    on_a_small_disk(name, async |folder| {
        let store = open(folder)?;
        let small: Vec<Task> = (0..400).map(|_| task()).collect();
        let mut added: Vec<TaskId> = small.iter().map(|task| task.id).collect();
        store.push(small).await?;
        let hand = Hand::enlist(&store).await?;
        let claims = hand.claim(200).await?;
        added.extend(fill(&store).await?);
        for _ in 0..20 {
            assert!(store.push(vec![task()]).await.is_err_and(|error| error.is_disk_full()));
        }
        for (i, claim) in claims.iter().enumerate() {
            let transition = match i % 3 {
                0 => Transition::Succeed(None),
                1 => Transition::Retry { wait: Duration::from_secs(3600), error: "why ".repeat(20) },
                _ => {
                    let kept = Kept { value: vec![1; 100], keep: Duration::from_secs(3600) };
                    Transition::Succeed(Some(kept))
                }
            };
            assert_eq!(hand.settle(claim, transition).await?, Settled::Applied);
        }
        store.beat(hand.id).await?;
        all_are_there(&store, &added).await?;
        // What waits can still be run, too.
        let rest = hand.claim(200).await?;
        assert_eq!(rest.len(), 200);
        let settle = rest
            .iter()
            .map(|claim| Settlement { fence: claim.fence, transition: Transition::Succeed(None) })
            .collect();
        let turned = hand.turn(settle, 0, Queues::All).await?;
        assert_eq!(turned.settled, vec![Settled::Applied; 200]);
        store.retire(hand.id).await?;
        store.close().await
    });
}

#[test]
fn what_was_acknowledged_before_the_disk_was_full_is_there_after_a_restart() {
    let name = "what_was_acknowledged_before_the_disk_was_full_is_there_after_a_restart";
    on_a_small_disk(name, async |folder| {
        let store = open(folder)?;
        let added = fill(&store).await?;
        assert!(added.len() > 20, "{}", added.len());
        drop(store);
        let store = open(folder)?;
        all_are_there(&store, &added).await?;
        let hand = Hand::enlist(&store).await?;
        let claim = hand.claim_one().await?;
        assert_eq!(hand.settle(&claim, Transition::Succeed(None)).await?, Settled::Applied);
        Ok(())
    });
}

#[test]
fn a_batch_that_does_not_fit_is_not_there_in_part() {
    on_a_small_disk("a_batch_that_does_not_fit_is_not_there_in_part", async |folder| {
        let store = open(folder)?;
        let first = task();
        store.push(vec![first.clone()]).await?;
        let batch: Vec<Task> = (0..20).map(|_| Task { payload: vec![1; 1 << 20], ..task() }).collect();
        let ids: Vec<TaskId> = batch.iter().map(|task| task.id).collect();
        assert!(store.push(batch).await.is_err_and(|error| error.is_disk_full()));
        assert!(store.get(ids).await?.iter().all(Option::is_none));
        all_are_there(&store, &[first.id]).await?;
        is_taken_in_again(&store).await
    });
}

#[test]
fn a_larger_disk_takes_tasks_in_again() {
    on_a_small_disk("a_larger_disk_takes_tasks_in_again", async |folder| {
        let store = open(folder)?;
        let added = fill(&store).await?;
        remount(folder, "size=64m");
        is_taken_in_again(&store).await?;
        all_are_there(&store, &added).await
    });
}

#[test]
fn a_disk_that_others_fill_is_full_as_well_and_is_used_again_once_they_tidy_up() {
    let name = "a_disk_that_others_fill_is_full_as_well_and_is_used_again_once_they_tidy_up";
    on_a_small_disk(name, async |folder| {
        let store = open(folder)?;
        let id = task().id;
        store.push(vec![Task { id, ..task() }]).await?;
        let filler = folder.join("filler");
        assert!(fs::write(&filler, vec![1; 16 << 20]).is_err(), "the filler takes all the rest");
        fill(&store).await?;
        let hand = Hand::enlist(&store).await?;
        hand.finish_one().await?;
        fs::remove_file(&filler).expect("room is made");
        is_taken_in_again(&store).await?;
        assert_eq!(
            store.get(vec![id]).await?.remove(0).map(|record| record.state),
            Some(TaskState::Succeeded)
        );
        Ok(())
    });
}

#[test]
fn a_store_cannot_be_made_on_a_disk_that_is_full() {
    on_a_small_disk("a_store_cannot_be_made_on_a_disk_that_is_full", async |folder| {
        assert!(fs::write(folder.join("filler"), vec![1; 16 << 20]).is_err(), "the filler takes everything");
        let error = open(folder).expect_err("there is no room for it");
        assert!(error.is_disk_full(), "{error:?}");
        Ok(())
    });
}

/// The clock stands still, so no lease runs out: that the worker is dead is known from its lock alone.
#[test]
fn a_rescue_that_failed_on_a_full_disk_is_made_up_for_once_there_is_room() {
    let name = "a_rescue_that_failed_on_a_full_disk_is_made_up_for_once_there_is_room";
    on_a_small_disk(name, async |folder| {
        let clock = VirtualClock::new(Timestamp::from_micros(1_500_000_000_000_000));
        let open = || {
            let clock = Clock::Virtual(clock.clone());
            SqliteStore::open(SqliteOptions { clock, ..SqliteOptions::new(folder.join("jobs.db")) })
        };
        let dead: Arc<dyn Store> = Arc::new(open()?);
        dead.push((0..3000).map(|_| task()).collect()).await?;
        let hand = Hand::enlist(&dead).await?;
        assert_eq!(hand.claim(3000).await?.len(), 3000);
        dead.close().await?;
        let heir = open()?;
        // Nothing may be left over to write into: no space, and no room in a journal.
        let db = delay::rusqlite::Connection::open(folder.join("jobs.db")).expect("the file");
        let row: i64 = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).expect("tidy");
        assert_eq!(row, 0, "the journal is empty");
        let filler = folder.join("filler");
        assert!(fs::write(&filler, vec![1; 16 << 20]).is_err(), "the filler takes all the rest");
        if let Err(error) = heir.upkeep(UpkeepRules::default()).await {
            assert!(error.is_disk_full(), "{error:?}");
        }
        fs::remove_file(&filler).expect("room is made");
        heir.upkeep(UpkeepRules::default()).await?;
        let counts = heir.counts().await?;
        let states: Vec<_> = counts.iter().map(|count| (count.state, count.tasks)).collect();
        assert_eq!(states, [(TaskState::Ready, 3000)]);
        heir.close().await
    });
}
