//! What programs cost: the transform's overhead, a call, a suspension, a snapshot, compilation. Under both engines.
//!
//! `cargo bench -p delay-func --features wasmtime,wasmi --bench program`
//!
//! The original, the transformed, and what the prototype of the transform made of it (`guests/prototype`; the prototype
//! itself is not kept) take turns, and the best of each counts: on a machine that others use as well, the shortest time
//! is the one that was disturbed least.

#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use delay::process::control::Control;
use delay::process::engine::{Caps, Code, Engine, Fault, Host, Import, Instance, Metering, Wasmi, Wasmtime};
use delay::process::snapshot::{ModuleHash, Snapshot, SnapshotLimits, Value};
use delay::process::suspend::{self, transform};

const CAPS: Caps = Caps { memory: 64 << 20, elements: 1000, fuel: None };

struct Nothing;

impl Host for Nothing {
    fn find(&mut self, import: &Import<'_>) -> Result<u32, String> {
        Err(format!("there is no `{}.{}`", import.module, import.name))
    }

    fn call(&mut self, _: u32, _: &mut [u8], _: &[Value], _: &mut [Value]) -> Result<(), Fault> {
        unreachable!("nothing can be imported")
    }
}

/// A guest, the function that is called, and its arguments on a fast engine and on a slow one.
struct Work {
    name: &'static str,
    wasm: Vec<u8>,
    prototype: &'static [u8],
    function: &'static str,
    arguments: [&'static [i32]; 2],
}

fn works() -> Vec<Work> {
    let loops = include_bytes!("guests/loops.wasm");
    let mixed = include_bytes!("guests/mixed.wasm");
    let deep = wat::parse_str(include_str!("guests/deep.wat")).unwrap();
    let loops = (&loops[..], &include_bytes!("guests/prototype/loops.wasm")[..]);
    let mixed = (&mixed[..], &include_bytes!("guests/prototype/mixed.wasm")[..]);
    let deep = (&deep[..], &include_bytes!("guests/prototype/deep.wasm")[..]);
    let work = |name, (wasm, prototype): (&[u8], _), function, arguments| {
        let wasm = wasm.to_vec();
        Work { name, wasm, prototype, function, arguments }
    };
    vec![
        work("loop, arithmetic over a table", loops, "hot_inline", [&[20_000_000], &[500_000]]),
        work("loop that calls a leaf", loops, "hot_call", [&[20_000_000], &[500_000]]),
        work("recursion: fib(32), fib(22)", loops, "fib", [&[32], &[22]]),
        work("matrices, floating point", mixed, "matmul", [&[20], &[1]]),
        work("sieve", mixed, "sieve", [&[4], &[1]]),
        work("quicksort, indirect compare", mixed, "sort", [&[4], &[1]]),
        work("loop, no memory", deep, "rec", [&[10, 2_000_000], &[10, 50_000]]),
    ]
}

fn code(engine: &dyn Engine, wasm: &[u8]) -> Box<dyn Code> {
    engine.load(&engine.compile(wasm, Metering::None).unwrap(), Metering::None).unwrap()
}

fn instance(code: &dyn Code, control: &Control) -> Box<dyn Instance> {
    code.instantiate(CAPS, Box::new(Nothing), control.clone()).unwrap()
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begin = Instant::now();
    let value = work();
    (value, begin.elapsed())
}

fn sorted(mut times: Vec<Duration>) -> Vec<Duration> {
    times.sort();
    times
}

fn show(what: &str, times: Vec<Duration>) {
    let times = sorted(times);
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!("  {what:<44} p50 {:>10.1?}  p95 {:>10.1?}  best {:>10.1?}", at(50), at(95), at(0));
}

fn overhead(engine: &dyn Engine, slow: usize) {
    println!("{}: the transform's overhead, best of 9 in turns", engine.name());
    for work in works() {
        let transformed = transform(&work.wasm).unwrap().wasm;
        let codes = [&work.wasm[..], &transformed, work.prototype].map(|wasm| code(engine, wasm));
        let arguments: Vec<Value> = work.arguments[slow].iter().map(|value| Value::I32(*value)).collect();
        let mut best = [Duration::MAX; 3];
        let mut results = [None, None, None];
        for _ in 0..9 {
            for (which, code) in codes.iter().enumerate() {
                let mut instance = instance(&**code, &Control::default());
                let (result, time) = timed(|| instance.call(work.function, &arguments).unwrap());
                best[which] = best[which].min(time);
                results[which] = Some(result);
            }
        }
        assert!(results.iter().all(|result| *result == results[0]));
        let [ours, prototype] = [1, 2].map(|which| best[which].as_secs_f64() / best[0].as_secs_f64());
        println!("  {:<32} {:>10.2?}  x{ours:.3}, the prototype x{prototype:.3}", work.name, best[0]);
    }
}

/// A program that does nothing is called, and one calls the host.
fn calls(engine: &dyn Engine) {
    println!("{}: calls", engine.name());
    let wat = r#"(module (func (export "f") (param i32) (result i32) (local.get 0)))"#;
    for (what, wasm) in [("plain", wat::parse_str(wat).unwrap()), ("transformed", suspendable(wat))] {
        let mut instance = instance(&*code(engine, &wasm), &Control::default());
        let mut times = Vec::new();
        for _ in 0..2000 {
            let (_, time) =
                timed(|| (0..100).for_each(|n| drop(instance.call("f", &[Value::I32(n)]).unwrap())));
            times.push(time / 100);
        }
        show(&format!("one call, {what}"), times);
    }
}

fn suspendable(wat: &str) -> Vec<u8> {
    transform(&wat::parse_str(wat).unwrap()).unwrap().wasm
}

/// From the signal, in another thread, to the program having unwound; then the snapshot, both ways.
fn suspensions(engine: &dyn Engine) {
    println!("{}: suspensions of a program in a table of 1 MiB, 200 times", engine.name());
    let wasm = transform(include_bytes!("guests/loops.wasm")).unwrap().wasm;
    let code = code(engine, &wasm);
    let (mut unwound, mut saved, mut encoded) = (Vec::new(), Vec::new(), Vec::new());
    let (mut instantiated, mut decoded, mut restored, mut sizes) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for round in 0..200u64 {
        let control = Control::default();
        let mut running = instance(&*code, &control);
        let (began, begun) = std::sync::mpsc::channel();
        let program = std::thread::spawn(move || {
            began.send(()).unwrap();
            running.call("hot_inline", &[Value::I32(-1)]).unwrap();
            (running, Instant::now())
        });
        begun.recv().unwrap();
        std::thread::sleep(Duration::from_micros(500 + 37 * (round % 50)));
        let asked = Instant::now();
        control.suspend();
        let (mut running, ended) = program.join().unwrap();
        assert!(running.is_unwound());
        unwound.push(ended - asked);
        let (exports, time) = timed(|| running.save().unwrap());
        saved.push(time);
        let snapshot = Snapshot {
            module: ModuleHash::of(&wasm),
            function: "hot_inline".into(),
            globals: exports.globals,
            memories: exports.memories,
            tables: exports.tables,
        };
        let (bytes, time) = timed(|| snapshot.encode(SnapshotLimits::default()).unwrap());
        encoded.push(time);
        sizes = sizes.max(bytes.len());
        let (read, time) =
            timed(|| Snapshot::decode(&bytes, snapshot.module, SnapshotLimits::default()).unwrap());
        decoded.push(time);
        let (mut fresh, time) = timed(|| instance(&*code, &Control::default()));
        instantiated.push(time);
        let (_, time) = timed(|| fresh.restore(&read).unwrap());
        restored.push(time);
        assert_eq!(fresh.global(suspend::DEPTH), running.global(suspend::DEPTH));
    }
    show("signal to unwound", unwound);
    show("snapshot: taken from the instance", saved);
    show("snapshot: encoded", encoded);
    show("snapshot: decoded", decoded);
    show("a fresh instance", instantiated);
    show("snapshot: restored", restored);
    println!("  the largest snapshot takes {sizes} bytes");
}

fn compilation(engine: &dyn Engine) {
    println!("{}: compilation of guests/mixed.wasm", engine.name());
    let wasm = include_bytes!("guests/mixed.wasm");
    let transformed = transform(wasm).unwrap().wasm;
    println!("  {} bytes, transformed {}", wasm.len(), transformed.len());
    let times = |work: &dyn Fn()| (0..20).map(|_| timed(work).1).collect::<Vec<_>>();
    show("transformed", times(&|| drop(transform(wasm).unwrap())));
    show("compiled", times(&|| drop(engine.compile(wasm, Metering::None).unwrap())));
    show("compiled, transformed", times(&|| drop(engine.compile(&transformed, Metering::None).unwrap())));
    let artefact = engine.compile(&transformed, Metering::None).unwrap();
    show("loaded, transformed", times(&|| drop(engine.load(&artefact, Metering::None).unwrap())));
}

fn main() {
    let engines: [(&dyn Engine, usize); 2] = [(&Wasmtime, 0), (&Wasmi, 1)];
    // `cargo test --benches` runs this, too, and wants to know whether it runs at all.
    if std::env::args().any(|argument| argument == "--test") {
        return engines.iter().for_each(|(engine, _)| compilation(*engine));
    }
    for (engine, slow) in engines {
        overhead(engine, slow);
        calls(engine);
        suspensions(engine);
        compilation(engine);
    }
}
