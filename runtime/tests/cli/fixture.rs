//! A folder with a store, tasks in every state in it, and the program to run on it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use delay::store::sqlite::{SqliteOptions, SqliteStore};
use delay::store::{Enlist, Fence, Queues, Settlement, Store, TaskRecord, Turn, WorkerId};
use delay::{BoxError, Client, Context, Due, Hold, Kept, Limits, Result, Task, TaskId, Transition};
use serde_json::Value;

/// Never run here: the tests settle by hand.
#[delay::func("welcome-email", queue = "mail")]
pub(super) async fn welcome(_ctx: &Context, to: String, n: u32) -> Result<(), BoxError> {
    Err(format!("{to} {n}").into())
}

/// So that `email` alone is not unique.
#[delay::func("goodbye-email", queue = "mail")]
pub(super) async fn goodbye(_ctx: &Context, to: String) -> Result<(), BoxError> {
    Err(to.into())
}

/// The function of tasks whose program is gone.
pub(super) const GONE: &str = "old-app/src/jobs.rs:gone";

/// A folder that vanishes with the test.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(TaskId::new().to_string());
        std::fs::create_dir(&path).expect("the target's folder can be written");
        Self(path)
    }

    pub(super) fn file(&self) -> PathBuf {
        self.0.join("jobs.db")
    }

    pub(super) fn url(&self) -> String {
        format!("sqlite:{}", self.file().display())
    }

    /// What lies in the folder.
    pub(super) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).expect("the folder is there");
        let name = |entry: std::io::Result<std::fs::DirEntry>| {
            entry.expect("the folder is there").file_name().to_string_lossy().into_owned()
        };
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    }

    /// The program, not yet started, on this folder's store.
    pub(super) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_delay"));
        command.args(args).env("DELAY_STORE", self.url()).env_remove("NO_COLOR").stdin(Stdio::null());
        command
    }

    pub(super) fn delay(&self, args: &[&str]) -> Run {
        Run::of(&mut self.command(args))
    }

    pub(super) fn delay_with_input(&self, args: &[&str], input: &str) -> Run {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let mut stdin = child.stdin.take().expect("it is piped");
        stdin.write_all(input.as_bytes()).expect("the program reads");
        drop(stdin);
        child.wait_with_output().expect("the program ends").into()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What a run of the program came to.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Run {
    pub(super) fn of(command: &mut Command) -> Self {
        command.output().expect("the program starts").into()
    }

    /// It must have ended with this code.
    #[track_caller]
    pub(super) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }

    /// The one document on standard output; standard error must be empty.
    #[track_caller]
    pub(super) fn json(&self) -> Value {
        assert_eq!(self.code, Some(0), "{self:?}");
        assert_eq!(self.stderr, "");
        self.document()
    }

    /// The one document on standard output, whatever else was said.
    #[track_caller]
    pub(super) fn document(&self) -> Value {
        assert_eq!(self.stdout.lines().count(), 1, "{self:?}");
        serde_json::from_str(&self.stdout).expect("it is JSON")
    }

    /// The one error document on standard error.
    #[track_caller]
    pub(super) fn error(&self) -> Value {
        let document: Value = serde_json::from_str(&self.stderr).expect("it is JSON");
        assert_eq!(document["error"]["exit"].as_i64(), self.code.map(i64::from), "{self:?}");
        document["error"].clone()
    }

    /// The rows of a table, each as its words.
    pub(super) fn rows(&self) -> Vec<Vec<&str>> {
        self.stdout.lines().skip(1).map(|line| line.split_whitespace().collect()).collect()
    }
}

