//! What a program's checkpoint holds: the steps that are done, and the program itself as it was when it was stored last.
//!
//! The steps are newer than the program: each is stored when it is done, the program only when it is suspended. So a
//! program that goes on from before a step finds the step done.

use crate::process::bytes::{Reader, Writer};
use crate::process::snapshot::{ModuleHash, SnapshotError};

/// The version of the layout.
const VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"delaychk";

/// A checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Saved {
    /// Keys and results of the steps that are done, in their order.
    pub(super) steps: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) frozen: Option<Frozen>,
}

/// A suspended program, with what the host's services know of it at that moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frozen {
    /// An encoded [`Snapshot`](crate::process::snapshot::Snapshot).
    pub(super) snapshot: Vec<u8>,
    /// What it has written of its result.
    pub(super) output: Vec<u8>,
    /// How many tasks it has enqueued.
    pub(super) enqueued: u64,
    /// How many nanoseconds it has run.
    pub(super) elapsed: u64,
    /// What is left of its fuel.
    pub(super) fuel: Option<u64>,
}

impl Saved {
    /// Whether there is anything worth keeping.
    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.frozen.is_none()
    }

    pub(super) fn encode(&self, module: ModuleHash, most: usize) -> Result<Vec<u8>, SnapshotError> {
        let mut writer = Writer::new(most);
        writer.put(&MAGIC)?;
        writer.put(&VERSION.to_le_bytes())?;
        writer.put(&module.0)?;
        writer.number(self.steps.len())?;
        for (key, value) in &self.steps {
            writer.block(key)?;
            writer.block(value)?;
        }
        let Some(frozen) = &self.frozen else {
            writer.put(&[0])?;
            return Ok(writer.finish());
        };
        writer.put(&[1])?;
        writer.block(&frozen.snapshot)?;
        writer.block(&frozen.output)?;
        writer.put(&frozen.enqueued.to_le_bytes())?;
        writer.put(&frozen.elapsed.to_le_bytes())?;
        writer.put(&[u8::from(frozen.fuel.is_some())])?;
        writer.put(&frozen.fuel.unwrap_or(0).to_le_bytes())?;
        Ok(writer.finish())
    }

    /// Reads a checkpoint of this module; nothing in it is trusted.
    pub(super) fn decode(bytes: &[u8], module: ModuleHash) -> Result<Self, SnapshotError> {
        let mut reader = Reader::new(bytes);
        if reader.take(MAGIC.len(), "the magic") != Ok(&MAGIC[..]) {
            return Err(SnapshotError::NotASnapshot);
        }
        let version = reader.u32("the version")?;
        if version != VERSION {
            return Err(SnapshotError::Version { version, revision: crate::process::suspend::REVISION });
        }
        let found = ModuleHash(reader.array("the module's hash")?);
        if found != module {
            return Err(SnapshotError::ForeignModule { expected: module, found });
        }
        let steps = reader.list(|reader| {
            Ok((reader.block("a step's key")?.to_vec(), reader.block("a step's value")?.to_vec()))
        })?;
        let frozen = match reader.array("whether there is a program")? {
            [0] => None,
            [1] => Some(Frozen {
                snapshot: reader.block("a snapshot")?.to_vec(),
                output: reader.block("the output")?.to_vec(),
                enqueued: reader.u64("a count of tasks")?,
                elapsed: reader.u64("a length of time")?,
                fuel: match (reader.array("whether there is fuel")?, reader.u64("the fuel")?) {
                    ([0], 0) => None,
                    ([1], fuel) => Some(fuel),
                    _ => return Err(reader.corrupt("the fuel")),
                },
            }),
            _ => return Err(reader.corrupt("whether there is a program")),
        };
        reader.end()?;
        Ok(Self { steps, frozen })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved() -> Saved {
        Saved {
            steps: vec![(b"charge".to_vec(), b"receipt".to_vec()), (Vec::new(), Vec::new())],
            frozen: Some(Frozen {
                snapshot: vec![1, 2, 3],
                output: vec![4],
                enqueued: 5,
                elapsed: 6,
                fuel: Some(7),
            }),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let module = ModuleHash::of(b"m");
        let without_fuel =
            Saved { frozen: saved().frozen.map(|frozen| Frozen { fuel: None, ..frozen }), ..saved() };
        for saved in [saved(), without_fuel, Saved { frozen: None, ..saved() }, Saved::default()] {
            let bytes = saved.encode(module, 1 << 20).unwrap();
            assert_eq!(Saved::decode(&bytes, module), Ok(saved));
        }
    }

    #[test]
    fn foreign_newer_cut_and_too_large_ones_are_refused() {
        let module = ModuleHash::of(b"m");
        let bytes = saved().encode(module, 1 << 20).unwrap();
        let other = ModuleHash::of(b"n");
        let foreign = SnapshotError::ForeignModule { expected: other, found: module };
        assert_eq!(Saved::decode(&bytes, other), Err(foreign));
        let mut newer = bytes.clone();
        newer[8] = 2;
        assert!(matches!(Saved::decode(&newer, module), Err(SnapshotError::Version { version: 2, .. })));
        for end in 0..bytes.len() {
            assert!(Saved::decode(&bytes[..end], module).is_err(), "{end} bytes");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(Saved::decode(&longer, module).is_err());
        assert_eq!(saved().encode(module, 60), Err(SnapshotError::TooLarge { most: 60 }));
    }
}
