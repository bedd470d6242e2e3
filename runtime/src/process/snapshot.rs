//! A suspended program as bytes: it resumes in any engine, on any machine, but only in the module that it came from.
//!
//! The layout, all numbers little-endian: magic, [`VERSION`], [`REVISION`], the module's hash, the function that was called,
//! the globals, the memories (pages of 4 KiB, those of zeros left out), the tables. Nothing is trusted when it is read: no
//! length is believed before it is compared with what is there, and with the [`SnapshotLimits`].

use std::error::Error;
use std::fmt;

use sha2::{Digest, Sha256};

use super::bytes::{Reader, Writer};
use super::suspend::REVISION;

/// The version of the layout.
pub const VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"delaysnp";

const PAGE: usize = 4096;

const ZEROS: [u8; PAGE] = [0; PAGE];

/// Which module a snapshot belongs to: the SHA-256 of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ModuleHash(pub [u8; 32]);

impl ModuleHash {
    /// The hash of a module.
    pub fn of(wasm: &[u8]) -> Self {
        Self(Sha256::digest(wasm).into())
    }
}

impl fmt::Display for ModuleHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Enough to tell modules apart by eye.
        self.0.iter().take(6).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// All that a suspended program is.
///
/// ```
/// # use delay::process::snapshot::{ModuleHash, Snapshot, SnapshotError, SnapshotLimits, Value};
/// let module = ModuleHash::of(b"the transformed module");
/// let snapshot = Snapshot {
///     module,
///     function: "run".into(),
///     globals: vec![("delay.global.0".into(), Value::I64(7))],
///     memories: vec![("delay.memory.0".into(), vec![0; 65536])],
///     tables: vec![],
/// };
/// let limits = SnapshotLimits::default();
/// let bytes = snapshot.encode(limits)?;
/// assert!(bytes.len() < 250);
/// assert_eq!(Snapshot::decode(&bytes, module, limits)?, snapshot);
/// # Ok::<(), SnapshotError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The module: the one that was transformed, or the transformed one, but always the same.
    pub module: ModuleHash,
    /// The export that was called, and is to be called again.
    pub function: String,
    /// The globals by their exports' names.
    pub globals: Vec<(String, Value)>,
    /// The memories by their exports' names; the frames are one of them.
    pub memories: Vec<(String, Vec<u8>)>,
    /// The tables by their exports' names: indices into the table of functions.
    pub tables: Vec<(String, Vec<Option<u32>>)>,
}

/// What a global holds. Floating point is kept as bits: no kind of not-a-number gets lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// A number of 32 bits.
    I32(i32),
    /// A number of 64 bits.
    I64(i64),
    /// The bits of a floating-point number.
    F32(u32),
    /// The bits of a floating-point number.
    F64(u64),
    /// A vector.
    V128(u128),
    /// A function, by its index in the table of functions.
    Function(Option<u32>),
}

/// How large a snapshot may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotLimits {
    /// The most bytes of the snapshot itself.
    pub bytes: usize,
    /// The most bytes of all memories and tables that it is unpacked to.
    pub unpacked: usize,
}

impl Default for SnapshotLimits {
    /// 64 MiB, and 1 GiB unpacked.
    fn default() -> Self {
        Self { bytes: 64 << 20, unpacked: 1 << 30 }
    }
}

/// Why a snapshot was not written or not read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SnapshotError {
    /// These bytes are something else.
    NotASnapshot,
    /// Another version of the layout, or of the transform.
    Version {
        /// The layout's version.
        version: u32,
        /// The transform's revision.
        revision: u32,
    },
    /// The snapshot of another module.
    ForeignModule {
        /// The module that was to be resumed.
        expected: ModuleHash,
        /// The module that the snapshot belongs to.
        found: ModuleHash,
    },
    /// More bytes than allowed.
    TooLarge {
        /// The limit.
        most: usize,
    },
    /// The bytes contradict themselves.
    Corrupt {
        /// Where.
        offset: usize,
        /// What was to be read.
        what: &'static str,
    },
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotASnapshot => f.write_str("these bytes are not a snapshot of a program"),
            Self::Version { version, revision } => write!(
                f,
                "the snapshot has version {version} and revision {revision}, and this is version {VERSION} and revision {REVISION}: resume it with the version of the library that wrote it, or run the program from its start"
            ),
            Self::ForeignModule { expected, found } => write!(
                f,
                "the snapshot belongs to module {found}, not to module {expected}: a program resumes only in the very module that was suspended"
            ),
            Self::TooLarge { most } => write!(
                f,
                "the snapshot is larger than {most} bytes: raise the limit, or let the program use less memory"
            ),
            Self::Corrupt { offset, what } => {
                write!(f, "the snapshot is damaged at byte {offset}, where {what} should be")
            }
        }
    }
}

impl Error for SnapshotError {}

impl Snapshot {
    /// The snapshot as bytes.
    ///
    /// # Errors
    /// [`SnapshotError::TooLarge`] if there would be more than the limit.
    pub fn encode(&self, limits: SnapshotLimits) -> Result<Vec<u8>, SnapshotError> {
        let mut writer = Writer::new(limits.bytes);
        writer.put(&MAGIC)?;
        writer.put(&VERSION.to_le_bytes())?;
        writer.put(&REVISION.to_le_bytes())?;
        writer.put(&self.module.0)?;
        writer.text(&self.function)?;
        writer.number(self.globals.len())?;
        for (name, value) in &self.globals {
            writer.text(name)?;
            write_value(&mut writer, *value)?;
        }
        writer.number(self.memories.len())?;
        for (name, memory) in &self.memories {
            writer.text(name)?;
            write_memory(&mut writer, memory)?;
        }
        writer.number(self.tables.len())?;
        for (name, table) in &self.tables {
            writer.text(name)?;
            writer.number(table.len())?;
            for element in table {
                write_reference(&mut writer, *element)?;
            }
        }
        Ok(writer.finish())
    }

