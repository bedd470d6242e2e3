//! PostgreSQL's own programs: where they are, as whom they run, and running one of them to its end. Knows nothing of
//! what they are run for.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// The folder with `initdb`, `postgres`, `psql` and the rest.
pub(super) fn bindir() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| {
        let found = candidates().into_iter().find(|folder| folder.join("initdb").exists());
        found.expect(
            "PostgreSQL's server programs (initdb, postgres), which this test needs: install Debian's package \
             `postgresql`, or put the folder of `pg_config --bindir` where `pg_config` finds it",
        )
    })
}

/// What `pg_config` says, else Debian's folders, the newest version first.
fn candidates() -> Vec<PathBuf> {
    let said = Command::new("pg_config").arg("--bindir").stderr(Stdio::null()).output();
    let said = said.ok().map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let number = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let mut debian: Vec<PathBuf> = versions.map(|entry| entry.path()).collect();
    debian.sort_by_key(|path| std::cmp::Reverse(number(path)));
    said.into_iter().chain(debian.into_iter().map(|path| path.join("bin"))).collect()
}

/// As whom a server runs: it refuses to be root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum User {
    /// As we do.
    Ourselves,
    /// As an ordinary user of this machine, for we are root.
    Ordinary { uid: u32, gid: u32 },
    /// As an ordinary user of a user namespace in which we only play root.
    Mapped,
}

impl User {
    pub(super) fn of_servers() -> Self {
        static FOUND: OnceLock<User> = OnceLock::new();
        *FOUND.get_or_init(|| {
            if !rustix::process::geteuid().is_root() {
                return Self::Ourselves;
            }
            let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
            if map.split_whitespace().nth(2) == Some("1") {
                return Self::Mapped;
            }
            let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
            let postgres = users.lines().find_map(|line| {
                let fields: Vec<&str> = line.split(':').collect();
                let [name, _, uid, gid, ..] = fields[..] else { return None };
                (name == "postgres").then(|| Some((uid.parse().ok()?, gid.parse().ok()?)))?
            });
            let (uid, gid) = postgres.unwrap_or((65534, 65534));
            Self::Ordinary { uid, gid }
        })
    }

    /// A command that runs `program` of PostgreSQL as this user.
    pub(super) fn command(self, program: &str) -> Command {
        self.run(&bindir().join(program))
    }

    /// A command that runs any program as this user.
    pub(super) fn run(self, program: &Path) -> Command {
        let mut command = match self {
            Self::Ourselves => return Command::new(program),
            Self::Ordinary { uid, gid } => {
                let mut command = Command::new("setpriv");
                command.args([&format!("--reuid={uid}"), &format!("--regid={gid}"), "--clear-groups", "--"]);
                command
            }
            Self::Mapped => {
                let mut command = Command::new("unshare");
                command.args(["-U", "--map-user=1000", "--map-group=1000", "--"]);
                command
            }
        };
        command.arg(program);
        command
    }

    /// Gives a folder to this user, and closes it to everybody else.
    pub(super) fn give(self, folder: &Path) {
        self.take_over(folder, 0o700);
    }

    /// Gives a file to this user, and closes it to everybody else.
    pub(super) fn give_file(self, file: &Path) {
        self.take_over(file, 0o600);
    }

    fn take_over(self, path: &Path, mode: u32) {
        if let Self::Ordinary { uid, gid } = self {
            std::os::unix::fs::chown(path, Some(uid), Some(gid)).expect("a new owner");
        }
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("a mode");
    }
}

/// Runs a command to its end.
///
/// # Panics
/// If it fails, with all that it said.
pub(super) fn run(command: &mut Command) -> String {
    let output = attempt(command);
    assert!(output.status.success(), "{command:?} failed: {}", said(&output));
    String::from_utf8(output.stdout).expect("text")
}

/// Runs a command to its end, whatever that is.
pub(super) fn attempt(command: &mut Command) -> Output {
    // The folder that we stand in may be closed to the user of the server.
    let command = command.stdin(Stdio::null()).current_dir("/");
    command.output().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"))
}

pub(super) fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
