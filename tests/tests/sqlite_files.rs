//! A SQLite store and its files: who may read them, what is left of them, and what is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use delay::store::sqlite::{SqliteOptions, SqliteStore};
use delay::store::{Filter, Store, UpkeepRules};
use delay::{Client, Error, Result, rusqlite};
use delay_tests::{Hand, task};
use tempfile::TempDir;

fn folder() -> TempDir {
    TempDir::new().expect("a folder")
}

fn open(path: impl AsRef<Path>) -> Result<Arc<dyn Store>> {
    Ok(Arc::new(SqliteStore::open(SqliteOptions::new(path))?))
}

fn names(folder: &TempDir) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder.path())
        .expect("the folder can be read")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a plain name"))
        .collect();
    names.sort();
    names
}

fn refused<T>(opened: Result<T>) -> Error {
    opened.err().expect("it is refused")
}

/// A file with `tasks` finished and waiting tasks of some size, closed in order.
async fn store_of(folder: &TempDir, tasks: usize) -> Result<PathBuf> {
    let path = folder.path().join("jobs.db");
    let store = open(&path)?;
    for _ in 0..tasks {
        store
            .push(vec![delay::Task {
                name: Some(format!("n{}", delay::TaskId::new())),
                payload: vec![7; 900],
                ..task()
            }])
            .await?;
    }
    let hand = Hand::enlist(&store).await?;
    for _ in 0..tasks / 2 {
        hand.finish_one().await?;
    }
    store.retire(hand.id).await?;
    store.close().await?;
    Ok(path)
}

#[tokio::test]
async fn every_file_of_a_store_is_its_owners_alone() -> Result<()> {
    let old = rustix::process::umask(rustix::fs::Mode::empty());
    let folder = folder();
    let store = open(folder.path().join("jobs.db"))?;
    store.push(vec![task()]).await?;
    Hand::enlist(&store).await?;
    store.counts().await?;
    rustix::process::umask(old);
    let names = names(&folder);
    for needed in ["jobs.db", "jobs.db-wal", "jobs.db-shm", "jobs.db-ballast"] {
        assert!(names.iter().any(|name| name == needed), "{needed} is not among {names:?}");
    }
    for name in names {
        let mode = fs::metadata(folder.path().join(&name)).expect("its mode").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name} has the mode {mode:o}");
    }
    Ok(())
}

