//! Small programs, one for each thing that can go wrong.

use wasmi::Val;

use crate::differential::{Tally, Trio};
use crate::machine::Outcome;

struct Guest {
    trio: Trio,
    tally: Tally,
}

impl Guest {
    fn new(wat: &str) -> Self {
        let mut tally = Tally::default();
        let wasm = wat::parse_str(wat).expect("the guest is text that can be parsed");
        let trio =
            Trio::new(&wasm, &mut tally).unwrap_or_else(|| panic!("the guest does not start: {tally:?}"));
        Self { trio, tally }
    }

    /// Calls a function all ways; they agree, and the program was suspended.
    fn call(&mut self, name: &str, arguments: &[i32]) -> Outcome {
        let arguments: Vec<Val> = arguments.iter().map(|value| Val::I32(*value)).collect();
        let before = self.tally.suspensions;
        let outcome = self.trio.call("guest", name, &arguments, &mut self.tally);
        assert!(self.tally.differences.is_empty(), "{:#?}", self.tally.differences);
        assert!(self.tally.suspensions > before, "it was never suspended");
        outcome.expect("the call ends")
    }

    fn gives(&mut self, name: &str, arguments: &[i32], expected: &[&str]) {
        let expected = expected.iter().map(|value| (*value).to_owned()).collect();
        assert_eq!(self.call(name, arguments), Outcome::Values(expected));
    }
}

#[test]
fn loops_in_loops_keep_their_variables() {
    let mut guest = Guest::new(
        r#"(module (func (export "f") (param $n i32) (result i32) (local $i i32) (local $j i32) (local $sum i32)
            (loop $outer
                (local.set $j (i32.const 0))
                (loop $inner
                    (local.set $sum (i32.add (i32.mul (local.get $sum) (i32.const 3)) (i32.mul (local.get $i) (local.get $j))))
                    (br_if $inner (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 1))) (local.get $n))))
                (br_if $outer (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
            (local.get $sum)))"#,
    );
    let expected = {
        let mut sum = 0i32;
        for i in 0..7 {
            for j in 0..7 {
                sum = sum.wrapping_mul(3).wrapping_add(i * j);
            }
        }
        format!("i32 {sum}")
    };
    guest.gives("f", &[7], &[&expected]);
}

#[test]
fn recursion_is_rebuilt_frame_by_frame() {
    let mut guest = Guest::new(
        r#"(module (func $fib (export "fib") (param i32) (result i32)
            (if (result i32) (i32.lt_u (local.get 0) (i32.const 2)) (then (local.get 0))
                (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))
                               (call $fib (i32.sub (local.get 0) (i32.const 2))))))))"#,
    );
    guest.gives("fib", &[10], &["i32 55"]);
}

#[test]
fn recursion_through_two_functions_and_a_table_is_noticed() {
    let mut guest = Guest::new(
        r#"(module (type $t (func (param i32) (result i32))) (table funcref (elem $odd $even))
            (func $even (param i32) (result i32)
                (if (result i32) (local.get 0)
                    (then (call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0)))
                    (else (i32.const 1))))
            (func $odd (param i32) (result i32)
                (if (result i32) (local.get 0)
                    (then (call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.const 1)))
                    (else (i32.const 0))))
            (func (export "even") (param i32) (result i32) (call $even (local.get 0))))"#,
    );
    guest.gives("even", &[11], &["i32 0"]);
    guest.gives("even", &[12], &["i32 1"]);
}

#[test]
fn an_indirect_call_returns_to_the_function_that_was_suspended_though_the_table_changed() {
    let mut guest = Guest::new(
        r#"(module (type $t (func (result i32))) (table $t 2 funcref) (elem (i32.const 0) $first $second)
            (func $first (result i32) (local i32)
                (table.set $t (i32.const 0) (ref.func $second))
                (loop $l (br_if $l (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 5))))
                (i32.add (local.get 0) (i32.const 100)))
            (func $second (result i32) (local i32)
                (loop $l (br_if $l (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 3))))
                (i32.add (local.get 0) (i32.const 200)))
            (func (export "f") (result i32) (call_indirect (type $t) (i32.const 0))))"#,
    );
    guest.gives("f", &[], &["i32 105"]);
    guest.gives("f", &[], &["i32 203"]);
}

