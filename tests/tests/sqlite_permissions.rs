//! Files that may not be read or written: each is told for what it is, and nothing is left behind.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use delay::store::Store;
use delay::store::sqlite::{SqliteOptions, SqliteStore};
use delay_tests::{Opened, Somebody, in_mount_namespace, mount_tmpfs, remount, task};
use tempfile::TempDir;

const OPEN_STORE: &str = env!("CARGO_BIN_EXE_open_store");

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
}

/// A store with one task.
fn store_at(path: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(SqliteOptions::new(path)).expect("a store"));
        store.push(vec![task()]).await.expect("a task");
        store.close().await.expect("closed in order");
    });
}

/// A folder with a store in it, both somebody's.
fn somebodys_store() -> (TempDir, Somebody, std::path::PathBuf) {
    let folder = TempDir::new().expect("a folder");
    let somebody = Somebody::with(OPEN_STORE, folder.path());
    let inner = folder.path().join("data");
    fs::create_dir(&inner).expect("a folder");
    let path = inner.join("jobs.db");
    store_at(&path);
    somebody.give(&inner);
    somebody.give(&path);
    let opened = somebody.open(&path);
    assert_eq!(opened.tasks, Some(1), "with all permissions it is opened: {opened:?}");
    (folder, somebody, path)
}

fn is(opened: &Opened, kind: &str) {
    assert_eq!(opened.kind, kind, "{opened:?}");
    assert!(opened.text.contains("jobs.db"), "the error names the file: {opened:?}");
}

#[test]
fn a_file_that_may_not_be_read_is_unreadable() {
    let (_folder, somebody, path) = somebodys_store();
    mode(&path, 0o000);
    is(&somebody.open(&path), "unreadable");
}

#[test]
fn a_file_that_may_be_read_but_not_written_is_read_only() {
    let (_folder, somebody, path) = somebodys_store();
    mode(&path, 0o400);
    is(&somebody.open(&path), "read only");
}

#[test]
fn a_folder_that_may_not_be_entered_is_unreadable() {
    let (_folder, somebody, path) = somebodys_store();
    mode(path.parent().expect("its folder"), 0o000);
    let opened = somebody.open(&path);
    mode(path.parent().expect("its folder"), 0o700);
    is(&opened, "unreadable");
    assert!(!opened.text.contains("does not exist"), "it does exist: {opened:?}");
}

#[test]
fn a_store_in_a_folder_that_may_not_be_written_is_read_only() {
    let (_folder, somebody, path) = somebodys_store();
    mode(path.parent().expect("its folder"), 0o500);
    let opened = somebody.open(&path);
    mode(path.parent().expect("its folder"), 0o700);
    is(&opened, "read only");
}

#[test]
fn a_store_cannot_be_made_in_a_folder_that_may_not_be_written() {
    let (_folder, somebody, path) = somebodys_store();
    fs::remove_file(&path).expect("removed");
    mode(path.parent().expect("its folder"), 0o500);
    let opened = somebody.open(&path);
    mode(path.parent().expect("its folder"), 0o700);
    is(&opened, "unreadable");
    assert!(opened.text.contains("permissions"), "{opened:?}");
}

#[test]
fn a_store_on_a_file_system_that_is_read_only_is_read_only_itself() {
    in_mount_namespace("a_store_on_a_file_system_that_is_read_only_is_read_only_itself", || {
        let folder = TempDir::new().expect("a folder");
        mount_tmpfs(folder.path(), "size=32m");
        let there = folder.path().join("jobs.db");
        store_at(&there);
        remount(folder.path(), "ro");
        for path in [there, folder.path().join("new.db")] {
            let error = SqliteStore::open(SqliteOptions::new(&path)).expect_err("refused");
            assert!(error.is_read_only(), "{}: {error:?}", path.display());
        }
    });
}