#[tokio::test]
async fn a_file_that_is_there_keeps_its_mode() -> Result<()> {
    let folder = folder();
    let path = folder.path().join("jobs.db");
    fs::write(&path, b"").expect("an empty file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("its mode");
    open(&path)?.push(vec![task()]).await?;
    assert_eq!(fs::metadata(&path).expect("its mode").permissions().mode() & 0o777, 0o640);
    Ok(())
}

#[tokio::test]
async fn a_store_that_is_closed_in_order_leaves_one_file() -> Result<()> {
    let folder = folder();
    let path = store_of(&folder, 10).await?;
    assert_eq!(names(&folder), ["jobs.db"]);
    let store = open(&path)?;
    assert_eq!(store.list(Filter { limit: 100, ..Filter::default() }).await?.len(), 10);
    store.close().await?;
    assert_eq!(names(&folder), ["jobs.db"]);
    Ok(())
}

#[tokio::test]
async fn the_last_of_two_connections_to_close_leaves_one_file() -> Result<()> {
    let folder = folder();
    let (first, second) = (open(folder.path().join("jobs.db"))?, open(folder.path().join("jobs.db"))?);
    first.push(vec![task()]).await?;
    second.push(vec![task()]).await?;
    first.close().await?;
    second.push(vec![task()]).await?;
    assert_eq!(second.counts().await?[0].tasks, 3);
    second.close().await?;
    assert_eq!(names(&folder), ["jobs.db"]);
    Ok(())
}

#[tokio::test]
async fn a_store_that_is_dropped_without_a_close_loses_nothing() -> Result<()> {
    let folder = folder();
    let path = folder.path().join("jobs.db");
    let id = task().id;
    drop({
        let store = open(&path)?;
        store.push(vec![delay::Task { id, ..task() }]).await?;
        store
    });
    assert!(open(&path)?.get(vec![id]).await?[0].is_some());
    Ok(())
}

#[tokio::test]
async fn a_torn_end_of_the_journal_costs_nothing_that_was_acknowledged() -> Result<()> {
    let (folder, copy) = (folder(), folder());
    let store = open(folder.path().join("jobs.db"))?;
    let ids: Vec<_> = (0..20).map(|_| delay::TaskId::new()).collect();
    for id in &ids {
        store.push(vec![delay::Task { id: *id, ..task() }]).await?;
    }
    for name in ["jobs.db", "jobs.db-wal"] {
        fs::copy(folder.path().join(name), copy.path().join(name)).expect("a copy, as a crash leaves it");
    }
    let journal = copy.path().join("jobs.db-wal");
    let mut bytes = fs::read(&journal).expect("the journal");
    bytes.extend_from_within(bytes.len() - 5000..);
    fs::write(&journal, bytes).expect("a journal with a torn end");
    let found = open(copy.path().join("jobs.db"))?.get(ids).await?;
    assert!(found.iter().all(Option::is_some));
    Ok(())
}

#[test]
fn a_folder_that_is_not_there_is_told_with_the_remedy() {
    let folder = folder();
    let error = refused(open(folder.path().join("no/such/jobs.db")));
    assert!(error.is_unreadable(), "{error:?}");
    assert!(error.to_string().contains("mkdir -p"), "{error}");
    assert_eq!(names(&folder), Vec::<String>::new());
}

#[test]
fn a_directory_is_refused_with_the_remedy() {
    let folder = folder();
    let error = refused(open(folder.path()));
    assert!(error.is_unreadable(), "{error:?}");
    assert!(error.to_string().contains("is a directory"), "{error}");
}

#[test]
fn a_path_that_names_no_file_is_refused() {
    for path in ["", ":memory:"] {
        let error = refused(open(path));
        assert!(error.is_unreadable(), "{path:?}: {error:?}");
    }
}

#[test]
fn bytes_that_are_no_database_are_refused_and_left_alone() {
    let folder = folder();
    let path = folder.path().join("notes.txt");
    let contents: [Vec<u8>; 4] = [
        b"xy".to_vec(),
        b"Dear diary, today I pointed a queue at you.\n".repeat(3),
        (0..9000_u32).map(|i| (i * i / 7) as u8).collect(),
        [b"SQLite format 3\0".to_vec(), vec![0xff; 4096]].concat(),
    ];
    for bytes in contents {
        fs::write(&path, &bytes).expect("a file");
        let error = refused(open(&path));
        assert!(error.is_corrupt(), "{} bytes: {error:?}", bytes.len());
        assert!(error.to_string().contains("notes.txt"), "{error}");
        assert!(fs::read(&path).expect("the file") == bytes, "{} bytes were changed", bytes.len());
    }
}

/// What a damaged file may answer: that it is damaged, or what is still whole. Never a panic, never another error.
async fn damage_is_told(path: &Path) -> usize {
    let mut errors = Vec::new();
    match open(path) {
        Err(error) => errors.push(error),
        Ok(store) => {
            errors.extend(store.counts().await.err());
            errors.extend(store.list(Filter { limit: 1000, ..Filter::default() }).await.err());
            errors.extend(store.push(vec![task()]).await.err());
            errors.extend(store.upkeep(UpkeepRules::default()).await.err());
            match Hand::enlist(&store).await {
                Ok(hand) => errors.extend(hand.claim(1000).await.err()),
                Err(error) => errors.push(error),
            }
            errors.extend(store.close().await.err());
        }
    }
    for error in &errors {
        assert!(error.is_corrupt(), "{error:?}");
    }
    errors.len()
}

#[tokio::test]
async fn a_store_that_was_cut_short_is_told_as_damaged() -> Result<()> {
    let folder = folder();
    let path = store_of(&folder, 60).await?;
    let whole = fs::read(&path).expect("the file");
    assert!(whole.len() > 60_000, "{}", whole.len());
    for length in [100, 4096, 4097, 8192, whole.len() / 2, whole.len() - 4096] {
        fs::write(&path, &whole[..length]).expect("a shorter file");
        assert!(damage_is_told(&path).await > 0, "nobody noticed that {length} of {} are left", whole.len());
    }
    Ok(())
}

#[tokio::test]
async fn a_store_with_a_damaged_page_is_told_as_damaged_and_never_panics() -> Result<()> {
    let folder = folder();
    let path = store_of(&folder, 60).await?;
    let whole = fs::read(&path).expect("the file");
    let mut noticed = 0;
    let pages = whole.len() / 4096;
    for page in 0..pages {
        let mut bytes = whole.clone();
        bytes[page * 4096..(page + 1) * 4096].fill(0xaa);
        fs::write(&path, bytes).expect("a damaged file");
        noticed += usize::from(damage_is_told(&path).await > 0);
    }
    // Some pages hold nothing that these verbs touch.
    assert!(noticed > pages / 2, "{noticed} of {pages} damaged pages were noticed");
    Ok(())
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_refused_and_left_alone() -> Result<()> {
    let folder = folder();
    let path = store_of(&folder, 3).await?;
    let newer = "UPDATE delay_meta SET value = 1000 WHERE key = 'schema'; PRAGMA wal_checkpoint(TRUNCATE)";
    rusqlite::Connection::open(&path).and_then(|db| db.execute_batch(newer)).expect("another version");
    let before = fs::read(&path).expect("the file");
    let error = refused(open(&path));
    assert!(error.is_newer_schema(), "{error:?}");
    assert!(error.to_string().contains("version 1000"), "{error}");
    assert!(fs::read(&path).expect("the file") == before);
    Ok(())
}

/// A user's own database, in the journal mode that SQLite begins with.
fn users_database(folder: &TempDir) -> PathBuf {
    let path = folder.path().join("shop.db");
    let script = "CREATE TABLE customer(id INTEGER PRIMARY KEY, mail TEXT); CREATE TABLE delayed(x);
        INSERT INTO customer(mail) VALUES ('ada@example.com'), ('bob@example.com')";
    rusqlite::Connection::open(&path).and_then(|db| db.execute_batch(script)).expect("a database");
    path
}

#[test]
fn another_applications_database_is_refused_and_left_alone() {
    let folder = folder();
    let path = users_database(&folder);
    let before = fs::read(&path).expect("the file");
    let error = refused(open(&path));
    assert!(error.is_foreign_database(), "{error:?}");
    for word in ["shop.db", "customer", "?shared"] {
        assert!(error.to_string().contains(word), "{word} is not in: {error}");
    }
    assert!(fs::read(&path).expect("the file") == before);
    assert_eq!(names(&folder), ["shop.db"]);
}

#[tokio::test]
async fn a_shared_database_keeps_its_own_tables_as_they_were() -> Result<()> {
    let folder = folder();
    let path = users_database(&folder);
    let store = Client::open(format!("sqlite:{}?shared", path.display())).await?;
    store.store().push(vec![task()]).await?;
    store.store().close().await?;
    let db = rusqlite::Connection::open(&path).expect("the database");
    let mails: Vec<String> = db
        .prepare("SELECT mail FROM customer ORDER BY id")
        .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect())
        .expect("the user's rows");
    assert_eq!(mails, ["ada@example.com", "bob@example.com"]);
    let check: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a check");
    assert_eq!(check, "ok");
    let others = "SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'delay\\_%' ESCAPE '\\'
        AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT IN ('customer', 'delayed')";
    let others: i64 = db.query_row(others, [], |row| row.get(0)).expect("names");
    assert_eq!(others, 0, "everything that was made is named delay_…");
    Ok(())
}

#[tokio::test]
async fn a_database_that_holds_the_queue_is_opened_without_being_told_so_again() -> Result<()> {
    let folder = folder();
    let url = format!("sqlite:{}", users_database(&folder).display());
    Client::open(format!("{url}?shared")).await?.store().push(vec![task()]).await?;
    assert_eq!(Client::open(url).await?.store().counts().await?[0].tasks, 1);
    Ok(())
}

#[tokio::test]
async fn a_url_may_name_any_file_there_can_be() -> Result<()> {
    let folder = folder();
    for name in ["a b.db", "wh%3Fat.db", "100%25.db", "späß.db", "'quoted'.db", "%ff%fe.db", "a;b&c=d.db"] {
        let url = format!("sqlite:{}/{name}", folder.path().display());
        let client = Client::open(&url).await?;
        client.store().push(vec![task()]).await?;
        client.store().close().await?;
        assert_eq!(Client::open(&url).await?.store().counts().await?[0].tasks, 1);
    }
    assert!(folder.path().join("wh?at.db").exists() && folder.path().join("100%.db").exists());
    Ok(())
}
