//! Whether a worker is well. The question goes to its loop, so that an answer proves that the loop still turns.

use std::sync::{Arc, Mutex, PoisonError};
#[cfg(feature = "http")]
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

/// How a worker is.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "http"), allow(dead_code))]
pub(crate) struct Vital {
    /// Whether the store failed the last time that it was asked.
    pub(crate) in_trouble: bool,
    /// Attempts that run.
    pub(crate) running: usize,
    /// The most attempts at once.
    pub(crate) concurrency: usize,
}

/// A question to a worker's loop.
pub(crate) type Probe = oneshot::Sender<Vital>;

/// The workers of a runtime, to be asked how they are. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pulses(Arc<Mutex<Vec<Pulse>>>);

#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "http"), allow(dead_code))]
struct Pulse {
    name: String,
    probes: mpsc::Sender<Probe>,
}

impl Pulses {
    /// Another worker, and where its loop finds the questions.
    pub(crate) fn add(&self, name: &str) -> mpsc::Receiver<Probe> {
        let (probes, receiver) = mpsc::channel(8);
        let pulse = Pulse { name: name.to_owned(), probes };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(pulse);
        receiver
    }

    /// How each worker is, by name; `None` for one that does not answer within `patience`.
    ///
    /// # Cancel safety
    /// Cancel safe: asking changes nothing.
    #[cfg(feature = "http")]
    pub(crate) async fn feel(&self, patience: Duration) -> Vec<(String, Option<Vital>)> {
        let pulses = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let end = tokio::time::Instant::now() + patience;
        let mut asked = Vec::new();
        for Pulse { name, probes } in pulses {
            let (probe, answer) = oneshot::channel();
            // A loop that has not taken eight questions will not take the ninth.
            let sent = probes.try_send(probe).is_ok();
            asked.push((name, sent.then_some(answer)));
        }
        let mut vitals = Vec::new();
        for (name, answer) in asked {
            let vital = match answer {
                Some(answer) => tokio::time::timeout_at(end, answer).await.ok().and_then(Result::ok),
                None => None,
            };
            vitals.push((name, vital));
        }
        vitals
    }
}

#[cfg(all(test, feature = "http"))]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_worker_whose_loop_does_not_turn_is_told_apart_from_one_that_answers() {
        let pulses = Pulses::default();
        let (mut turning, stalled) = (pulses.add("turning"), pulses.add("stalled"));
        let answers = async {
            while let Some(probe) = turning.recv().await {
                let _ = probe.send(Vital { in_trouble: false, running: 3, concurrency: 4 });
            }
        };
        let felt = tokio::select! {
            felt = pulses.feel(Duration::from_secs(2)) => felt,
            () = answers => unreachable!("it answers for ever"),
        };
        let [(one, Some(vital)), (other, None)] = &felt[..] else { panic!("{felt:?}") };
        assert_eq!((one.as_str(), other.as_str(), vital.running), ("turning", "stalled", 3));
        drop(stalled);
        assert!(pulses.feel(Duration::from_secs(2)).await.iter().all(|(_, vital)| vital.is_none()), "gone");
    }
}
