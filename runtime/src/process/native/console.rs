//! The console: a socket by which operators see a worker's processes and end them.
//!
//! A socket, and not the store: processes are of this machine, their figures change by the moment, and a kill must work
//! when the store does not. Its folder belongs to the worker's user and is closed to all others; whoever can open it
//! could kill the processes anyway.

use std::io;
#[cfg(feature = "cli")]
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use super::intent::Intent;
use super::roll::{Listed, listed};
use crate::codec;
use crate::stopper::Stopper;

/// How long either side waits for the other.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest message.
const MOST: u32 = 4 << 20;

/// What an operator asks of one worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Ask {
    /// Which processes are there?
    List,
    /// Kill this one.
    Kill(String),
}

/// What a worker answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    Listed(Vec<Shown>),
    /// It is done.
    Done,
    /// There is no such process here.
    Unknown,
}

/// A process as operators see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Shown {
    /// The worker's process id, and the process's key.
    pub(crate) id: String,
    pub(crate) pid: Option<u32>,
    pub(crate) what: String,
    pub(crate) task: Option<String>,
    pub(crate) cpu: Option<Duration>,
    pub(crate) memory: Option<u64>,
    pub(crate) age: Duration,
    /// What is wanted of it: `run`, `suspend`, `kill`.
    pub(crate) wanted: String,
}

fn id(listed: &Listed) -> String {
    format!("{}.{}", std::process::id(), listed.key)
}

impl From<Listed> for Shown {
    fn from(listed: Listed) -> Self {
        let usage = listed.control.usage();
        Self {
            id: id(&listed),
            pid: listed.control.pid(),
            task: listed.task.map(|task| task.to_string()),
            cpu: usage.map(|(cpu, _)| cpu),
            memory: usage.map(|(_, memory)| memory),
            age: listed.since.elapsed(),
            wanted: match listed.control.wanted() {
                Intent::None => "run",
                Intent::Suspend => "suspend",
                Intent::Kill => "kill",
            }
            .to_owned(),
            what: listed.what,
        }
    }
}

/// Where the sockets of this user's workers are: the folder that `DELAY_RUN_DIR` names, or one beside the system's own.
pub(crate) fn folder() -> PathBuf {
    let named = |variable| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let user = rustix::process::geteuid();
    named("DELAY_RUN_DIR")
        .or_else(|| named("XDG_RUNTIME_DIR").map(|folder| folder.join("delay")))
        .or_else(|| user.is_root().then(|| "/run/delay".into()))
        .unwrap_or_else(|| format!("/tmp/delay-{}", user.as_raw()).into())
}

/// The folder, if it is this user's alone: in `/tmp` somebody else may have been first.
fn own_folder() -> io::Result<PathBuf> {
    let folder = folder();
    match std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = std::fs::symlink_metadata(&folder)?;
    if !found.is_dir() || found.uid() != rustix::process::geteuid().as_raw() || found.mode() & 0o077 != 0 {
        let text = format!(
            "{} is not a folder of this user that is closed to all others (mode 700)",
            folder.display()
        );
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    Ok(folder)
}

/// Removes the socket with the worker.
struct Socket(PathBuf);

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0); // somebody has tidied up
    }
}

/// Answers operators for as long as the stopper runs. Without a console, functions run all the same.
pub(crate) fn open(stopper: &Stopper) {
    let opened = own_folder().and_then(|folder| {
        let path = folder.join(format!("{}.sock", std::process::id()));
        // One of this process's runtimes has it, or a process of this id has died and left it.
        match StdUnixStream::connect(&path) {
            Ok(_) => return Ok(None),
            Err(_) => drop(std::fs::remove_file(&path)),
        }
        Ok(Some((UnixListener::bind(&path)?, Socket(path))))
    });
    match opened {
        Ok(Some((listener, socket))) => {
            let stopping = stopper.stopping();
            let answer = async move {
                let _socket = socket;
                let answer = async {
                    loop {
                        match listener.accept().await {
                            // One after the other: each takes a moment, or too long and is left.
                            Ok((operator, _)) => drop(tokio::time::timeout(PATIENCE, attend(operator)).await),
                            Err(_) => tokio::time::sleep(PATIENCE).await, // no descriptor is free
                        }
                    }
                };
                tokio::select! { () = answer => {} () = stopping => {} }
            };
            let _ = stopper.run_worker("delay::console", answer); // it stops: nothing is left to see
        }
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "no socket for operators: `delay ps` does not see this worker"),
    }
}

async fn attend(mut operator: UnixStream) -> io::Result<()> {
    let length = operator.read_u32_le().await?;
    if length > MOST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut ask = vec![0; length as usize];
    operator.read_exact(&mut ask).await?;
    let answer = match codec::from_slice(&ask).map_err(io::Error::other)? {
        Ask::List => Answer::Listed(listed().into_iter().map(Shown::from).collect()),
        Ask::Kill(wanted) => match listed().into_iter().find(|listed| id(listed) == wanted) {
            Some(listed) => {
                listed.control.kill();
                Answer::Done
            }
            None => Answer::Unknown,
        },
    };
    let answer = codec::to_vec(&answer).map_err(io::Error::other)?;
    operator.write_u32_le(answer.len() as u32).await?;
    operator.write_all(&answer).await
}

/// Asks every worker of this user on this machine. Sockets of workers that have died are removed.
///
/// # Errors
/// If the folder cannot be read; a worker that does not answer is left out.
#[cfg(feature = "cli")]
pub(crate) fn ask_all(ask: &Ask) -> io::Result<Vec<Answer>> {
    let folder = match own_folder() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        folder => folder?,
    };
    let mut answers = Vec::new();
    for socket in std::fs::read_dir(folder)?.flatten().map(|entry| entry.path()) {
        match StdUnixStream::connect(&socket) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                let _ = std::fs::remove_file(&socket); // somebody else was faster
            }
            Err(_) => {}
            Ok(worker) => answers.extend(ask_one(worker, ask).ok()),
        }
    }
    Ok(answers)
}

#[cfg(feature = "cli")]
fn ask_one(mut worker: StdUnixStream, ask: &Ask) -> io::Result<Answer> {
    worker.set_read_timeout(Some(PATIENCE))?;
    worker.set_write_timeout(Some(PATIENCE))?;
    let ask = codec::to_vec(ask).map_err(io::Error::other)?;
    worker.write_all(&(ask.len() as u32).to_le_bytes())?;
    worker.write_all(&ask)?;
    let mut length = [0; 4];
    worker.read_exact(&mut length)?;
    let mut answer = Vec::new();
    let length = u32::from_le_bytes(length).min(MOST);
    worker.take(length.into()).read_to_end(&mut answer)?;
    codec::from_slice(&answer).map_err(io::Error::other)
}
