//! What suspension costs: guests as they are, transformed, and the transform itself.
//!
//! `cargo bench -p delay-func --features wasm --bench suspend`

#![allow(clippy::unwrap_used)]

use delay::process::suspend::transform;
use divan::Bencher;
use divan::counter::BytesCount;
use wasmi::{Engine, Linker, Module, Store, TypedFunc};

/// A loop of arithmetic over a table, no calls: what compilers make of a hash.
const HASH: &str = r#"(module (memory 16)
    (func (export "f") (param $n i32) (result i32) (local $a i64) (local $k i32) (local $b i64)
        (local.set $a (i64.const 1))
        (loop $l
            (local.set $a (i64.add (i64.mul (local.get $a) (i64.const 6364136223846793005)) (i64.const 1442695040888963407)))
            (local.set $k (i32.shl (i32.wrap_i64 (i64.shr_u (local.get $a) (i64.const 47))) (i32.const 3)))
            (i64.store (local.get $k) (i64.xor (i64.load (local.get $k)) (local.get $a)))
            (local.set $b (i64.add (local.get $b) (i64.load (i32.and (i32.mul (local.get $k) (i32.const 7)) (i32.const 0xffff8)))))
            (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (i32.wrap_i64 (local.get $b))))"#;

/// A loop that calls a leaf.
const LEAF: &str = r#"(module
    (func $mix (param i64) (result i64)
        (local.set 0 (i64.mul (i64.xor (local.get 0) (i64.shr_u (local.get 0) (i64.const 33))) (i64.const 0xff51afd7ed558ccd)))
        (i64.xor (local.get 0) (i64.shr_u (local.get 0) (i64.const 29))))
    (func (export "f") (param $n i32) (result i32) (local $a i64)
        (loop $l
            (local.set $a (call $mix (i64.add (local.get $a) (i64.extend_i32_u (local.get $n)))))
            (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (i32.wrap_i64 (local.get $a))))"#;

/// Nothing but calls.
const FIB: &str = r#"(module (func $fib (export "f") (param i32) (result i32)
    (if (result i32) (i32.lt_u (local.get 0) (i32.const 2)) (then (local.get 0))
        (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1))) (call $fib (i32.sub (local.get 0) (i32.const 2))))))))"#;

/// Three loops, floating point.
const MATRIX: &str = r#"(module (memory 8)
    (func (export "f") (param $n i32) (result i32) (local $i i32) (local $j i32) (local $k i32) (local $t f64)
        (loop $a
            (local.set $j (i32.const 0))
            (loop $b
                (local.set $t (f64.const 0)) (local.set $k (i32.const 0))
                (loop $c
                    (local.set $t (f64.add (local.get $t) (f64.mul
                        (f64.load (i32.shl (i32.add (i32.mul (local.get $i) (local.get $n)) (local.get $k)) (i32.const 3)))
                        (f64.load offset=131072 (i32.shl (i32.add (i32.mul (local.get $k) (local.get $n)) (local.get $j)) (i32.const 3))))))
                    (br_if $c (i32.lt_u (local.tee $k (i32.add (local.get $k) (i32.const 1))) (local.get $n))))
                (f64.store offset=262144 (i32.shl (i32.add (i32.mul (local.get $i) (local.get $n)) (local.get $j)) (i32.const 3)) (f64.add (local.get $t) (f64.const 1)))
                (br_if $b (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 1))) (local.get $n))))
            (br_if $a (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
        (i32.trunc_f64_s (f64.load offset=262144 (i32.const 0)))))"#;

/// An interpreter: one loop, a table of branches, and calls of a function that loops in some arms.
const INTERPRETER: &str = r#"(module
    (func $slow (param i32) (result i32) (local $i i32)
        (loop $l (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 3))))
        (i32.add (local.get 0) (local.get $i)))
    (func (export "f") (param $n i32) (result i32) (local $x i32)
        (local.set $x (i32.const 12345))
        (loop $next
            (local.set $x (i32.add (i32.mul (local.get $x) (i32.const 1664525)) (i32.const 1013904223)))
            (block $end
                (block $d (block $c (block $b (block $a
                    (br_table $a $b $c $d (i32.shr_u (local.get $x) (i32.const 30))))
                    (local.set $x (i32.xor (local.get $x) (i32.const 5))) (br $end))
                    (local.set $x (i32.add (local.get $x) (i32.const 9))) (br $end))
                    (local.set $x (i32.rotl (local.get $x) (i32.const 3))) (br $end))
                (if (i32.eqz (i32.and (local.get $x) (i32.const 0xf0))) (then (local.set $x (call $slow (local.get $x))))))
            (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.get $x)))"#;

#[derive(Debug, Clone, Copy)]
struct Guest {
    name: &'static str,
    wat: &'static str,
    argument: i32,
}

impl std::fmt::Display for Guest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

const GUESTS: [Guest; 5] = [
    Guest { name: "hash", wat: HASH, argument: 200_000 },
    Guest { name: "leaf", wat: LEAF, argument: 200_000 },
    Guest { name: "fib", wat: FIB, argument: 22 },
    Guest { name: "matrix", wat: MATRIX, argument: 64 },
    Guest { name: "interpreter", wat: INTERPRETER, argument: 200_000 },
];

fn program(wasm: &[u8]) -> (Store<()>, TypedFunc<i32, i32>) {
    let engine = Engine::default();
    let module = Module::new(&engine, wasm).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Linker::new(&engine).instantiate_and_start(&mut store, &module).unwrap();
    let function = instance.get_typed_func(&store, "f").unwrap();
    (store, function)
}

#[divan::bench(args = GUESTS)]
fn original(bencher: Bencher<'_, '_>, guest: Guest) {
    let (mut store, function) = program(&wat::parse_str(guest.wat).unwrap());
    bencher.bench_local(|| function.call(&mut store, guest.argument).unwrap());
}

#[divan::bench(args = GUESTS)]
fn transformed(bencher: Bencher<'_, '_>, guest: Guest) {
    let wasm = wat::parse_str(guest.wat).unwrap();
    let (mut store, function) = program(&transform(&wasm).unwrap().wasm);
    bencher.bench_local(|| function.call(&mut store, guest.argument).unwrap());
}

/// The time of the transform by the size of the module: copies of the interpreter's function.
#[divan::bench(args = [1, 100, 10_000])]
fn transforming(bencher: Bencher<'_, '_>, functions: usize) {
    let (head, body) = INTERPRETER.split_once("(func (export").unwrap();
    let body = format!("(func {}", body.split_once(") ").unwrap().1.trim_end().strip_suffix(')').unwrap());
    let wasm = wat::parse_str(format!("{head}{})", body.repeat(functions))).unwrap();
    bencher.counter(BytesCount::new(wasm.len())).bench(|| transform(&wasm).unwrap());
}

fn main() {
    divan::main();
}
