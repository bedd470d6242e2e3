//! Every refusal: its kind, its place, and a text that teaches.

use delay::process::suspend::{Holder, Proposal, Refusal, Size, transform};

fn refused(wat: &str) -> Refusal {
    let wasm = wat::parse_str(wat).expect("text that can be parsed");
    transform(&wasm).expect_err("it is refused")
}

/// The text says each of these things once.
fn says(refusal: &Refusal, parts: &[&str]) {
    let text = refusal.to_string();
    for part in parts {
        assert_eq!(text.matches(part).count(), 1, "{part:?} in {text:?}");
    }
}

fn proposal(wat: &str, expected: Proposal, function: Option<u32>, parts: &[&str]) {
    let refusal = refused(wat);
    match &refusal {
        Refusal::Proposal { proposal, at } => {
            assert_eq!((*proposal, at.function), (expected, function), "{refusal}");
            assert!(at.offset > 8, "{refusal}");
        }
        other => panic!("{other}"),
    }
    says(&refusal, parts);
}

#[test]
fn parts_of_webassembly_that_cannot_be_suspended_are_refused_by_name() {
    proposal(
        r#"(module (type (struct (field i32))))"#,
        Proposal::Gc,
        None,
        &["garbage-collected", "linear memory"],
    );
    proposal(
        r#"(module (type $f (func)) (func (param (ref null $f)) (call_ref $f (local.get 0))))"#,
        Proposal::FunctionReferences,
        None,
        &["typed function references", "call_indirect"],
    );
    proposal(
        r#"(module (func) (func (block (try_table (catch_all 0)))))"#,
        Proposal::Exceptions,
        Some(1),
        &["uses exceptions", "in function 1", "at offset 0x", "panic=abort"],
    );
    proposal(
        r#"(module (import "a" "b" (func)) (func $f (return_call $f)))"#,
        Proposal::TailCalls,
        Some(1),
        &["tail calls", "in function 1", "-mtail-call"],
    );
    proposal(r#"(module (memory 1 1 shared))"#, Proposal::Threads, None, &["shared memory", "-pthread"]);
    proposal(
        r#"(module (memory 1) (func (drop (i32.atomic.load (i32.const 0)))))"#,
        Proposal::Threads,
        Some(0),
        &["in function 0", "one thread"],
    );
    proposal(
        r#"(module (func (param v128) (drop (i8x16.relaxed_swizzle (local.get 0) (local.get 0)))))"#,
        Proposal::RelaxedSimd,
        Some(0),
        &["relaxed SIMD", "processors"],
    );
    proposal(r#"(module (memory 1 (pagesize 1)))"#, Proposal::CustomPageSizes, None, &["custom page sizes"]);
}

#[test]
fn a_reference_in_a_variable_at_a_point_is_refused() {
    let refusal = refused(
        r#"(module (func (param $r externref) (result externref) (local $n i32)
            (loop $l (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 9))))
            (local.get $r)))"#,
    );
    assert!(
        matches!(&refusal, Refusal::LiveReference { at, holder: Holder::Local(0) } if at.function == Some(0)),
        "{refusal}"
    );
    says(&refusal, &["local 0 holds a reference", "in function 0", "its index"]);
}

#[test]
fn a_reference_that_nobody_reads_after_the_point_is_accepted() {
    let wat = r#"(module (func (param $r externref) (result i32) (local $n i32)
        (drop (ref.is_null (local.get $r)))
        (local.set $n (i32.const 1))
        (loop $l (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 9))))
        (local.get $n)))"#;
    // It is read before the loop, but after the function's start, which is a point, too.
    let refusal = refused(wat);
    assert!(matches!(refusal, Refusal::LiveReference { holder: Holder::Local(0), .. }), "{refusal}");
    let unread = wat.replace("(drop (ref.is_null (local.get $r)))", "");
    transform(&wat::parse_str(unread).unwrap()).expect("nobody reads it");
}

#[test]
fn a_reference_among_the_operands_of_a_point_is_refused() {
    let refusal = refused(
        r#"(module (func $slow (loop $l (br $l))) (func (drop (ref.null func)) (ref.null extern) (call $slow) (drop)))"#,
    );
    assert!(
        matches!(&refusal, Refusal::LiveReference { at, holder: Holder::Operand(0) } if at.function == Some(1)),
        "{refusal}"
    );
    says(&refusal, &["operand 0 holds", "in function 1"]);
}

#[test]
fn state_of_the_host_is_refused() {
    let table = refused(r#"(module (table 1 funcref) (table 1 externref))"#);
    assert_eq!(table, Refusal::HostReference { holder: Holder::Table(1) });
    says(&table, &["table 1", "handles"]);
    let global = refused(r#"(module (global (mut externref) (ref.null extern)))"#);
    assert_eq!(global, Refusal::HostReference { holder: Holder::Global(0) });
}

#[test]
fn a_module_is_transformed_once() {
    let wasm = wat::parse_str(r#"(module (func (export "f") (loop $l (br $l))))"#).unwrap();
    let once = transform(&wasm).expect("it loops, and that is all").wasm;
    let refusal = transform(&once).expect_err("it has the exports already");
    assert_eq!(refusal, Refusal::ReservedName { name: "delay.state".into() });
    says(&refusal, &["delay.state", "the original module"]);
}

#[test]
fn a_module_with_all_memories_it_may_have_is_refused() {
    let refusal = refused(&format!("(module {})", "(memory 0)".repeat(100)));
    assert_eq!(refusal, Refusal::TooLarge { what: Size::Memories, function: None, limit: 100 });
    says(&refusal, &["more than 100 memories"]);
}

#[test]
fn components_and_broken_bytes_are_refused() {
    let component = wat::parse_str("(component)").unwrap();
    assert_eq!(transform(&component), Err(Refusal::Component));
    says(&Refusal::Component, &["component unbundle"]);
    for bytes in [&b""[..], b"\0asm", b"hello world", b"\0asm\x01\0\0\0\x01\x7f"] {
        let refusal = transform(bytes).expect_err("no module");
        assert!(matches!(refusal, Refusal::Invalid { .. }), "{refusal}");
    }
    // Valid but for its types.
    let mut wasm = wat::parse_str(r#"(module (func (result i32) (i32.const 1)))"#).unwrap();
    let constant = wasm.windows(2).rposition(|pair| pair == [0x41, 1]).unwrap();
    wasm[constant] = 0x42;
    let refusal = transform(&wasm).expect_err("the wrong type");
    assert!(matches!(&refusal, Refusal::Invalid { at, .. } if at.function == Some(0)), "{refusal}");
    says(&refusal, &["not valid", "type mismatch"]);
}
