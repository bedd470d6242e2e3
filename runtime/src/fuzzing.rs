//! What the fuzz targets do with their bytes: everything that a stranger can make this crate do before anything is
//! known of the stranger.
//!
//! Owns the properties that must hold for any bytes, beyond that nothing panics. Built only with `--cfg fuzzing`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::clock::Clock;
use crate::codec::{self, Arguments, Invocation};
use crate::http::{self, Keys, Presented, TaskHeaders, Verifier};
use crate::limits::Limits;
use crate::process::{self, Reader, decode_data, decode_flow, encode_data, encode_flow};
use crate::queues::changes;
use crate::queues::file::{Format, QueueFile};
use crate::store::Retention;
use crate::store::memory::MemoryStore;
use crate::time::Timestamp;

/// A type that recurses as deep as the bytes let it.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Tree {
    Leaf(Option<i64>),
    Text(String),
    Boxed(Box<Tree>),
    Many(Vec<Tree>),
    Named { left: Option<Box<Tree>>, right: Option<Box<Tree>> },
}

/// A payload: taken apart, decoded into a recursive type, and shown.
pub fn payload(data: &[u8]) {
    codec::describe(data);
    codec::to_json(data);
    if let Ok(tree) = codec::from_slice::<Tree>(data) {
        let again = codec::to_vec(&tree).expect("what was decoded can be encoded");
        let back: Tree = codec::from_slice(&again).expect("what was encoded can be decoded");
        assert_eq!(back, tree);
    }
    let Ok(invocation) = Invocation::parse(data) else { return };
    assert!(data.len() >= invocation.function.len() + invocation.arguments.len());
    let Ok(mut arguments) = Arguments::parse(invocation.arguments) else { return };
    arguments.rename("b", "tree");
    arguments.ignore("c");
    let taken = arguments.required::<Tree>("tree").is_ok();
    let _ = arguments.optional::<Vec<String>>("a", Vec::new);
    assert!(!taken || arguments.raw("tree").is_none(), "an argument can be taken once");
    let _ = arguments.finish();
}

/// The headers of a request: lines of `name: value`, then an empty line and the body.
pub fn signature(data: &[u8]) {
    let (head, body) = match data.windows(2).position(|pair| pair == b"\n\n") {
        Some(end) => (&data[..end], &data[end + 2..]),
        None => (data, &b""[..]),
    };
    let headers: Vec<(String, &[u8])> = head
        .split(|byte| *byte == b'\n')
        .filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            Some((String::from_utf8_lossy(&line[..colon]).into_owned(), line[colon + 1..].trim_ascii()))
        })
        .collect();
    let all = || headers.iter().map(|(name, value)| (name.as_str(), *value));
    if let Ok(task) = TaskHeaders::read(all()) {
        let pairs = task.pairs();
        let back = TaskHeaders::read(pairs.iter().map(|(name, value)| (name, value.as_bytes())));
        assert_eq!(back, Ok(task), "what is written is read back");
    }
    let keys = Keys::new(http::Key::generate().parse().expect("a new key is a key"));
    let now = Presented::read(all()).map_or(0, |presented| presented.timestamp());
    let verdict =
        Verifier::new(keys).verify(all(), body, Timestamp::from_micros(now.saturating_mul(1_000_000)));
    assert!(verdict.is_err(), "nobody can sign with a key that was made a moment ago");
}

/// What a process may send to its host: the first byte says how it is cut, the rest is the wire.
pub fn packet(data: &[u8]) {
    let Some((&cut, wire)) = data.split_first() else { return };
    let read = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let (mut reader, mut packets) = (Reader::default(), Vec::new());
        for piece in pieces {
            reader.push(piece);
            loop {
                match reader.next() {
                    Ok(Some(packet)) => packets.push(packet),
                    Ok(None) => break,
                    Err(lie) => return (packets, Some(lie)),
                }
            }
        }
        (packets, None)
    };
    let (packets, lie) = read(&mut std::iter::once(wire));
    let cut = read(&mut wire.chunks(usize::from(cut).max(1)));
    assert_eq!(cut, (packets.clone(), lie), "however it is cut, it says the same");
    let mut again = Vec::new();
    packets.iter().for_each(|packet| packet.encode(&mut again));
    assert!(wire.starts_with(&again), "what was read is what is written");
    for packet in &packets {
        if let Ok(grants) = decode_flow(&packet.content) {
            assert_eq!(encode_flow(&grants), packet.content);
        }
        if let Ok((stream, note, data)) = decode_data(&packet.content) {
            assert_eq!(encode_data(stream, note, data), packet.content);
        }
    }
    let store = Arc::new(MemoryStore::new(Clock::System, Retention::default()));
    process::serve_foreign(Client::new(store, Limits::default()), packets);
}

/// A file of queues in both formats.
pub fn queue_file(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for format in [Format::Yaml, Format::Toml] {
        match QueueFile::parse("file", text, format) {
            Ok(file) => {
                assert!(changes(&file.queues, &file.queues).is_empty());
                for queue in &file.queues {
                    let packed = codec::to_vec(queue).expect("a configuration can be packed");
                    assert_eq!(codec::from_slice(&packed).as_ref(), Ok(queue), "and unpacked");
                }
            }
            Err(error) => {
                assert!(!error.mistakes().is_empty(), "an error without a mistake");
                // To YAML a carriage return alone ends a line, too.
                let lines = text.split(['\n', '\r']).count();
                for mistake in error.mistakes() {
                    assert!((1..=lines).contains(&mistake.line), "{mistake:?} is outside of the file");
                }
            }
        }
    }
}
