//! Trees to be summed up: the same ones every time, with names and sizes that are hard on whoever lists them.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;
use std::process::Command;

/// Random numbers that are the same every time (SplitMix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("it is smaller than a usize")
    }

    fn of<'a, T>(&mut self, choice: &'a [T]) -> &'a T {
        &choice[self.below(choice.len())]
    }
}

/// Beginnings of names. `a`, `a.b` and `a-b` tell the order of whole paths from the order within a folder.
const NAMES: &[&[u8]] = &[
    b"a",
    b"a.b",
    b"a-b",
    b"with space",
    b" ",
    b"quote'\"`",
    b"back\\slash",
    b"new\nline",
    b"tab\t",
    b"-dash",
    b"*glob?[x]",
    b"$HOME",
    b".hidden",
    b"\xff\xfe\x80",
    b"\xc3\xa4\xe2\x82\xac",
    b"\x01\x7f",
    b"%s %n",
];

/// Around the block and the padding of SHA-256; never more than a buffer.
const SIZES: &[usize] = &[0, 1, 55, 56, 63, 64, 65, 100, 119, 120, 128, 500, 2000];

/// Makes so many files below `dir`, in nested folders, one of them larger than 1 MiB.
pub(crate) fn grow(dir: &Path, files: usize) {
    let mut random = Random(42);
    let mut names = NAMES.to_vec();
    if sha256sum_escapes_carriage_returns(dir) {
        names.push(b"carriage\rreturn");
    }
    let mut folders = vec![dir.to_owned()];
    let mut made = 0;
    while made < files {
        let mut name = random.of(&names).to_vec();
        if random.below(20) > 0 {
            name.extend(random.below(300).to_string().bytes());
        }
        let path = random.of(&folders).join(OsString::from_vec(name));
        if path.exists() {
            continue;
        }
        if random.below(20) == 0 && path.components().count() < dir.components().count() + 8 {
            fs::create_dir(&path).expect("a folder");
            folders.push(path);
            continue;
        }
        let size = if made == files / 2 { (1 << 20) + 4321 } else { *random.of(SIZES) };
        let content: Vec<u8> = (0..size.div_ceil(8)).flat_map(|_| random.next().to_le_bytes()).collect();
        fs::write(&path, &content[..size]).expect("a file");
        made += 1;
    }
}

/// Those of coreutils before 9.0 do not.
fn sha256sum_escapes_carriage_returns(dir: &Path) -> bool {
    let probe = dir.join("\r");
    fs::write(&probe, "").expect("a file");
    let output = Command::new("sha256sum").arg(&probe).output().expect("there is a sha256sum");
    fs::remove_file(&probe).expect("it was just made");
    output.stdout.starts_with(b"\\")
}

/// What the system's own tools print for the tree.
pub(crate) fn sums(dir: &Path) -> Vec<u8> {
    let pipeline = r#"find "$1" -type f -print0 | LC_ALL=C sort -z | LC_ALL=C xargs -0 sha256sum"#;
    let output = Command::new("sh").args(["-c", pipeline, "sh"]).arg(dir).output().expect("there is a shell");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Fails with the first line that differs, for the whole would be thousands of lines.
pub(crate) fn assert_same(found: &[u8], expected: &[u8]) {
    let lines =
        |bytes: &[u8]| bytes.split_inclusive(|byte| *byte == b'\n').map(Vec::from).collect::<Vec<_>>();
    let (found, expected) = (lines(found), lines(expected));
    for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert_eq!(found.escape_ascii().to_string(), expected.escape_ascii().to_string(), "line {at}");
    }
    assert_eq!(found.len(), expected.len(), "the number of lines");
}
