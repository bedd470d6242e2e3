//! Compiling in a process of its own. A compiler is large, and a module that nobody vouches for is made to find its weak
//! places: what it does to the compiler, how long and with how much memory, it does in a process that has neither files nor
//! network, and that is ended at its limits.
//!
//! Owns both sides. What the process gives back is machine code, which the host believes as it believes its own compiler:
//! a module that took the *compiler over*, and not only down, could still write what it likes into that.

use std::sync::{Arc, Mutex, PoisonError};

use super::Translation;
use crate::process::engine::{self, Fault, Metering};
use crate::process::trap::Trap;
use crate::process::{
    Config, Domain, Executor, Exit, Guest, Handled, Image, Instance, Isolation, Lie, Made, Packet,
    ProcessPolicy, Served, Service, Services,
};
use crate::stopper::Stopper;

const ENTRY: &str = "delay.compile";
const SERVICE: &str = "artefact";

/// The most bytes of an artefact.
const MOST: usize = 512 << 20;

/// What a packet of the compiler says, in its first byte: more of the artefact, its end, or why there is none.
const MORE: u8 = 0;
const DONE: u8 = 1;
const REFUSED: u8 = 2;

crate::process::entry!(ENTRY, in_child);

/// Compiles in a process of its own, started for this and ended after it. Waits for it: not for a thread of a runtime.
pub(super) fn compile(
    translation: &Translation<'_>,
    isolation: Isolation,
    policy: &ProcessPolicy,
) -> Result<Vec<u8>, Fault> {
    let input = encode(translation);
    // A runtime of its own, on a thread of its own: whoever compiles may stand inside another one.
    std::thread::scope(|scope| {
        let work = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| failed(error.to_string()))?;
            runtime.block_on(run(input, isolation, policy))
        };
        scope.spawn(work).join().unwrap_or_else(|_| Err(failed("the host's thread panicked")))
    })
}

async fn run(input: Vec<u8>, isolation: Isolation, policy: &ProcessPolicy) -> Result<Vec<u8>, Fault> {
    let stopper = Stopper::new();
    let result = serve(&stopper, input, isolation, policy).await;
    stopper.stop().await;
    let (served, artefact) = result.map_err(|error| failed(error.chain()))?;
    let state = std::mem::take(&mut *artefact.0.lock().unwrap_or_else(PoisonError::into_inner));
    match state.said {
        Some(Ok(())) => Ok(state.bytes),
        Some(Err(fault)) => Err(fault),
        None => Err(Fault::new(served.ended.trap, format!("its compiler was ended: {}", served.cause))),
    }
}

async fn serve(
    stopper: &Stopper,
    input: Vec<u8>,
    isolation: Isolation,
    policy: &ProcessPolicy,
) -> crate::error::Result<(Served, Artefact)> {
    let config = Config::default().max_procs(1).isolation(isolation);
    let executor = Executor::start(stopper, config).await?;
    let mut process = executor.new_process().await?;
    // Its artefact is what it says.
    let policy = policy.clone().output(2 * MOST as u64);
    process.start(&Image::new(ENTRY, input), &policy).await?;
    let artefact = Artefact::default();
    let served = process.serve(&Services::new().with(artefact.clone())).await?;
    Ok((served, artefact))
}

fn failed(text: impl Into<String>) -> Fault {
    Fault::new(Trap::InternalError, format!("no process to compile in: {}", text.into()))
}

/// The host's side: what the compiler has said so far.
#[derive(Clone, Default)]
struct Artefact(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    /// Its last word.
    said: Option<Result<(), Fault>>,
}

impl Service for Artefact {
    fn name(&self) -> &str {
        SERVICE
    }

    fn create(&self, _: Made) -> Box<dyn Instance> {
        Box::new(self.clone())
    }
}

