//! Streaming standbys: made from a running server, followed, and promoted when that one is gone.

use std::time::Instant;

use super::cluster::{PASSWORD, USER, append};
use super::folder::Folder;
use super::programs::{User, run};
use super::server::Server;
use crate::wait::BOUND;

/// Whether a commit on the primary waits for its standby.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replication {
    /// It does: what was acknowledged is on both.
    Synchronous,
    /// It does not: the last moments may be lost with the primary.
    Asynchronous,
}

impl Server {
    /// A new server that follows this one, and has caught up with it.
    ///
    /// # Panics
    /// If it cannot be made, or does not follow in time.
    #[must_use]
    pub fn standby(&self, replication: Replication) -> Server {
        let folder = Folder::new(None);
        let primary = format!("host=127.0.0.1 port={} user={USER} password={PASSWORD}", self.port());
        let name = format!(
            "standby_{}",
            folder.path().to_string_lossy().replace(|char: char| !char.is_alphanumeric(), "_")
        );
        let mut command = User::of_servers().command("pg_basebackup");
        command.args(["-X", "stream", "-c", "fast", "-R", "--no-sync", "-d"]);
        command.arg(format!("{primary} application_name={name}")).arg("-D").arg(folder.data());
        run(&mut command);
        // It waits for no standby of its own once it is the primary, and notices a dead primary without delay.
        let own = "synchronous_standby_names = ''\nwal_retrieve_retry_interval = '100ms'\n";
        append(&folder.data().join("postgresql.auto.conf"), own);
        let standby = Server::on(folder);
        if replication == Replication::Synchronous {
            self.configure(&[("synchronous_standby_names", "*")]);
        }
        let wanted = match replication {
            Replication::Synchronous => "'sync', 'quorum'",
            Replication::Asynchronous => "'async', 'potential', 'sync', 'quorum'",
        };
        let caught_up = format!(
            "SELECT count(*) FROM pg_stat_replication WHERE application_name = '{name}' AND state = 'streaming' \
             AND sync_state IN ({wanted})"
        );
        let end = Instant::now() + BOUND;
        // It follows, or is about to: the primary says so a moment after the standby does, and not by itself.
        while self.psql(&caught_up) != "1" {
            assert!(Instant::now() < end, "the standby does not follow: {}", standby.log());
        }
        standby
    }

    /// Makes a standby the primary, and waits until it takes writes.
    ///
    /// # Panics
    /// If it is none, or does not become one in time.
    pub fn promote(&mut self) {
        assert_eq!(self.psql("SELECT pg_promote(true, 60)"), "t", "{}", self.log());
    }
}
