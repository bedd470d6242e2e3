//! Services that any host can offer: the time, random bytes, a log, how far a process is, and what its steps came to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::codec;

use super::packet::{Domain, Lie, Packet};
use super::service::{Handled, Instance, Made, Service};

/// The service `clock`: a call is answered with the nanoseconds since the Unix epoch, in eight bytes, little-endian,
/// rounded down to the policy's time resolution.
#[derive(Clone, Copy, Debug)]
pub struct Clock;

impl Service for Clock {
    fn name(&self) -> &str {
        "clock"
    }

    fn create(&self, made: Made) -> Box<dyn Instance> {
        Box::new(Ticking { resolution: made.time_resolution })
    }
}

struct Ticking {
    resolution: Duration,
}

impl Instance for Ticking {
    fn handle(&mut self, packet: Packet) -> Result<Handled, Lie> {
        asked(&packet)?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Ok(Handled::Answer(rounded(now, self.resolution).to_le_bytes().to_vec()))
    }
}

fn rounded(now: Duration, resolution: Duration) -> u64 {
    let now = now.as_nanos();
    u64::try_from(now - now % resolution.as_nanos().max(1)).unwrap_or(u64::MAX)
}

/// The service `random`: a call of two bytes, a number up to 4096, little-endian, is answered with so many random bytes.
#[derive(Clone, Copy, Debug)]
pub struct Random;

impl Service for Random {
    fn name(&self) -> &str {
        "random"
    }

    fn create(&self, _: Made) -> Box<dyn Instance> {
        Box::new(Self)
    }
}

impl Instance for Random {
    fn handle(&mut self, packet: Packet) -> Result<Handled, Lie> {
        asked(&packet)?;
        let wrong = Lie::Content("random bytes are asked for by a number of two bytes, 4096 at most");
        let number = u16::from_le_bytes(packet.content.as_slice().try_into().map_err(|_| wrong)?);
        if number > 4096 {
            return Err(wrong);
        }
        let mut bytes = vec![0; usize::from(number)];
        let mut filled = 0;
        while filled < bytes.len() {
            match rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty()) {
                Ok(more) => filled += more,
                Err(rustix::io::Errno::INTR) => {}
                // Without randomness nothing is answered that could be taken for it.
                Err(_) => return Ok(Handled::Answer(Vec::new())),
            }
        }
        Ok(Handled::Answer(bytes))
    }
}

/// The service `log`: each packet without an answer is a line of text, for `tracing`, target `delay::isolated`.
#[derive(Clone, Copy, Debug)]
pub struct Log;

impl Service for Log {
    fn name(&self) -> &str {
        "log"
    }

    fn create(&self, made: Made) -> Box<dyn Instance> {
        Box::new(Logging(made))
    }
}

struct Logging(Made);

impl Instance for Logging {
    fn handle(&mut self, packet: Packet) -> Result<Handled, Lie> {
        if packet.domain != Domain::Info {
            return Err(Lie::Content("a line of the log has no answer"));
        }
        let line = String::from_utf8_lossy(&packet.content);
        tracing::info!(target: "delay::isolated", process = %self.0.process, "{}", line.trim_end());
        Ok(Handled::Done)
    }
}

/// The service `progress`: each packet without an answer is sixteen bytes, how much is done and how much there is, both
/// little-endian. They go to `tracing`, target `delay::isolated`, and the last one is kept; clones share it.
///
/// ```
/// use delay::process::{Progress, Services};
///
/// let progress = Progress::default();
/// let services = Services::new().with(progress.clone());
/// // … the process is served with them …
/// assert_eq!(progress.last(), None, "it has said nothing yet");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Mutex<Option<(u64, u64)>>>);

