//! A program's memory as the host's functions see it: every address is a claim to be checked.

use crate::process::engine::Fault;
use crate::process::snapshot::Value;
use crate::process::trap::Trap;

/// A part of a program's memory.
pub(super) struct Part {
    start: usize,
    end: usize,
}

impl Part {
    /// So many bytes from an address on.
    pub(super) fn new(memory: &[u8], address: u32, length: u32) -> Result<Self, Fault> {
        let start = address as usize;
        let end = start.checked_add(length as usize).filter(|end| *end <= memory.len());
        let outside = || {
            let text = format!("{length} bytes at {address} are not inside its memory of {}", memory.len());
            Fault::new(Trap::AbiViolation, text)
        };
        Ok(Self { start, end: end.ok_or_else(outside)? })
    }

    pub(super) fn of<'a>(&self, memory: &'a [u8]) -> &'a [u8] {
        &memory[self.start..self.end]
    }

    pub(super) fn of_mut<'a>(&self, memory: &'a mut [u8]) -> &'a mut [u8] {
        &mut memory[self.start..self.end]
    }
}

/// The arguments of a call of the host, whose types were checked when the program was linked.
pub(super) fn word(arguments: &[Value], at: usize) -> u32 {
    match arguments.get(at) {
        Some(Value::I32(value)) => *value as u32,
        _ => 0,
    }
}

/// As [`word`], of 64 bits.
pub(super) fn long(arguments: &[Value], at: usize) -> i64 {
    match arguments.get(at) {
        Some(Value::I64(value)) => *value,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_wholly_inside_is_a_violation() {
        let memory = [0; 10];
        for (address, length) in [(0, 10), (10, 0), (3, 7)] {
            assert_eq!(Part::new(&memory, address, length).unwrap().of(&memory).len(), length as usize);
        }
        for (address, length) in [(0, 11), (10, 1), (11, 0), (u32::MAX, 1), (1, u32::MAX)] {
            let fault = Part::new(&memory, address, length).err().unwrap();
            assert_eq!(fault.trap, Trap::AbiViolation, "{address}, {length}");
        }
    }
}
