//! Serving a process: one loop that carries packets between it and its services, passes on what it prints, holds it to
//! its limits, and says what it came to.
//!
//! The loop ends when the process is reaped and all that it said is read. What the host ends it for is noted before
//! it is killed, so that the note explains the kill.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::cause::{Cause, Seen, Usage};
use super::intent::Intent;
use super::lines::Lines;
use super::packet::{DISCOVER, Domain, Lie, Packet, Reader};
use super::policy::ProcessPolicy;
use super::process::Served;
use super::seat::{Seat, Stage};
use super::service::{Buffers, Discovered, Handled, Outbox, Services, WINDOW};
use crate::process::trap::Trap;

/// What is sent and not yet read by the process: beyond it, nothing more is read from it.
const MOST_UNREAD: usize = 1 << 20;

/// How long what a reaped process has said may take to arrive.
const ECHO: Duration = Duration::from_secs(1);

pub(super) struct Serving<'a> {
    seat: &'a Arc<Seat>,
    policy: &'a ProcessPolicy,
    at: Instant,
    discovered: Discovered<'a>,
    outbox: mpsc::UnboundedReceiver<Packet>,
    lines: Lines<'a>,
    reader: Reader,
    /// Calls whose answers are on their way.
    waiting: Vec<Waiting>,
    /// On its way to the process.
    unread: Vec<u8>,
    said: u64,
    verdict: Option<Cause>,
}

struct Waiting {
    code: i16,
    index: u8,
    answer: Pin<Box<dyn Future<Output = Vec<u8>> + Send>>,
}

impl<'a> Serving<'a> {
    pub(super) fn new(
        seat: &'a Arc<Seat>,
        services: &'a Services,
        policy: &'a ProcessPolicy,
        at: Instant,
    ) -> Self {
        let (packets, outbox) = mpsc::unbounded_channel();
        Self {
            seat,
            policy,
            at,
            discovered: Discovered::new(services, seat.key, policy.time_resolution, packets),
            outbox,
            lines: Lines::new(seat.key, policy.debug_log.as_ref()),
            reader: Reader::default(),
            waiting: Vec::new(),
            unread: Vec::new(),
            said: 0,
            verdict: None,
        }
    }

    pub(super) async fn run(mut self, packets: &mut UnixStream, output: &mut pipe::Receiver) -> Served {
        let seat = Arc::clone(self.seat);
        let ended = seat.ended();
        tokio::pin!(ended);
        let (mut from, mut to) = packets.split();
        let (mut said, mut printed) = (vec![0; 16 * 1024], vec![0; 8 * 1024]);
        let (mut talks, mut prints, mut listens) = (true, true, true);
        let mut stage = None;
        let mut until = self.policy.wall_time.and_then(|limit| self.at.checked_add(limit));
        while stage.is_none() || talks || prints {
            let reads = talks && (self.unread.len() < MOST_UNREAD || stage.is_some());
            tokio::select! {
                end = &mut ended, if stage.is_none() => {
                    stage = Some(end);
                    until = Some(Instant::now() + ECHO);
                }
                read = from.read(&mut said), if reads => match read {
                    Ok(read @ 1..) => self.hear(&said[..read]),
                    _ => talks = false,
                },
                read = output.read(&mut printed), if prints => match read {
                    Ok(read @ 1..) => {
                        self.count(read);
                        self.lines.push(&printed[..read]);
                    }
                    _ => prints = false,
                },
                written = to.write(&self.unread), if listens && !self.unread.is_empty() => match written {
                    Ok(written) => drop(self.unread.drain(..written)),
                    // It has closed its ears, which is its affair.
                    Err(_) => listens = false,
                },
                Some(packet) = self.outbox.recv() => packet.encode(&mut self.unread),
                (call, answer) = answered(&mut self.waiting), if !self.waiting.is_empty() => {
                    let (code, index) = call;
                    self.take_out(); // a stream that the answer names goes before it
                    Packet { code, domain: Domain::Call, index, content: answer }.encode(&mut self.unread);
                }
                () = sleep_until(until.unwrap_or(self.at)), if until.is_some() => {
                    until = None;
                    if stage.is_some() {
                        break;
                    }
                    self.condemn(Cause::WallTime(self.policy.wall_time.unwrap_or_default()));
                }
            }
        }
        self.ended(stage.unwrap_or(Stage::Orphaned))
    }

    /// What services have sent, on its way to the process.
    fn take_out(&mut self) {
        while let Ok(packet) = self.outbox.try_recv() {
            packet.encode(&mut self.unread);
        }
    }