impl Instance for Artefact {
    fn handle(&mut self, packet: Packet) -> Result<Handled, Lie> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (Domain::Call, Some((what, rest))) = (packet.domain, packet.content.split_first()) else {
            return Err(Lie::Content("a part of an artefact is sent by a call, and begins with what it is"));
        };
        match *what {
            _ if state.said.is_some() => return Err(Lie::Content("the last word was said")),
            MORE if state.bytes.len() + rest.len() <= MOST => state.bytes.extend(rest),
            MORE => return Err(Lie::Content("an artefact takes 512 MiB at most")),
            DONE => state.said = Some(Ok(())),
            REFUSED => state.said = Some(Err(fault(rest))),
            _ => return Err(Lie::Content("a part of an artefact is of no known kind")),
        }
        Ok(Handled::Answer(Vec::new()))
    }
}

/// As [`in_child`] writes it: the trap's id, and a text.
fn fault(bytes: &[u8]) -> Fault {
    let (id, text) = bytes.split_first().unwrap_or((&0, &[]));
    let trap = Trap::from_id(*id).unwrap_or(Trap::InternalError);
    Fault::new(trap, String::from_utf8_lossy(text))
}

/// The engine's name behind its length, two switches, and the module.
fn encode(translation: &Translation<'_>) -> Vec<u8> {
    let Translation { wasm, engine, metering, suspendable } = translation;
    let name = engine.name().as_bytes();
    let mut bytes = Vec::with_capacity(name.len() + wasm.len() + 3);
    bytes.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
    bytes.extend(name);
    bytes.extend([u8::from(*metering == Metering::Fuel), u8::from(*suspendable)]);
    bytes.extend(*wasm);
    bytes
}

fn decode(bytes: &[u8]) -> Option<Translation<'_>> {
    let (length, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*length))?;
    let engine = engine::ALL.iter().copied().find(|engine| engine.name().as_bytes() == name)?;
    let [fuel, suspendable, wasm @ ..] = rest else { return None };
    let metering = if *fuel == 1 { Metering::Fuel } else { Metering::None };
    Some(Translation { wasm, engine, metering, suspendable: *suspendable == 1 })
}

fn in_child(mut guest: Guest) -> Exit {
    let translated = match decode(guest.input()) {
        Some(translation) => translation.here(),
        None => Err(Fault::new(Trap::AbiDeficiency, "only the engines of this crate compile in a process")),
    };
    let mut say = || -> std::io::Result<()> {
        let Some(code) = guest.discover(SERVICE)? else { return Ok(()) };
        let mut part = |what: u8, bytes: &[u8]| guest.call(code, &[&[what], bytes].concat()).map(drop);
        match &translated {
            Ok(artefact) => {
                artefact.chunks(Packet::CONTENT - 1).try_for_each(|chunk| part(MORE, chunk))?;
                part(DONE, &[])
            }
            Err(fault) => {
                let text = fault.text.as_bytes();
                let text = &text[..text.len().min(Packet::CONTENT - 2)];
                part(REFUSED, &[&[fault.trap.id()], text].concat())
            }
        }
    };
    match say() {
        Ok(()) => Exit::SUCCESS,
        Err(_) => Exit::trap(Trap::AbiDeficiency),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_survives_its_bytes() {
        let translation = Translation {
            wasm: b"\0asm",
            engine: engine::ALL[0],
            metering: Metering::Fuel,
            suspendable: true,
        };
        let bytes = encode(&translation);
        let read = decode(&bytes).unwrap();
        assert_eq!((read.wasm, read.engine.name()), (translation.wasm, translation.engine.name()));
        assert!(read.metering == Metering::Fuel && read.suspendable);
        assert!((0..bytes.len() - 4).all(|end| decode(&bytes[..end]).is_none()), "nothing is taken for it");
        assert!(decode(b"\x03abc\0\0").is_none(), "there is no such engine");
    }

    #[test]
    fn a_fault_survives_its_bytes() {
        assert_eq!(fault(&[Trap::AbiDeficiency.id(), b'n', b'o']), Fault::new(Trap::AbiDeficiency, "no"));
        assert_eq!(fault(&[]).trap, Trap::Exit);
    }
}
