//! Lines as `sha256sum` of coreutils 9 prints them.

use std::io::{self, Write};
use std::path::Path;

/// Writes digest, two spaces and path. If the path has a character that would break a line, it is escaped, and the
/// line begins with a backslash to say so.
pub(crate) fn write_line(mut out: impl Write, digest: &[u8], path: &Path) -> io::Result<()> {
    let path = path.as_os_str().as_encoded_bytes();
    if path.iter().any(|byte| escape(*byte).is_some()) {
        out.write_all(b"\\")?;
    }
    for byte in digest {
        write!(out, "{byte:02x}")?;
    }
    out.write_all(b"  ")?;
    for byte in path {
        match escape(*byte) {
            Some(escaped) => out.write_all(escaped)?,
            None => out.write_all(&[*byte])?,
        }
    }
    out.write_all(b"\n")
}

fn escape(byte: u8) -> Option<&'static [u8]> {
    match byte {
        b'\\' => Some(b"\\\\"),
        b'\n' => Some(b"\\n"),
        b'\r' => Some(b"\\r"),
        _ => None,
    }
}
