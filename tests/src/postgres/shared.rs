//! The server that all tests of a run share, each test in a process and a schema of its own.
//!
//! Whoever needs it first starts it, under a lock; everybody who uses it holds a lock that the system lets go of with
//! the process; a keeper beside it takes it down once nobody has held that lock for a while. A server of one's own,
//! such as another version's, can be named instead by `DELAY_TEST_POSTGRES=postgres://…`.

use std::fs::File;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use rustix::fs::{FlockOperation, flock};

use super::cluster::{DATABASE, PASSWORD, Setup, USER, make};
use super::programs::{User, attempt};
use super::server::{free_port, is_ready, psql_command};
use crate::tail::Tail;

const OWN: &str = "DELAY_TEST_POSTGRES";

/// Runs the server ("$@") in the folder $0 until nobody has used it for ten seconds. The order of the locks is that of
/// the tests: first `turn`, then `users`, so nobody can come in while it goes.
const KEEPER: &str = r#"cd "$0" || exit
"$@" </dev/null >>log 2>&1 &
server=$!
idle=0
while kill -0 $server 2>/dev/null; do
  sleep 1
  if flock -n users true; then idle=$((idle + 1)); else idle=0; fi
  if [ $idle -ge 10 ]; then
    exec 9>>turn; flock 9
    if flock -n users true; then kill -INT $server; wait $server; rm -rf data log; exit; fi
    exec 9>&-; idle=0
  fi
done"#;

/// The URL of the shared server, without options: `postgres://user:password@host:port/database`. The server is there
/// until this process ends.
///
/// # Panics
/// If PostgreSQL is not installed (it says what to do), or does not start (with its log).
#[must_use]
pub fn shared_url() -> &'static str {
    static URL: OnceLock<(String, Option<File>)> = OnceLock::new();
    let made = URL.get_or_init(|| match std::env::var(OWN) {
        Ok(url) => (url, None),
        Err(_) => {
            let (port, user) = join();
            (format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{port}/{DATABASE}"), Some(user))
        }
    });
    &made.0
}

/// Runs SQL on the shared server.
pub(super) fn shared_psql(sql: &str) -> String {
    let mut command = Command::new(super::programs::bindir().join("psql"));
    command.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", shared_url(), "-c", sql]);
    super::programs::run(&mut command).trim_end().to_owned()
}

/// Comes in as a user of the server, which is started if it does not run.
fn join() -> (u16, File) {
    let folder = folder();
    let turn = lock_file(&folder.join("turn"));
    flock(&turn, FlockOperation::LockExclusive).expect("our turn");
    let port = match running(&folder) {
        Some(port) => port,
        None => start(&folder),
    };
    let users = lock_file(&folder.join("users"));
    flock(&users, FlockOperation::LockShared).expect("a lock for users");
    (port, users)
}

/// A folder of this user that outlives the process. Nobody else's: whoever could write there could be our server.
fn folder() -> PathBuf {
    let uid = rustix::process::geteuid();
    let folder = std::env::temp_dir().join(format!("delay-test-postgres-{}", uid.as_raw()));
    match std::fs::create_dir(&folder) {
        Ok(()) => User::of_servers().give(&folder),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => panic!("{}: {error}", folder.display()),
    }
    let found = std::fs::symlink_metadata(&folder).expect("the folder");
    let owner = match User::of_servers() {
        User::Ordinary { uid, .. } => uid,
        _ => uid.as_raw(),
    };
    let private = found.is_dir() && found.uid() == owner && found.permissions().mode() & 0o077 == 0;
    assert!(private, "{} is not a private folder of user {owner}: remove it", folder.display());
    folder
}

fn lock_file(path: &Path) -> File {
    File::options().create(true).append(true).open(path).expect("a lock file")
}

/// The port of the server in this folder, if it answers.
fn running(folder: &Path) -> Option<u16> {
    let pid_file = std::fs::read_to_string(folder.join("data/postmaster.pid")).ok()?;
    let port = pid_file.lines().nth(3)?.parse().ok()?;
    answers(folder, port).then_some(port)
}

fn answers(folder: &Path, port: u16) -> bool {
    let mut command = psql_command(&folder.to_string_lossy(), port, DATABASE);
    attempt(command.args(["-c", "SELECT 1"])).status.success()
}

fn start(folder: &Path) -> u16 {
    for left in ["data", "log"] {
        // What a server left that was killed; none runs now.
        let _ = std::fs::remove_dir_all(folder.join(left));
        let _ = std::fs::remove_file(folder.join(left));
    }
    make(folder, &Setup::default());
    let port = free_port();
    let mut keeper = Command::new("sh");
    // The signal is set last: whoever changes its user loses it.
    let server = User::of_servers().run(Path::new("setpriv"));
    keeper.args(["-c", KEEPER]).arg(folder).arg(server.get_program()).args(server.get_args());
    keeper.args(["--pdeathsig", "KILL", "--"]).arg(super::programs::bindir().join("postgres"));
    keeper.arg("-D").arg(folder.join("data")).args(["-p", &port.to_string(), "-k"]).arg(folder);
    keeper.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/").process_group(0);
    let tail = Tail::of(&folder.join("log"));
    // It outlives us: nobody waits for it.
    drop(keeper.spawn().expect("`sh`"));
    tail.until("the shared server", is_ready);
    let maintenance = |sql: &str| {
        let mut command = psql_command(&folder.to_string_lossy(), port, "postgres");
        attempt(command.args(["-c", sql])).status.success()
    };
    assert!(maintenance(&format!("CREATE DATABASE {DATABASE}")), "no database");
    port
}
