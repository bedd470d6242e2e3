//! A helper process under a test's command: it is started, watched event by event, sent signals, and never outlives
//! the test.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::history::{Event, What};
use crate::orders::Orders;
use crate::wait::BOUND;

/// A running helper process.
pub struct Process {
    child: Child,
    events: Receiver<Event>,
    seen: Vec<Event>,
}

impl Process {
    /// Starts `program` with orders.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(program: &str, orders: &Orders) -> Self {
        let mut child = Command::new(program)
            .arg(serde_json::to_string(orders).expect("plain data"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the helper process starts");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let (sender, events) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(|line| line.ok()) {
                // A killed process may leave half a line.
                let Ok(event) = serde_json::from_str(&line) else { continue };
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        Self { child, events, seen: Vec::new() }
    }

    /// Its number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has told so far.
    #[must_use]
    pub fn seen(&self) -> &[Event] {
        &self.seen
    }

    /// Waits until it tells something that `look` takes.
    ///
    /// # Panics
    /// If it ends before, or does not tell it in time.
    pub fn until<T>(&mut self, what: &str, mut look: impl FnMut(&What) -> Option<T>) -> T {
        if let Some(found) = self.seen.iter().find_map(|event| look(&event.what)) {
            return found;
        }
        let end = Instant::now() + BOUND;
        loop {
            match self.events.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(event) => {
                    let found = look(&event.what);
                    self.seen.push(event);
                    if let Some(found) = found {
                        return found;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    panic!("process {} did not tell: {what}; it told {:?}", self.pid(), self.tail())
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.child.wait();
                    panic!(
                        "process {} ended ({status:?}) before: {what}; it told {:?}",
                        self.pid(),
                        self.tail()
                    )
                }
            }
        }
    }

    /// Forgets what it has told so far.
    pub fn forget(&mut self) {
        while self.events.try_recv().is_ok() {}
        self.seen.clear();
    }

    /// Waits for so many more events.
    ///
    /// # Panics
    /// If it ends before, or takes too long.
    pub fn progress(&mut self, events: u64) {
        let mut left = events;
        self.seen.clear();
        self.until("progress", |_| {
            left = left.saturating_sub(1);
            (left == 0).then_some(())
        });
    }

    fn tail(&self) -> &[Event] {
        &self.seen[self.seen.len().saturating_sub(5)..]
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// If it is gone already.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("the process is there");
    }

    /// Stops it, and waits until all of it stands still.
    ///
    /// # Panics
    /// If it has ended.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
        let stopped = waitpid(Some(Pid::from_child(&self.child)), WaitOptions::UNTRACED);
        assert!(stopped.expect("our child").is_some_and(|(_, status)| status.stopped()), "it has ended");
    }

    /// Closes its standard input.
    pub fn open_gate(&mut self) {
        self.child.stdin.take();
    }

    /// Kills it, and gives what it told.
    ///
    /// # Panics
    /// If it had ended by itself.
    pub fn kill(mut self) -> Vec<Event> {
        let ended = self.child.try_wait().expect("its state");
        assert!(ended.is_none(), "it ended by itself: {ended:?}; it told {:?}", self.tail());
        self.signal(Signal::KILL);
        self.drain();
        self.child.wait().expect("its end");
        std::mem::take(&mut self.seen)
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it does not end in time.
    pub fn end(&mut self) -> ExitStatus {
        self.drain();
        self.child.wait().expect("its end")
    }

    /// Sends a signal again and again, `pause` apart, until the process has ended.
    ///
    /// # Panics
    /// If it does not end in time.
    pub fn insist(&mut self, signal: Signal, pause: Duration) -> ExitStatus {
        let end = Instant::now() + BOUND;
        while Instant::now() < end {
            self.signal(signal);
            if self.has_ended_by(Instant::now() + pause) {
                return self.child.wait().expect("its end");
            }
        }
        panic!("process {} does not end", self.pid())
    }

    /// Takes in what it tells until it has ended.
    fn drain(&mut self) {
        assert!(self.has_ended_by(Instant::now() + BOUND), "process {} does not end", self.pid());
    }

    fn has_ended_by(&mut self, end: Instant) -> bool {
        loop {
            match self.events.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(event) => self.seen.push(event),
                Err(RecvTimeoutError::Disconnected) => return true,
                Err(RecvTimeoutError::Timeout) => return false,
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
