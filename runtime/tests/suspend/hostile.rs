//! Hostile bytes: a module or a refusal, never a panic, and not for ever. `DELAY_MUTATIONS=N` sets how many are tried.

use delay::process::suspend::{Coverage, Refusal, Size, transform, transform_with};
use wasmparser::{Validator, WasmFeatures};

use crate::smith::{Random, generate};

fn is_valid(wasm: &[u8]) -> bool {
    Validator::new_with_features(WasmFeatures::all()).validate_all(wasm).is_ok()
}

#[test]
fn mutated_modules_are_transformed_into_valid_ones_or_refused() {
    let count = std::env::var("DELAY_MUTATIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(3_000);
    let mut random = Random(7);
    let seeds: Vec<Vec<u8>> = (10_000..10_040).filter_map(generate).collect();
    let (mut transformed, mut refused) = (0, 0);
    for round in 0..count {
        let mut wasm = seeds[round % seeds.len()].clone();
        for _ in 0..1 + random.next() % 4 {
            let at = random.next() as usize % wasm.len();
            match random.next() % 4 {
                0 => wasm.truncate(at.max(1)),
                1 => wasm[at] = random.next() as u8,
                2 => wasm[at] ^= 1 << (random.next() % 8),
                _ => wasm.insert(at, random.next() as u8),
            }
        }
        let coverage = if round % 2 == 0 { Coverage::Unbounded } else { Coverage::Every };
        match transform_with(&wasm, coverage) {
            Ok(suspendable) => {
                assert!(is_valid(&suspendable.wasm), "round {round}: the output is not valid");
                transformed += 1;
            }
            Err(refusal) => {
                // Its text can be made as well.
                assert!(!refusal.to_string().is_empty());
                refused += 1;
            }
        }
    }
    println!("{count} mutations: {transformed} transformed, {refused} refused");
    assert!(transformed > count / 100 && refused > count / 100, "{transformed} and {refused}");
}

/// A module of one function with this body, made of bytes: text would be parsed recursively.
fn one_function(locals: u32, body: &[u8]) -> Vec<u8> {
    fn number(mut value: u32, bytes: &mut Vec<u8>) {
        while value >= 0x80 {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
    }
    let mut code = Vec::new();
    number(u32::from(locals > 0), &mut code);
    if locals > 0 {
        number(locals, &mut code);
        code.push(0x7f);
    }
    code.extend_from_slice(body);
    code.push(0x0b);
    let mut section = vec![1];
    number(code.len() as u32, &mut section);
    section.extend(code);
    let mut wasm = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a".to_vec();
    number(section.len() as u32, &mut wasm);
    wasm.extend(section);
    wasm
}

#[test]
fn deep_nesting_needs_no_deep_stack() {
    for open in [[0x02, 0x40], [0x03, 0x40]] {
        let depth = 100_000;
        let mut body = open.repeat(depth);
        // A loop at the bottom, so that every block contains a point.
        body.extend([0x03, 0x40, 0x0b]);
        body.extend(vec![0x0b; depth]);
        let suspendable = transform(&one_function(0, &body)).expect("deep, but not large");
        assert!(is_valid(&suspendable.wasm));
    }
}

#[test]
fn a_function_with_too_much_to_save_is_refused_in_time() {
    // Fifty thousand variables, read after each of a thousand loops.
    let mut body = [0x03, 0x40, 0x0b].repeat(1_000);
    for local in 0..49_900u32 {
        body.extend([0x20, local as u8 | 0x80, (local >> 7) as u8 | 0x80, (local >> 14) as u8, 0x1a]);
    }
    let refusal = transform(&one_function(49_900, &body)).expect_err("far too large");
    assert!(matches!(refusal, Refusal::TooLarge { what: Size::Saved, function: Some(0), .. }), "{refusal}");
}

#[test]
fn a_function_that_is_hard_to_analyse_is_refused_in_time() {
    // Many variables and many blocks: the sets alone would take gigabytes.
    let mut body = [0x03, 0x40].repeat(100_000);
    body.extend(vec![0x0b; 100_000]);
    let refusal = transform(&one_function(49_900, &body)).expect_err("too hard");
    assert!(
        matches!(refusal, Refusal::TooLarge { what: Size::Liveness, function: Some(0), .. }),
        "{refusal}"
    );
}

#[test]
fn a_function_that_would_grow_too_large_is_refused() {
    // A few hundred variables, read after each of many loops.
    let mut body = [0x03, 0x40, 0x0b].repeat(4_000);
    for local in 0..200u32 {
        body.extend([0x20, local as u8 | 0x80, (local >> 7) as u8, 0x1a]);
    }
    let refusal = transform(&one_function(200, &body)).expect_err("too large");
    assert!(
        matches!(refusal, Refusal::TooLarge { what: Size::Function, function: Some(0), .. }),
        "{refusal}"
    );
    let mut many = one_function(49_999, &[0x03, 0x40, 0x0b]);
    assert!(transform(&many).is_ok_and(|suspendable| is_valid(&suspendable.wasm)));
    many = one_function(50_000, &[0x03, 0x40, 0x0b]);
    let refusal = transform(&many).expect_err("one variable is added");
    assert!(matches!(refusal, Refusal::TooLarge { what: Size::Locals, .. }), "{refusal}");
}
