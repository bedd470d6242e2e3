//! One server of a test's own: made, started, asked, and made to fail. It never outlives the test process.

use std::fs::File;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use super::cluster::{DATABASE, PASSWORD, Setup, USER, make};
use super::folder::Folder;
use super::programs::{User, attempt, run, said};
use crate::tail::Tail;
use crate::wait::BOUND;

/// How a server is told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Connections are cut, transactions rolled back, and all is written: `pg_ctl stop -m fast`.
    Fast,
    /// At once and without writing; it recovers at its next start: `pg_ctl stop -m immediate`.
    Immediate,
}

/// A PostgreSQL server.
#[derive(Debug)]
pub struct Server {
    // Dropped first: a server that still runs would write into the folder while it goes.
    child: Option<Child>,
    port: u16,
    pub(super) folder: Folder,
}

impl Server {
    /// A new server with the defaults of [`Setup`].
    ///
    /// # Panics
    /// If PostgreSQL is not installed (it says what to do), or does not start (with its log).
    #[must_use]
    pub fn start() -> Self {
        Self::with(&Setup::default())
    }

    /// A new server with an empty database.
    ///
    /// # Panics
    /// As [`start`](Self::start) does.
    #[must_use]
    pub fn with(setup: &Setup) -> Self {
        let folder = Folder::new(setup.place.as_deref());
        make(folder.path(), setup);
        let mut server = Self { child: None, port: free_port(), folder };
        server.restart();
        server.psql_in("postgres", &format!("CREATE DATABASE {DATABASE}"));
        server
    }

    /// A server on data that are there already.
    pub(super) fn on(folder: Folder) -> Self {
        let mut server = Self { child: None, port: free_port(), folder };
        server.restart();
        server
    }

    /// The port on 127.0.0.1; it stays the same over restarts.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of its Unix socket.
    #[must_use]
    pub fn socket_folder(&self) -> &Path {
        self.folder.path()
    }

    /// The URL of a store here: `options` such as `schema=jobs`.
    #[must_use]
    pub fn url(&self, options: &str) -> String {
        self.url_with(&[], options)
    }

    /// The URL of a store on this server or one of `others`, in this order.
    #[must_use]
    pub fn url_with(&self, others: &[&Server], options: &str) -> String {
        let ports = std::iter::once(self.port).chain(others.iter().map(|server| server.port));
        url(&ports.collect::<Vec<_>>(), options)
    }

    /// Starts it if it does not run, and waits until it takes connections.
    ///
    /// # Panics
    /// If it does not start: with its log.
    pub fn restart(&mut self) {
        let end = Instant::now() + BOUND;
        // It may have ended by itself.
        self.child.take_if(|child| child.try_wait().expect("its state").is_some());
        while self.child.is_none() {
            assert!(Instant::now() < end, "the server does not start: {}", self.log());
            let tail = self.tail();
            let mut child = self.launch();
            if tail.until_or_end("a server that starts", &pidfd(&child), is_ready).is_some() {
                self.child = Some(child);
            } else {
                // Right after a kill its shared memory may still be held; another try finds it free.
                child.wait().expect("its end");
            }
        }
    }

    fn launch(&self) -> Child {
        let log = File::options().create(true).append(true).open(self.folder.log()).expect("its log");
        let mut command = User::of_servers().command("postgres");
        command.arg("-D").arg(self.folder.data()).args(["-p", &self.port.to_string()]);
        command.arg("-k").arg(self.folder.path()).current_dir("/").stdin(Stdio::null());
        command.stdout(log.try_clone().expect("its log")).stderr(log);
        command.process_group(0);
        command.spawn().expect("the server's program")
    }

    /// Kills all its processes at once, as the loss of power would; what was not flushed by the server is the system's
    /// and stays.
    ///
    /// # Panics
    /// If it does not run.
    pub fn kill9(&mut self) {
        let mut child = self.child.take().expect("a server that runs");
        let all = family(Pid::from_child(&child));
        for pid in all {
            // Stopped first, so that none of them acts on the death of another.
            let _ = kill_process(pid, Signal::KILL);
        }
        child.wait().expect("its end");
    }

    /// Stops it in order, or not quite.
    ///
    /// # Panics
    /// If it does not run, or does not stop in time.
    pub fn stop(&mut self, how: Stop) {
        let mut child = self.child.take().expect("a server that runs");
        let signal = match how {
            Stop::Fast => Signal::INT,
            Stop::Immediate => Signal::QUIT,
        };
        kill_process(Pid::from_child(&child), signal).expect("the server is there");
        assert!(has_ended(&child), "the server does not stop: {}", self.log());
        child.wait().expect("its end");
    }

    /// Freezes all its processes: it neither answers nor closes its connections, like a machine that hangs.
    ///
    /// # Panics
    /// If it does not run.
    pub fn freeze(&self) {
        family(self.pid());
    }

