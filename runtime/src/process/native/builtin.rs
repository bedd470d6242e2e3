//! Services that any host can offer: the time, random bytes, a log.

use std::time::{Duration, SystemTime};

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
