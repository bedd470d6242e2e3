//! Lets signed requests in, each once.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::key::Keys;
use super::refusal::{Reason, Refusal};
use super::replay::{ReplayMemory, Seen};
use super::signature::Presented;
use crate::time::Timestamp;

/// How far the sender's clock may be off, in either direction.
const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// At most 300 bytes each. A machine that takes in more within ten minutes than this has more than one process.
const CAPACITY: usize = 200_000;

/// Lets in requests that are signed with one of its keys, not more than five minutes ago by the clock given, and that did
/// not come before.
///
/// A sender that sends a message again signs it again: same id, new time. What is refused is the same signed request a
/// second time, so a sender has to let a second pass. The memory is this process's own: what protects a task from running
/// twice over several machines is the store.
///
/// ```
/// use delay::http::{Key, Keys, Verifier};
/// use delay::Timestamp;
///
/// let keys = Keys::new(Key::generate().parse()?);
/// let now = Timestamp::from_micros(1_700_000_000_000_000);
/// let signed = keys.sign("task-1", now, b"the body")?;
///
/// let verifier = Verifier::new(keys);
/// let headers = signed.headers().map(|(name, value)| (name, value.as_bytes()));
/// assert!(verifier.verify(headers, b"another body", now).is_err());
/// assert_eq!(verifier.verify(headers, b"the body", now), Ok("task-1"));
/// let again = verifier.verify(headers, b"the body", now).unwrap_err();
/// assert_eq!(again.to_string(), "the request is not authenticated");
/// # Ok::<(), delay::Error>(())
/// ```
#[derive(Debug)]
pub struct Verifier {
    keys: Keys,
    memory: Mutex<ReplayMemory>,
}

impl Verifier {
    /// A verifier that has seen nothing.
    #[must_use]
    pub fn new(keys: Keys) -> Self {
        Self::remembering(keys, CAPACITY)
    }

    fn remembering(keys: Keys, capacity: usize) -> Self {
        Self { keys, memory: Mutex::new(ReplayMemory::new(capacity)) }
    }