#[test]
fn operands_below_a_call_survive_it() {
    let mut guest = Guest::new(
        r#"(module
            (func $slow (param i32) (result i32) (local $i i32)
                (loop $l (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 3))))
                (i32.mul (local.get 0) (local.get $i)))
            (func (export "f") (param i32) (result i32 i64 f32 f64)
                (i32.add (local.get 0) (i32.const 1))
                (i64.extend_i32_u (call $slow (local.get 0)))
                (f32.convert_i32_u (call $slow (i32.const 5)))
                (f64.add (f64.const 0.5) (f64.convert_i32_u (call $slow (i32.add (call $slow (i32.const 2)) (i32.const 1)))))))"#,
    );
    guest.gives("f", &[4], &["i32 5", "i64 12", "f32 41700000", "f64 4035800000000000"]);
}

#[test]
fn br_table_carries_values_into_blocks_with_points() {
    let mut guest = Guest::new(
        r#"(module
            (func (export "f") (param i32) (result i32) (local $i i32)
                (block $a (result i32)
                    (block $b (result i32)
                        (block $c (result i32)
                            (i32.const 1000)
                            (loop $l (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 3))))
                            (br_table $a $b $c 3 (local.get $i) (local.get 0)))
                        (loop $l (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 9))))
                        (i32.add (i32.const 30)))
                    (i32.add (i32.const 200)))
                (i32.add (local.get $i))))"#,
    );
    guest.gives("f", &[0], &["i32 6"]);
    guest.gives("f", &[1], &["i32 206"]);
    guest.gives("f", &[2], &["i32 242"]);
    guest.gives("f", &[9], &["i32 3"]);
}

#[test]
fn blocks_with_parameters_and_many_results_work() {
    let mut guest = Guest::new(
        r#"(module
            (func $two (param i32) (result i32 i32) (local $i i32)
                (loop $l (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 4))))
                (local.get 0) (local.get $i))
            (func (export "f") (param $n i32) (result i32 i32)
                (local.get $n) (i32.const 1)
                (loop $l (param i32 i32) (result i32 i32)
                    (i32.add)
                    (call $two)
                    (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 8))))))"#,
    );
    guest.gives("f", &[3], &["i32 20", "i32 4"]);
}

#[test]
fn ifs_with_and_without_else_find_their_arm() {
    let mut guest = Guest::new(
        r#"(module
            (func $slow (param i32) (result i32) (local $i i32)
                (loop $l (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get 0))))
                (local.get $i))
            (func (export "f") (param i32) (result i32) (local $x i32)
                (if (i32.and (local.get 0) (i32.const 1)) (then (local.set $x (call $slow (i32.const 3)))))
                (i32.const 7)
                (if (param i32) (result i32) (i32.and (local.get 0) (i32.const 2))
                    (then (i32.add (call $slow (i32.const 4))))
                    (else (if (i32.and (local.get 0) (i32.const 4)) (then (local.set $x (call $slow (i32.const 6)))))
                          (i32.sub (i32.const 1))))
                (i32.add (i32.mul (local.get $x) (i32.const 100)))))"#,
    );
    for (argument, expected) in
        [(1, "i32 306"), (2, "i32 11"), (3, "i32 311"), (4, "i32 606"), (5, "i32 606")]
    {
        guest.gives("f", &[argument], &[expected]);
    }
}

#[test]
fn vectors_are_saved_whole() {
    let mut guest = Guest::new(
        r#"(module (func (export "f") (result v128) (local $v v128) (local $i i32)
            (local.set $v (v128.const i32x4 1 2 3 4))
            (loop $l
                (local.set $v (i32x4.add (local.get $v) (i32x4.splat (local.get $i))))
                (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 5))))
            (local.get $v)))"#,
    );
    guest.gives("f", &[], &["v128 e0000000d0000000c0000000b"]);
}