impl Progress {
    /// What was said last: how much is done, and of how much.
    #[must_use]
    pub fn last(&self) -> Option<(u64, u64)> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service for Progress {
    fn name(&self) -> &str {
        "progress"
    }

    fn create(&self, made: Made) -> Box<dyn Instance> {
        Box::new(Progressing { shared: self.clone(), made })
    }
}

struct Progressing {
    shared: Progress,
    made: Made,
}

impl Instance for Progressing {
    fn handle(&mut self, packet: Packet) -> Result<Handled, Lie> {
        let wrong = Lie::Content("how far a process is stands in sixteen bytes, without an answer");
        let content: [u8; 16] = packet.content.as_slice().try_into().map_err(|_| wrong)?;
        if packet.domain != Domain::Info {
            return Err(wrong);
        }
        let numbers = u128::from_le_bytes(content);
        let (done, total) = (numbers as u64, (numbers >> 64) as u64);
        *self.shared.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((done, total));
        tracing::debug!(target: "delay::isolated", process = %self.made.process, done, total, "progress");
        Ok(Handled::Done)
    }
}

/// The service `step`: what must not be done twice is done as a step, and what it came to is remembered while the process
/// is suspended and resumed.
///
/// Calls are `0`, the length of a key in one byte, and the key, which is answered with `1` and what the step came to, or
/// with `0` if it has not been done; and `1`, the key as before, and what it came to, which is answered with nothing.
#[derive(Clone, Copy, Debug)]
pub struct Step;

impl Step {
    /// The most bytes that the steps of a process may come to, keys included: 1 MiB.
    pub const MOST: usize = 1 << 20;
}

impl Service for Step {
    fn name(&self) -> &str {
        "step"
    }

    fn create(&self, made: Made) -> Box<dyn Instance> {
        // What an earlier instance left, which is our own: what cannot be read is as if nothing had been done.
        let steps = made.state.and_then(|state| codec::from_slice(&state).ok()).unwrap_or_default();
        Box::new(Stepping { steps })
    }
}

struct Stepping {
    steps: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Instance for Stepping {
    fn handle(&mut self, packet: Packet) -> Result<Handled, Lie> {
        asked(&packet)?;
        let wrong = Lie::Content("a step is asked for or told with its key");
        let [what, length, rest @ ..] = packet.content.as_slice() else { return Err(wrong) };
        let (key, value) = rest.split_at_checked(usize::from(*length)).ok_or(wrong)?;
        match (what, value) {
            (0, []) => {
                let done = self.steps.get(key);
                Ok(Handled::Answer(done.map_or_else(|| vec![0], |value| [&[1], value.as_slice()].concat())))
            }
            (1, value) => {
                let taken: usize = self.steps.iter().map(|(key, value)| key.len() + value.len()).sum();
                if taken + key.len() + value.len() > Step::MOST {
                    return Err(Lie::Content("the steps of a process come to 1 MiB at most"));
                }
                self.steps.insert(key.to_vec(), value.to_vec());
                Ok(Handled::Answer(Vec::new()))
            }
            _ => Err(wrong),
        }
    }

    fn shut_down(&mut self, suspended: bool) -> Option<Vec<u8>> {
        suspended.then(|| codec::to_vec(&self.steps).ok()).flatten()
    }
}

fn asked(packet: &Packet) -> Result<(), Lie> {
    match packet.domain {
        Domain::Call => Ok(()),
        _ => Err(Lie::Content("this service is asked by calls")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_rounded_down() {
        let now = Duration::new(1_500_000_000, 123_456_789);
        assert_eq!(rounded(now, Duration::ZERO), 1_500_000_000_123_456_789);
        assert_eq!(rounded(now, Duration::from_millis(10)), 1_500_000_000_120_000_000);
        assert_eq!(rounded(now, Duration::from_secs(1)), 1_500_000_000_000_000_000);
    }

    #[test]
    fn randomness_is_asked_for_by_number() {
        let call = |content: &[u8]| {
            Random.handle(Packet { code: 0, domain: Domain::Call, index: 0, content: content.to_vec() })
        };
        let Ok(Handled::Answer(bytes)) = call(&4096_u16.to_le_bytes()) else { panic!("no answer") };
        assert!(bytes.len() == 4096 && bytes.iter().any(|byte| *byte != bytes[0]));
        assert!(call(&4097_u16.to_le_bytes()).is_err() && call(&[1]).is_err());
    }
}
