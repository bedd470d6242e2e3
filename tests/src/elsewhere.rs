//! Tests that need another place than this process: a mount namespace of its own, or another user.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

const INSIDE: &str = "DELAY_TEST_IN_NAMESPACE";

/// Runs the body of the test `name` where it may mount file systems that nobody else sees and that go with it: this
/// program again, in a mount namespace (and, unless we are root, a user namespace) of its own.
///
/// # Panics
/// If the body does, or if there can be no namespace. That is a failure and not a skip: such a machine cannot tell
/// whether the store keeps its promises there.
pub fn in_mount_namespace(name: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        body();
        println!("{INSIDE} {name}");
        return;
    }
    let kind = if rustix::process::geteuid().is_root() { "-m" } else { "-rm" };
    let program = std::env::current_exe().expect("this program");
    let output = Command::new("unshare")
        .args([kind, "--"])
        .arg(program)
        .args([name, "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .stdin(Stdio::null())
        .output()
        .expect("`unshare` of util-linux, which this test needs for a file system of its own");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    print!("{out}");
    eprint!("{err}");
    assert!(out.contains("running 1 test"), "no `unshare {kind}`: root, or user namespaces, are needed");
    assert!(output.status.success(), "{name} failed, see above");
    assert!(out.contains(&format!("{INSIDE} {name}")), "the body of {name} did not run");
}

/// Mounts an empty tmpfs.
///
/// # Panics
/// If it cannot.
pub fn mount_tmpfs(at: &Path, options: &str) {
    mount(options, at);
}

/// Changes the options of a tmpfs.
///
/// # Panics
/// If it cannot.
pub fn remount(at: &Path, options: &str) {
    mount(&format!("remount,{options}"), at);
}

fn mount(options: &str, at: &Path) {
    let mut command = Command::new("mount");
    // What is mounted is named when it is remounted, too: in a user namespace it cannot be looked up.
    command.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at);
    let status = command.status().expect("`mount` of util-linux");
    assert!(status.success(), "cannot mount {}", at.display());
}

/// What `open_store` says.
#[derive(Debug, Serialize, Deserialize)]
pub struct Opened {
    /// How many tasks there are, if it could be opened.
    pub tasks: Option<u64>,
    /// What kind of error it was.
    pub kind: String,
    /// The error and its causes.
    pub text: String,
}

/// Opens a store in a process of an ordinary user who owns nothing: root may read everything and so proves nothing.
pub struct Somebody {
    program: PathBuf,
    is_root: bool,
}

impl Somebody {
    /// Puts a copy of `open_store` into a folder that everybody can reach.
    ///
    /// # Panics
    /// If it cannot.
    #[must_use]
    pub fn with(open_store: &str, folder: &Path) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let everybody = std::fs::Permissions::from_mode(0o755);
        let program = folder.join("open_store");
        std::fs::copy(open_store, &program).expect("a copy of the program");
        for path in [folder, &program] {
            std::fs::set_permissions(path, everybody.clone()).expect("a mode");
        }
        Self { program, is_root: rustix::process::geteuid().is_root() }
    }

    /// Opens a store.
    ///
    /// # Panics
    /// If the program does not answer.
    #[must_use]
    pub fn open(&self, store: &Path) -> Opened {
        let mut command = if self.is_root {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(&self.program);
            command
        } else {
            Command::new(&self.program)
        };
        let output = command.arg(format!("sqlite:{}", store.display())).output().expect("the program runs");
        let said = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said:?} {output:?}"))
    }

    /// Makes a path this user's own, if it is not.
    ///
    /// # Panics
    /// If it cannot.
    pub fn give(&self, path: &Path) {
        if self.is_root {
            std::os::unix::fs::chown(path, Some(65534), Some(65534)).expect("a new owner");
        }
    }
}