#[test]
fn memory_that_grew_and_segments_that_were_dropped_stay_so() {
    let mut guest = Guest::new(
        r#"(module (memory 1) (data $d "suspend") (table $t 4 funcref) (elem $e func $g)
            (func $g)
            (func $slow (local $i i32)
                (loop $l (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 3)))))
            (func (export "f") (result i32)
                (drop (memory.grow (i32.const 2)))
                (call $slow)
                (memory.init $d (i32.const 131072) (i32.const 0) (i32.const 7))
                (data.drop $d)
                (call $slow)
                (memory.copy (i32.const 140000) (i32.const 131072) (i32.const 7))
                (memory.fill (i32.const 131072) (i32.const 1) (i32.const 3))
                (call $slow)
                (i32.add (i32.load8_u (i32.const 140006)) (i32.mul (i32.const 1000) (memory.size))))
            (func (export "elements") (result i32)
                (table.init $t $e (i32.const 1) (i32.const 0) (i32.const 1))
                (elem.drop $e)
                (call $slow)
                (drop (table.grow $t (ref.func $g) (i32.const 2)))
                (call $slow)
                (i32.add (table.size $t) (ref.is_null (table.get $t (i32.const 1)))))
            (func (export "again") (call $slow) (memory.init $d (i32.const 0) (i32.const 0) (i32.const 1)))
            (func (export "elements_again") (call $slow) (table.init $t $e (i32.const 0) (i32.const 0) (i32.const 1))))"#,
    );
    guest.gives("f", &[], &["i32 3100"]);
    guest.gives("elements", &[], &["i32 6"]);
    assert_eq!(guest.call("again", &[]), Outcome::Trap("MemoryOutOfBounds".into()));
    assert_eq!(guest.call("elements_again", &[]), Outcome::Trap("TableOutOfBounds".into()));
}

#[test]
fn globals_and_references_in_them_are_kept() {
    let mut guest = Guest::new(
        r#"(module (global $g (mut i64) (i64.const 1)) (global $f (mut funcref) (ref.null func)) (table $t 1 funcref)
            (elem declare func $h) (func $h (result i32) (i32.const 41))
            (func (export "f") (result i32 i64) (local $i i32)
                (global.set $f (ref.func $h))
                (loop $l
                    (global.set $g (i64.mul (global.get $g) (i64.const 3)))
                    (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 5))))
                (table.set $t (i32.const 0) (global.get $f))
                (call_indirect $t (result i32) (i32.const 0))
                (global.get $g)))"#,
    );
    guest.gives("f", &[], &["i32 41", "i64 243"]);
}

#[test]
fn the_start_function_can_be_suspended() {
    let mut guest = Guest::new(
        r#"(module (memory 1) (start $s)
            (func $s (local $i i32)
                (loop $l
                    (i32.store8 (local.get $i) (local.get $i))
                    (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 20)))))
            (func (export "f") (param i32) (result i32) (loop $l) (i32.load8_u (local.get 0))))"#,
    );
    assert!(guest.tally.suspensions >= 20, "{:?}", guest.tally);
    guest.gives("f", &[19], &["i32 19"]);
}

#[test]
fn calls_of_the_host_are_not_repeated() {
    let mut guest = Guest::new(
        r#"(module (import "host" "step" (func $step (param i32) (result i32)))
            (func (export "f") (param i32) (result i32) (local $i i32) (local $sum i32)
                (loop $l
                    (local.set $sum (i32.add (call $step (local.get $i)) (local.get $sum)))
                    (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get 0))))
                (local.get $sum)))"#,
    );
    // The host answers with seven times the number of the call: the sum tells how often it was called.
    guest.gives("f", &[4], &["i32 70"]);
    assert_eq!(
        guest.trio.log(),
        ["host.step(i32 0)", "host.step(i32 1)", "host.step(i32 2)", "host.step(i32 3)"]
    );
}

#[test]
fn a_trap_after_a_suspension_is_the_same_trap() {
    let mut guest = Guest::new(
        r#"(module (func (export "f") (param i32) (result i32) (local $i i32)
            (loop $l (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 5))))
            (i32.div_u (local.get $i) (local.get 0))))"#,
    );
    assert_eq!(guest.call("f", &[0]), Outcome::Trap("IntegerDivisionByZero".into()));
    guest.gives("f", &[5], &["i32 1"]);
}