    /// Reads a snapshot of this module.
    ///
    /// # Errors
    /// A [`SnapshotError`] for whatever is not exactly what [`Self::encode`] writes for this module.
    pub fn decode(bytes: &[u8], module: ModuleHash, limits: SnapshotLimits) -> Result<Self, SnapshotError> {
        if bytes.len() > limits.bytes {
            return Err(SnapshotError::TooLarge { most: limits.bytes });
        }
        let mut reader = Reader::new(bytes);
        let mut room = Room { left: limits.unpacked, most: limits.unpacked };
        if reader.take(MAGIC.len(), "the magic") != Ok(&MAGIC[..]) {
            return Err(SnapshotError::NotASnapshot);
        }
        let (version, revision) = (reader.u32("the version")?, reader.u32("the revision")?);
        if (version, revision) != (VERSION, REVISION) {
            return Err(SnapshotError::Version { version, revision });
        }
        let found = ModuleHash(reader.array("the module's hash")?);
        if found != module {
            return Err(SnapshotError::ForeignModule { expected: module, found });
        }
        let function = reader.text("the function's name")?;
        let globals = reader.list(|reader| Ok((reader.text("a global's name")?, read_value(reader)?)))?;
        let memories = reader.list(|reader| Ok((reader.text("a memory's name")?, room.memory(reader)?)))?;
        let tables = reader.list(|reader| {
            let name = reader.text("a table's name")?;
            Ok((name, reader.list(read_reference)?))
        })?;
        reader.end()?;
        Ok(Self { module, function, globals, memories, tables })
    }
}

fn write_reference(writer: &mut Writer, function: Option<u32>) -> Result<(), SnapshotError> {
    writer.put(&function.unwrap_or(u32::MAX).to_le_bytes())
}

fn write_value(writer: &mut Writer, value: Value) -> Result<(), SnapshotError> {
    let (kind, bits) = match value {
        Value::I32(value) => (0, u128::from(value as u32)),
        Value::I64(value) => (1, u128::from(value as u64)),
        Value::F32(bits) => (2, u128::from(bits)),
        Value::F64(bits) => (3, u128::from(bits)),
        Value::V128(bits) => (4, bits),
        Value::Function(function) => (5, u128::from(function.unwrap_or(u32::MAX))),
    };
    writer.put(&[kind])?;
    writer.put(&bits.to_le_bytes())
}

fn write_memory(writer: &mut Writer, memory: &[u8]) -> Result<(), SnapshotError> {
    writer.number(memory.len())?;
    // Compared with a page of zeros at once: most pages of most programs are.
    let pages = || memory.chunks(PAGE).enumerate().filter(|(_, page)| **page != ZEROS[..page.len()]);
    writer.number(pages().count())?;
    for (index, page) in pages() {
        writer.number(index)?;
        writer.put(page)?;
    }
    Ok(())
}

fn read_reference(reader: &mut Reader<'_>) -> Result<Option<u32>, SnapshotError> {
    Ok(Some(reader.u32("a function's index")?).filter(|index| *index != u32::MAX))
}

fn read_value(reader: &mut Reader<'_>) -> Result<Value, SnapshotError> {
    let [kind] = reader.array("a global's kind")?;
    let bits = u128::from_le_bytes(reader.array("a global's value")?);
    let narrow = |most: u128| if bits <= most { Ok(bits) } else { Err(reader.corrupt("a global's value")) };
    Ok(match kind {
        0 => Value::I32(narrow(u32::MAX.into())? as u32 as i32),
        1 => Value::I64(narrow(u64::MAX.into())? as u64 as i64),
        2 => Value::F32(narrow(u32::MAX.into())? as u32),
        3 => Value::F64(narrow(u64::MAX.into())? as u64),
        4 => Value::V128(bits),
        5 => Value::Function(Some(narrow(u32::MAX.into())? as u32).filter(|index| *index != u32::MAX)),
        _ => return Err(reader.corrupt("a global's kind")),
    })
}

/// What may still be unpacked, and how much it was.
struct Room {
    left: usize,
    most: usize,
}

impl Room {
    fn memory(&mut self, reader: &mut Reader<'_>) -> Result<Vec<u8>, SnapshotError> {
        let size = reader.number("a memory's size")?;
        self.left = self.left.checked_sub(size).ok_or(SnapshotError::TooLarge { most: self.most })?;
        let mut memory = vec![0; size];
        let mut next = 0;
        for _ in 0..reader.number("a count of pages")? {
            let index = reader.number("a page's index")?;
            let start = index.checked_mul(PAGE).filter(|start| index >= next && *start < size);
            let start = start.ok_or_else(|| reader.corrupt("a page's index"))?;
            let end = size.min(start + PAGE);
            memory[start..end].copy_from_slice(reader.take(end - start, "a page")?);
            next = index + 1;
        }
        Ok(memory)
    }
}
