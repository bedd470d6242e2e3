//! A session of somebody else's at a server: begins with some SQL, and stays, with its transaction and its locks, until
//! it is dropped.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Stdio};

use super::cluster::DATABASE;
use super::server::Server;

/// An open `psql`.
#[derive(Debug)]
pub struct Session {
    psql: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Server {
    /// A session that has run this SQL, such as `BEGIN; LOCK TABLE jobs.task`.
    ///
    /// # Panics
    /// If it fails.
    #[must_use]
    pub fn session(&self, sql: &str) -> Session {
        let mut psql = self.psql_command(DATABASE);
        psql.stdin(Stdio::piped()).stdout(Stdio::piped()).current_dir("/");
        let mut psql = psql.spawn().expect("`psql`");
        let answers = BufReader::new(psql.stdout.take().expect("a pipe"));
        let mut session = Session { psql, answers };
        session.run(sql);
        session
    }
}

impl Session {
    /// Runs more SQL.
    ///
    /// # Panics
    /// If it fails.
    pub fn run(&mut self, sql: &str) {
        let stdin = self.psql.stdin.as_mut().expect("a pipe");
        writeln!(stdin, "{sql};\n\\echo done").expect("psql reads");
        let mut line = String::new();
        while line.trim_end() != "done" {
            line.clear();
            let read = self.answers.read_line(&mut line).expect("psql answers");
            assert!(read > 0, "psql ended: {sql}");
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Killed, the server rolls its transaction back.
        let _ = self.psql.kill();
        let _ = self.psql.wait();
    }
}
