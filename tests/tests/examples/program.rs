//! Runs an example as a person would: a process in a folder of its own, watched by what it prints. Builds the examples
//! first, so that what runs is never older than its source.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};

use delay_tests::BOUND;
use rustix::process::{Pid, Signal, kill_process};

/// The examples by name, as they were just built.
pub(crate) fn built() -> &'static BTreeMap<String, PathBuf> {
    static BUILT: OnceLock<BTreeMap<String, PathBuf>> = OnceLock::new();
    // Cargo has a lock of its own: of the tests that start together one builds, and the others wait.
    BUILT.get_or_init(|| {
        let output = Command::new(env!("CARGO"))
            // The whole workspace: the features are those that the tests were built with, so little is left to build.
            .args(["build", "--workspace", "--examples", "--all-features"])
            .arg("--message-format=json-render-diagnostics")
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .stderr(Stdio::inherit())
            .output()
            .expect("cargo can be started");
        assert!(output.status.success(), "the examples do not build");
        let messages = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<serde_json::Value>();
        messages.filter_map(|message| executable(&message.expect("cargo writes JSON"))).collect()
    })
}

fn executable(message: &serde_json::Value) -> Option<(String, PathBuf)> {
    let target = &message["target"];
    let is_example = target["kind"].as_array()?.iter().any(|kind| kind == "example");
    let path = message["executable"].as_str().filter(|_| is_example)?;
    Some((target["name"].as_str()?.to_owned(), path.into()))
}

/// An example to be started in `folder`, where its store will be.
pub(crate) fn example(name: &str, folder: &Path) -> Command {
    let program = built().get(name).unwrap_or_else(|| panic!("there is no example `{name}`"));
    let mut command = Command::new(program);
    command.current_dir(folder).env_remove("DELAY_STORE").stdin(Stdio::null());
    command
}

/// A program that runs; it is killed when this is dropped.
pub(crate) struct Running {
    child: Child,
    pub(crate) stdout: Stream,
    pub(crate) stderr: Stream,
}

/// What a program came to.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the example can be started");
        let stdout = Stream::of(child.stdout.take().expect("it is piped"));
        let stderr = Stream::of(child.stderr.take().expect("it is piped"));
        Self { child, stdout, stderr }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("a child can be sent a signal");
    }

    /// Waits for the end.
    pub(crate) fn end(mut self) -> Ended {
        self.stdout.wait("the end of stdout", |stream| stream.ended);
        self.stderr.wait("the end of stderr", |stream| stream.ended);
        let status = self.child.wait().expect("a child can be waited for");
        Ended { status, stdout: self.stdout.so_far(), stderr: self.stderr.text() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a program has printed.
#[derive(Clone, Default)]
pub(crate) struct Stream(Arc<(Mutex<Printed>, Condvar)>);

#[derive(Default)]
pub(crate) struct Printed {
    bytes: Vec<u8>,
    ended: bool,
}

impl Stream {
    fn of(mut pipe: impl Read + Send + 'static) -> Self {
        let stream = Self::default();
        let reader = stream.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                let read = pipe.read(&mut buffer).unwrap_or(0);
                let mut printed = reader.0.0.lock().unwrap_or_else(PoisonError::into_inner);
                printed.bytes.extend(&buffer[..read]);
                printed.ended = read == 0;
                reader.0.1.notify_all();
                if read == 0 {
                    return;
                }
            }
        });
        stream
    }

    /// Waits until `text` was printed. Gives `false` if the program ends without it.
    pub(crate) fn shows(&self, text: &str) -> bool {
        self.shows_enough(text, |printed| printed.contains(text))
    }

    /// Waits until what was printed is enough. Gives `false` if the program ends before.
    pub(crate) fn shows_enough(&self, what: &str, enough: impl Fn(&str) -> bool) -> bool {
        let enough = |printed: &Printed| enough(&String::from_utf8_lossy(&printed.bytes));
        self.wait(what, |printed| printed.ended || enough(printed));
        enough(&self.0.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn so_far(&self) -> Vec<u8> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).bytes.clone()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.so_far()).into_owned()
    }

    fn wait(&self, what: &str, enough: impl Fn(&Printed) -> bool) {
        let (printed, changed) = &*self.0;
        let printed = printed.lock().unwrap_or_else(PoisonError::into_inner);
        let (printed, waited) = changed
            .wait_timeout_while(printed, BOUND, |printed| !enough(printed))
            .unwrap_or_else(PoisonError::into_inner);
        let shown = String::from_utf8_lossy(&printed.bytes);
        assert!(!waited.timed_out(), "waited {BOUND:?} in vain for: {what}; it has printed:\n{shown}");
    }
}