impl From<std::process::Output> for Run {
    fn from(output: std::process::Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("it is UTF-8");
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// An open store in a folder, and a worker by hand.
pub(super) struct Shop {
    pub(super) folder: Folder,
    pub(super) client: Client,
    pub(super) worker: WorkerId,
}

impl Shop {
    pub(super) async fn open() -> Result<Self> {
        let folder = Folder::new();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(SqliteOptions::new(folder.file()))?);
        let functions =
            vec![<Welcome as delay::Function>::id().to_owned(), "elsewhere/src/a.rs:x".to_owned()];
        let enlist = Enlist { name: "host-1/17".to_owned(), lease: Duration::from_secs(3600), functions };
        let worker = store.enlist(enlist).await?;
        Ok(Self { folder, client: Client::new(store, Limits::default()), worker })
    }

    pub(super) fn delay(&self, args: &[&str]) -> Run {
        self.folder.delay(args)
    }

    pub(super) async fn record(&self, id: TaskId) -> Result<Option<TaskRecord>> {
        Ok(self.client.store().get(vec![id]).await?.pop().flatten())
    }

    async fn turn(&self, settle: Vec<Settlement>, want: usize) -> Result<Vec<Fence>> {
        let turn = Turn { worker: self.worker, settle, want, queues: Queues::All };
        let turned = self.client.store().turn(turn).await?;
        Ok(turned.claims.into_iter().map(|claim| claim.fence).collect())
    }

    /// Claims the task that is ready, the only one.
    pub(super) async fn claim(&self) -> Result<Fence> {
        Ok(self.turn(Vec::new(), 1).await?.pop().expect("a task is ready"))
    }

    pub(super) async fn settle(&self, fence: Fence, transition: Transition) -> Result<()> {
        self.turn(vec![Settlement { fence, transition }], 0).await.map(drop)
    }

    /// Claims the task that is ready, and settles it.
    pub(super) async fn end(&self, transition: Transition) -> Result<TaskId> {
        let fence = self.claim().await?;
        self.settle(fence, transition).await?;
        Ok(fence.id)
    }

    /// A failed call of `Welcome`.
    pub(super) async fn failed(&self, to: &str) -> Result<TaskId> {
        Welcome::call(&self.client, to.to_owned(), 1).await?;
        self.end(Transition::Fail { error: "mailbox\nis full".to_owned() }).await
    }

    /// A held call of a function that nobody has.
    pub(super) async fn held(&self) -> Result<TaskId> {
        self.push_raw(payload(GONE)).await?;
        let error = format!("no function {GONE}");
        self.end(Transition::Hold { hold: Hold::UnknownFunction, error }).await
    }

    pub(super) async fn push_raw(&self, payload: Vec<u8>) -> Result<TaskId> {
        let id = TaskId::new();
        let task = Task {
            id,
            queue: "jobs".into(),
            name: None,
            due: Due::Now,
            priority: 0,
            tag: None,
            options: None,
            payload,
        };
        self.client.store().push(vec![task]).await?;
        Ok(id)
    }

    /// A task in each state, oldest first.
    pub(super) async fn fill(&self) -> Result<Filled> {
        let succeeded =
            Welcome::task("ada".to_owned(), 7).name("welcome-ada").tag("vip").header("Tenant", "42");
        let succeeded = succeeded.timeout("1m 30s").retry(delay::Retry::NEVER).add(&self.client).await?.id();
        let kept = Kept { value: b"\xa4sent".to_vec(), keep: Duration::from_secs(86_400) };
        self.end(Transition::Succeed(Some(kept))).await?;
        let failed = self.failed("bob").await?;
        let held = self.held().await?;
        let cancelled = Goodbye::call(&self.client, "cyd".to_owned()).await?.id();
        self.end(Transition::Cancel { reason: "not wanted".to_owned() }).await?;
        let running = Welcome::call(&self.client, "dan".to_owned(), 1).await?.id();
        self.claim().await?;
        let scheduled = Goodbye::task("eve".to_owned()).delay("2h").add(&self.client).await?.id();
        let ready = Welcome::task("fay".to_owned(), 1).queue("bulk").add(&self.client).await?.id();
        Ok(Filled { succeeded, failed, held, cancelled, running, scheduled, ready })
    }

    /// Closes the store, so that nobody has the file open.
    pub(super) async fn close(self) -> Result<Folder> {
        self.client.store().retire(self.worker).await?;
        self.client.store().close().await?;
        Ok(self.folder)
    }
}

/// A task in each state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filled {
    pub(super) succeeded: TaskId,
    pub(super) failed: TaskId,
    pub(super) held: TaskId,
    pub(super) cancelled: TaskId,
    pub(super) running: TaskId,
    pub(super) scheduled: TaskId,
    pub(super) ready: TaskId,
}

impl Filled {
    pub(super) fn oldest_first(&self) -> [TaskId; 7] {
        [self.succeeded, self.failed, self.held, self.cancelled, self.running, self.scheduled, self.ready]
    }
}

/// A call without arguments, as its caller's program wrote it.
pub(super) fn payload(function: &str) -> Vec<u8> {
    let length = u8::try_from(function.len()).expect("a short name");
    [b"\x82\xa8function\xd9".as_slice(), &[length], function.as_bytes(), b"\xa9arguments\x80"].concat()
}