    /// Lets a request in, and gives its id. `headers` are all of the request's: the three that count are picked out.
    ///
    /// # Errors
    /// A [`Refusal`]: a header is missing, twice there or malformed, the time is off, the signature wrong, or the request
    /// came before.
    pub fn verify<'a, N: AsRef<str>>(
        &self,
        headers: impl IntoIterator<Item = (N, &'a [u8])>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<&'a str, Refusal> {
        let presented = Presented::read(headers)?;
        let tolerance = TOLERANCE.as_micros();
        let signed = i128::from(presented.timestamp) * 1_000_000;
        if i128::from(now.as_micros()).abs_diff(signed) > tolerance {
            return Err(Reason::Stale.into());
        }
        if !presented.is_signed_by(&self.keys, body) {
            return Err(Reason::Wrong.into());
        }
        let oldest = now.before(TOLERANCE).as_micros().div_euclid(1_000_000);
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        match memory.see(presented.timestamp, presented.id, oldest) {
            Seen::Never => Ok(presented.id),
            Seen::Before => Err(Reason::Replayed.into()),
            Seen::Unknown => Err(Reason::Busy.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::signature::{ID_HEADER, SIGNATURE_HEADER, Signed, TIMESTAMP_HEADER};
    use super::*;

    /// The example of the Standard Webhooks' own test suite.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const SIGNED: i64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn keys(secret: &str) -> Keys {
        Keys::new(secret.parse().unwrap())
    }

    fn second(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn example() -> Signed {
        Signed { id: ID.to_owned(), timestamp: SIGNED.to_string(), signature: SIGNATURE.to_owned() }
    }

    fn verify(verifier: &Verifier, signed: &Signed, body: &[u8], now: Timestamp) -> Result<(), Reason> {
        let headers = signed.headers().map(|(name, value)| (name, value.as_bytes()));
        verifier.verify(headers, body, now).map(drop).map_err(reason)
    }

    fn reason(refusal: Refusal) -> Reason {
        [Reason::Stale, Reason::Wrong, Reason::Replayed, Reason::Busy]
            .into_iter()
            .chain([ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER].map(Reason::Missing))
            .chain([ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER].map(Reason::Malformed))
            .find(|reason| Refusal::from(*reason) == refusal)
            .expect("a reason of a signature")
    }

    #[test]
    fn the_example_of_the_standard_is_signed_and_let_in() {
        assert_eq!(keys(SECRET).sign(ID, second(SIGNED), BODY).unwrap(), example());
        assert_eq!(verify(&Verifier::new(keys(SECRET)), &example(), BODY, second(SIGNED)), Ok(()));
    }

    #[test]
    fn a_changed_request_is_refused() {
        let verifier = Verifier::new(keys(SECRET));
        let with = |change: &dyn Fn(&mut Signed)| {
            let mut signed = example();
            change(&mut signed);
            verify(&verifier, &signed, BODY, second(SIGNED))
        };
        assert_eq!(
            verify(&verifier, &example(), b"{\"test\": 2432232315}", second(SIGNED)),
            Err(Reason::Wrong)
        );
        assert_eq!(verify(&verifier, &example(), b"", second(SIGNED)), Err(Reason::Wrong));
        assert_eq!(with(&|signed| signed.id.push('x')), Err(Reason::Wrong));
        assert_eq!(with(&|signed| signed.timestamp = (SIGNED + 1).to_string()), Err(Reason::Wrong));
        assert_eq!(with(&|signed| signed.signature = SIGNATURE.replace("g0h", "g0i")), Err(Reason::Wrong));
        assert_eq!(with(&|_| ()), Ok(()), "and what was refused does not stand in the way of the right one");
    }

    #[test]
    fn a_header_that_is_missing_malformed_or_twice_there_is_refused() {
        let verifier = Verifier::new(keys(SECRET));
        let long = "x".repeat(257);
        let many = format!("{}{SIGNATURE}", "v1,AAAA ".repeat(8));
        for (header, value) in [
            (ID_HEADER, ""),
            (ID_HEADER, "a.b"),
            (ID_HEADER, "a b"),
            (ID_HEADER, "ä"),
            (ID_HEADER, &long),
            (TIMESTAMP_HEADER, ""),
            (TIMESTAMP_HEADER, "soon"),
            (TIMESTAMP_HEADER, "1614265330.0"),
            (TIMESTAMP_HEADER, "+1614265330"),
            (TIMESTAMP_HEADER, "01614265330"),
            (TIMESTAMP_HEADER, "-1"),
            (TIMESTAMP_HEADER, "99999999999999999999"),
            (SIGNATURE_HEADER, ""),
            (SIGNATURE_HEADER, "v1,"),
            (SIGNATURE_HEADER, "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
            (SIGNATURE_HEADER, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1O"),
            (SIGNATURE_HEADER, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1O0"),
            (SIGNATURE_HEADER, "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
            (SIGNATURE_HEADER, &many),
        ] {
            let headers = example();
            let headers =
                headers.headers().map(|(name, good)| (name, if name == header { value } else { good }));
            let headers = headers.map(|(name, value)| (name, value.as_bytes()));
            let refusal = verifier.verify(headers, BODY, second(SIGNED)).unwrap_err();
            assert_eq!(reason(refusal), Reason::Malformed(header), "{value}");
        }
        let signed = example();
        let all = signed.headers().map(|(name, value)| (name, value.as_bytes()));
        for n in 0..3 {
            let without =
                all.into_iter().enumerate().filter(|(other, _)| *other != n).map(|(_, header)| header);
            let refusal = verifier.verify(without, BODY, second(SIGNED)).unwrap_err();
            assert_eq!(reason(refusal), Reason::Missing(all[n].0));
            let twice = all.into_iter().chain([("Webhook-Extra", &b"x"[..]), all[n]]);
            let refusal = verifier.verify(twice, BODY, second(SIGNED)).unwrap_err();
            assert_eq!(reason(refusal), Reason::Malformed(all[n].0));
        }
        let not_text = all.map(|(name, value)| (name, if name == ID_HEADER { &b"\xff"[..] } else { value }));
        assert!(verifier.verify(not_text, BODY, second(SIGNED)).is_err());
    }

    #[test]
    fn five_minutes_are_let_in_and_not_a_microsecond_more() {
        let signed = second(SIGNED).as_micros();
        for (off, expected) in [
            (300_000_000, Ok(())),
            (300_000_001, Err(Reason::Stale)),
            (-300_000_000, Ok(())),
            (-300_000_001, Err(Reason::Stale)),
            (i64::MIN, Err(Reason::Stale)),
            (i64::MAX, Err(Reason::Stale)),
        ] {
            let verifier = Verifier::new(keys(SECRET));
            let now = Timestamp::from_micros(signed.saturating_add(off));
            assert_eq!(verify(&verifier, &example(), BODY, now), expected, "{off}");
        }
    }

    #[test]
    fn the_same_request_is_let_in_once_however_it_is_dressed() {
        let verifier = Verifier::new(keys(SECRET));
        assert_eq!(verify(&verifier, &example(), BODY, second(SIGNED)), Ok(()));
        assert_eq!(verify(&verifier, &example(), BODY, second(SIGNED + 299)), Err(Reason::Replayed));
        let dressed = Signed { signature: format!("v1,AAAA v1a,x {SIGNATURE}"), ..example() };
        assert_eq!(verify(&verifier, &dressed, BODY, second(SIGNED)), Err(Reason::Replayed));
        let again = keys(SECRET).sign(ID, second(SIGNED + 1), BODY).unwrap();
        assert_eq!(verify(&verifier, &again, BODY, second(SIGNED)), Ok(()), "sent again, signed again");
    }

    #[test]
    fn at_no_time_can_a_request_come_twice() {
        // The clock moves on in steps; the same request is tried at each.
        let verifier = Verifier::new(keys(SECRET));
        let times = (-301..=301).map(|off| verify(&verifier, &example(), BODY, second(SIGNED + off)));
        assert_eq!(times.filter(Result::is_ok).count(), 1);
    }

    #[test]
    fn a_clock_that_goes_back_lets_nothing_in_again() {
        let verifier = Verifier::new(keys(SECRET));
        assert_eq!(verify(&verifier, &example(), BODY, second(SIGNED)), Ok(()));
        let later = keys(SECRET).sign("later", second(SIGNED + 400), BODY).unwrap();
        assert_eq!(verify(&verifier, &later, BODY, second(SIGNED + 400)), Ok(()));
        assert_eq!(verify(&verifier, &example(), BODY, second(SIGNED)), Err(Reason::Replayed));
    }

    #[test]
    fn keys_are_changed_without_a_gap() {
        let old = Verifier::new(keys(SECRET));
        let both = || Verifier::new(keys(OTHER).and(SECRET.parse().unwrap()));
        let new = keys(OTHER).sign(ID, second(SIGNED), BODY).unwrap();
        assert_eq!(verify(&both(), &example(), BODY, second(SIGNED)), Ok(()), "signed with the old one");
        assert_eq!(verify(&both(), &new, BODY, second(SIGNED)), Ok(()), "signed with the new one");
        assert_eq!(verify(&old, &new, BODY, second(SIGNED)), Err(Reason::Wrong));
        let two = Signed { signature: format!("{} {SIGNATURE}", new.signature), ..example() };
        assert_eq!(verify(&old, &two, BODY, second(SIGNED)), Ok(()), "a sender may sign with both");
    }

    #[test]
    fn a_full_memory_refuses_instead_of_forgetting() {
        let verifier = Verifier::remembering(keys(SECRET), 1);
        assert_eq!(verify(&verifier, &example(), BODY, second(SIGNED)), Ok(()));
        let other = keys(SECRET).sign("other", second(SIGNED), BODY).unwrap();
        assert_eq!(verify(&verifier, &other, BODY, second(SIGNED)), Err(Reason::Busy));
        assert_eq!(verify(&verifier, &example(), BODY, second(SIGNED)), Err(Reason::Replayed));
        let later = keys(SECRET).sign("other", second(SIGNED + 301), BODY).unwrap();
        assert_eq!(verify(&verifier, &later, BODY, second(SIGNED + 301)), Ok(()));
    }

    #[test]
    fn a_refusal_tells_the_sender_nothing_and_the_log_all() {
        let verifier = Verifier::new(keys(OTHER));
        let signed = example();
        let headers = signed.headers().map(|(name, value)| (name, value.as_bytes()));
        let wrong = verifier.verify(headers, BODY, second(SIGNED)).unwrap_err();
        let stale = verifier.verify(headers, BODY, second(0)).unwrap_err();
        let missing = verifier.verify([("x", &b""[..])], BODY, second(SIGNED)).unwrap_err();
        for refusal in [wrong, stale, missing] {
            assert_eq!(
                (refusal.status(), refusal.to_string().as_str()),
                (401, "the request is not authenticated")
            );
        }
        assert_eq!(Refusal::from(Reason::Busy).status(), 503);
        assert!(stale.reason().contains("compare the clocks"));
        assert!(missing.reason().contains(ID_HEADER));
        assert!(!format!("{verifier:?}").contains("C2FV"), "a verifier shows no secret");
    }

    #[test]
    fn what_cannot_be_told_apart_cannot_be_signed() {
        for id in ["", "a.1", "a b", "ä", "a\nb", &"x".repeat(257)] {
            assert!(keys(SECRET).sign(id, second(1), b"").unwrap_err().is_invalid_option(), "{id:?}");
        }
        assert!(keys(SECRET).sign("a", second(-1), b"").unwrap_err().is_invalid_option());
    }
}