    /// More bytes of packets.
    fn hear(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        if self.verdict.is_some() {
            return; // nothing that it says counts any more
        }
        self.reader.push(bytes);
        loop {
            let packet = match self.reader.next() {
                Ok(Some(packet)) => packet,
                Ok(None) => return,
                Err(lie) => return self.condemn(Cause::Violation(lie.to_string())),
            };
            if let Err(lie) = self.handle(packet) {
                return self.condemn(Cause::Violation(lie.to_string()));
            }
        }
    }

    fn handle(&mut self, packet: Packet) -> Result<(), Lie> {
        let (code, domain, index) = (packet.code, packet.domain, packet.index);
        let is_call = domain == Domain::Call && code != DISCOVER;
        if is_call && self.waiting.iter().any(|call| (call.code, call.index) == (code, index)) {
            return Err(Lie::Content("a call with the index of one that waits for its answer"));
        }
        debug_assert!(self.waiting.len() <= WINDOW * super::service::MOST_SERVICES, "an index is a byte");
        match self.discovered.handle(packet)? {
            Handled::Answer(content) if is_call => {
                self.take_out();
                Packet { code, domain, index, content }.encode(&mut self.unread);
            }
            Handled::Later(answer) if is_call => self.waiting.push(Waiting { code, index, answer }),
            Handled::Finish => self.seat.want(Intent::Kill),
            Handled::Done | Handled::Answer(_) | Handled::Later(_) => {}
        }
        Ok(())
    }

    fn count(&mut self, bytes: usize) {
        self.said = self.said.saturating_add(bytes as u64);
        if self.said > self.policy.output && self.verdict.is_none() {
            self.condemn(Cause::Output(self.policy.output));
        }
    }

    /// Ends the process for this. The first reason counts.
    fn condemn(&mut self, cause: Cause) {
        self.verdict.get_or_insert(cause);
        self.seat.want(Intent::Kill);
    }

    fn ended(mut self, stage: Stage) -> Served {
        let last_words = self.lines.end();
        let returned = matches!(stage, Stage::Reaped(reaped) if libc::WIFEXITED(reaped.status));
        let resumable = matches!(stage, Stage::Reaped(reaped) if libc::WEXITSTATUS(reaped.status) > 3);
        if returned && !resumable && !self.reader.rest().is_empty() {
            self.verdict.get_or_insert(Cause::Violation(Lie::Unfinished.to_string()));
        }
        let seen = Seen {
            stage,
            wanted: self.seat.wanted(),
            verdict: self.verdict,
            cpu_time: self.policy.cpu_time,
            memory: self.policy.memory,
            last_words: &last_words,
        };
        let (ended, cause) = seen.means();
        let usage = match stage {
            Stage::Reaped(reaped) => Usage { cpu: reaped.cpu, peak_memory: reaped.peak },
            _ => Usage::default(),
        };
        let services = self.discovered.shut_down(ended.trap == Trap::Suspended);
        while let Ok(packet) = self.outbox.try_recv() {
            packet.encode(&mut self.unread);
        }
        let buffers = Buffers { services, input: self.unread, output: self.reader.rest().to_vec() };
        Served { ended, cause, usage, time: self.at.elapsed(), last_words, buffers }
    }
}

/// The next answer that is there.
///
/// # Cancel safety
/// Nothing is lost: a call waits until its answer is given out.
async fn answered(waiting: &mut Vec<Waiting>) -> ((i16, u8), Vec<u8>) {
    poll_fn(|cx| {
        for (at, call) in waiting.iter_mut().enumerate() {
            if let Poll::Ready(answer) = call.answer.as_mut().poll(cx) {
                let call = waiting.swap_remove(at);
                return Poll::Ready(((call.code, call.index), answer));
            }
        }
        Poll::Pending
    })
    .await
}

impl Outbox {
    /// Sends what is longer than a packet as a stream of data, as its receiver is ready for it.
    pub(super) async fn send_stream(&self, windows: &super::flow::Windows, stream: i32, body: &[u8]) {
        let mut rest = body;
        while !rest.is_empty() {
            let taken = windows.take(stream, rest.len().min(super::flow::MOST_DATA)).await;
            if taken == 0 {
                return;
            }
            let (data, after) = rest.split_at(taken);
            self.send(Domain::Data, 0, super::flow::encode_data(stream, 0, data));
            rest = after;
        }
    }
}