    /// Lets it go on after [`freeze`](Self::freeze).
    ///
    /// # Panics
    /// If it does not run.
    pub fn thaw(&self) {
        for pid in family(self.pid()).into_iter().rev() {
            let _ = kill_process(pid, Signal::CONT);
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(self.child.as_ref().expect("a server that runs"))
    }

    /// Runs SQL in the store's database and gives the rows, columns parted by `|`.
    ///
    /// # Panics
    /// If it fails, with the server's message.
    pub fn psql(&self, sql: &str) -> String {
        self.psql_in(DATABASE, sql)
    }

    pub(super) fn psql_in(&self, database: &str, sql: &str) -> String {
        run(self.psql_command(database).args(["-c", sql])).trim_end().to_owned()
    }

    /// Runs SQL that is expected to fail, and gives the server's message.
    ///
    /// # Panics
    /// If it succeeds.
    #[must_use]
    pub fn psql_error(&self, sql: &str) -> String {
        let output = attempt(self.psql_command(DATABASE).args(["-c", sql]));
        assert!(!output.status.success(), "it was to fail: {sql}");
        said(&output)
    }

    /// A `psql` on the store's database, for a session that stays: give it its input and take it away again.
    #[must_use]
    pub fn psql_command(&self, database: &str) -> Command {
        psql_command(&self.folder.path().to_string_lossy(), self.port, database)
    }

    /// Adds lines to its configuration file and has them read: for a standby, which takes no SQL that writes.
    ///
    /// # Panics
    /// If it cannot.
    pub fn configure_by_file(&self, lines: &str) {
        super::cluster::append(&self.folder.data().join("postgresql.conf"), lines);
        self.psql("SELECT pg_reload_conf()");
    }

    /// A new folder beside its data, for a tablespace.
    ///
    /// # Panics
    /// If it cannot be made.
    #[must_use]
    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir(&path).expect("a folder");
        self.own(&path);
        path
    }

    /// Gives a folder to the server's user, and to nobody else: such as a file system that was mounted there.
    ///
    /// # Panics
    /// If it cannot.
    pub fn own(&self, path: &Path) {
        User::of_servers().give(path);
    }

    /// Asks again and again until a condition holds, such as `EXISTS (SELECT FROM jobs.task)`.
    ///
    /// # Panics
    /// If it does not hold in time.
    pub fn until(&self, what: &str, condition: &str) {
        let end = Instant::now() + BOUND;
        while self.psql(&format!("SELECT {condition}")) != "t" {
            assert!(Instant::now() < end, "waited {BOUND:?} in vain for: {what}");
        }
    }

    /// Waits until a session waits for what `event` says, such as `Lock` (the kinds of `pg_stat_activity`).
    ///
    /// # Panics
    /// If none does in time.
    pub fn until_somebody_waits(&self, event: &str) {
        let condition = format!(
            "EXISTS (SELECT FROM pg_stat_activity WHERE '{event}' IN (wait_event_type, wait_event) AND state = 'active')"
        );
        self.until(&format!("a session that waits: {event}"), &condition);
    }

    /// What it has said so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.log()).unwrap_or_default()
    }

    /// What it says from now on.
    #[must_use]
    pub fn tail(&self) -> Tail {
        Tail::of(&self.folder.log())
    }

    /// Adds lines to its configuration and has them read: what needs no restart holds from then on.
    ///
    /// # Panics
    /// If it cannot.
    pub fn configure(&self, settings: &[(&str, &str)]) {
        for (name, value) in settings {
            self.psql(&format!("ALTER SYSTEM SET {name} = '{}'", value.replace('\'', "''")));
        }
        self.psql("SELECT pg_reload_conf()");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill9();
        }
    }
}

/// The URL of a store behind these ports of this machine.
pub(super) fn url(ports: &[u16], options: &str) -> String {
    let hosts: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    format!("postgres://{USER}:{PASSWORD}@{}/{DATABASE}?{options}", hosts.join(","))
}

/// A `psql` that reads no configuration and stops at the first error.
pub(super) fn psql_command(host: &str, port: u16, database: &str) -> Command {
    let mut command = Command::new(super::programs::bindir().join("psql"));
    command.args([
        "-XAtq",
        "-v",
        "ON_ERROR_STOP=1",
        "-h",
        host,
        "-p",
        &port.to_string(),
        "-U",
        USER,
        database,
    ]);
    command.env("PGPASSWORD", PASSWORD).env("PGCONNECT_TIMEOUT", "10");
    command
}

/// A port that nobody has, below those that the system gives to clients: it must be free again at a restart.
pub(super) fn free_port() -> u16 {
    let mut dice = crate::Dice::new(RandomState::new().build_hasher().finish());
    std::iter::repeat_with(|| 20_000 + dice.below(12_000) as u16)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}

/// Whether a server that has said this takes connections.
pub(super) fn is_ready(log: &str) -> bool {
    log.contains("database system is ready to accept")
}

fn pidfd(child: &Child) -> OwnedFd {
    pidfd_open(Pid::from_child(child), PidfdFlags::empty()).expect("a child that was not waited for")
}

/// Waits for a child's end; `false` if it takes too long.
fn has_ended(child: &Child) -> bool {
    let pidfd = pidfd(child);
    let bound = Timespec::try_from(BOUND).expect("a minute");
    let mut fds = [PollFd::new(&pidfd, PollFlags::IN)];
    rustix::io::retry_on_intr(|| poll(&mut fds, Some(&bound))).expect("a wait") > 0
}

/// The server's first process and its children, all of them stopped, so that none is born while we look.
fn family(first: Pid) -> Vec<Pid> {
    kill_process(first, Signal::STOP).expect("the server is there");
    let number = first.as_raw_nonzero();
    let children =
        std::fs::read_to_string(format!("/proc/{number}/task/{number}/children")).unwrap_or_default();
    let mut all = vec![first];
    for child in children.split_whitespace().filter_map(|text| Pid::from_raw(text.parse().ok()?)) {
        // It may have ended meanwhile.
        let _ = kill_process(child, Signal::STOP);
        all.push(child);
    }
    all
}
