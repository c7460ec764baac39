//! Changes on the wire: length-delimited `Op`s under one zstd frame, sent in parts.
//!
//! A frame is encoded once per base and shared by every session; a receiver declares nothing: sizes come from `Begin`
//! and are checked before anything is allocated for them and again while decoding.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use prost::Message as _;
use uuid::Uuid;

use super::proto::op::Action;
use super::proto::{Begin, Op, Update};
use super::{Change, MAX_DOCUMENTS, MAX_KIND_BYTES, MAX_PAYLOAD_BYTES};

/// The most data that one part carries, so that heartbeats interleave.
pub const PART_BYTES: usize = 128 << 10;

/// zstd level 1: faster and smaller than 3 on this data.
const LEVEL: i32 = 1;
/// What an `Op` may weigh beside its payload.
const OP_OVERHEAD: usize = 1 << 10;
/// The decoder's window, 4 MiB at most: a frame cannot ask for gigabytes.
const WINDOW_LOG_MAX: u32 = 22;

/// An encoded update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// zstd over length-delimited `Op`s.
    pub data: Bytes,
    /// How long the ops are uncompressed.
    pub raw_bytes: u64,
}

/// Why received bytes are not an update.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The compressed form is damaged or cut.
    #[error("the update cannot be decompressed: {0}")]
    Compression(#[source] io::Error),
    /// More or fewer bytes than `Begin` declared.
    #[error("the update does not have the {declared} bytes it declared")]
    Size {
        /// What `Begin` said.
        declared: u64,
    },
    /// One operation is not a well-formed message.
    #[error("operation {index} of the update is malformed: {reason}")]
    Op {
        /// Counted from 0.
        index: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// More documents than any state may have.
    #[error("the update has more than {MAX_DOCUMENTS} operations")]
    TooMany,
}

/// Encodes changes in the order given.
pub fn encode<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Frame {
    let changes = changes.into_iter();
    write_ops(changes.map(|change| (&*change.kind, &change.id, change.payload.as_ref())))
}

/// Encodes a whole state as a snapshot.
pub fn encode_state(state: &super::State) -> Frame {
    write_ops(
        state
            .iter()
            .map(|(kind, id, payload)| (&**kind, id, Some(payload))),
    )
}

fn write_ops<'a>(ops: impl Iterator<Item = (&'a str, &'a Uuid, Option<&'a Bytes>)>) -> Frame {
    let mut out = zstd::Encoder::new(BytesMut::new().writer(), LEVEL).expect("level 1 exists");
    let mut buffer = BytesMut::new();
    let mut raw_bytes = 0;
    for (kind, id, payload) in ops {
        buffer.clear();
        op(kind, id, payload)
            .encode_length_delimited(&mut buffer)
            .expect("the buffer grows");
        raw_bytes += buffer.len() as u64;
        out.write_all(&buffer).expect("writing to memory");
    }
    let data = out.finish().expect("writing to memory").into_inner();
    Frame {
        data: data.freeze(),
        raw_bytes,
    }
}

fn op(kind: &str, id: &Uuid, payload: Option<&Bytes>) -> Op {
    let action = match payload {
        Some(_) => Action::Upsert,
        None => Action::Delete,
    };
    Op {
        op: action.into(),
        kind: kind.to_owned(),
        id: id.as_bytes().to_vec(),
        payload: payload.cloned().unwrap_or_default(),
    }
}

/// Decodes a frame; never reads further than `raw_bytes`, and every payload has an allocation of its own, so that a
/// document that stays does not keep a whole update alive.
pub fn decode(data: &[u8], raw_bytes: u64) -> Result<Vec<Change>, DecodeError> {
    let mut decoder = zstd::Decoder::with_buffer(data).map_err(DecodeError::Compression)?;
    decoder
        .window_log_max(WINDOW_LOG_MAX)
        .map_err(DecodeError::Compression)?;
    let mut ops = Ops {
        input: io::BufReader::with_capacity(64 << 10, decoder.single_frame()),
        left: raw_bytes,
        declared: raw_bytes,
        index: 0,
        kinds: BTreeSet::new(),
    };
    let mut changes = Vec::new();
    while ops.left > 0 {
        changes.push(ops.next()?);
        if changes.len() as u64 > MAX_DOCUMENTS {
            return Err(DecodeError::TooMany);
        }
    }
    ops.finish()?;
    Ok(changes)
}

/// Reads ops one by one and keeps count of what is left of the declared size.
struct Ops<R> {
    input: R,
    left: u64,
    declared: u64,
    index: usize,
    kinds: BTreeSet<Arc<str>>,
}

impl<R: Read> Ops<R> {
    fn next(&mut self) -> Result<Change, DecodeError> {
        let length = self.length()?;
        if length > MAX_PAYLOAD_BYTES + OP_OVERHEAD {
            return Err(self.malformed(format!("{length} bytes are more than a document may have")));
        }
        let mut bytes = vec![0; length];
        self.fill(&mut bytes)?;
        let op =
            Op::decode(Bytes::from(bytes)).map_err(|error| self.malformed(error.to_string()))?;
        let change = self.change(op)?;
        self.index += 1;
        Ok(change)
    }

    /// A varint of at most five bytes.
    fn length(&mut self) -> Result<usize, DecodeError> {
        let mut length = 0u64;
        for shift in (0..35).step_by(7) {
            let mut byte = [0];
            self.fill(&mut byte)?;
            length |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] & 0x80 == 0 {
                return Ok(length as usize);
            }
        }
        Err(self.malformed("its length does not end".to_owned()))
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), DecodeError> {
        let declared = self.declared;
        self.left = self
            .left
            .checked_sub(buffer.len() as u64)
            .ok_or(DecodeError::Size { declared })?;
        self.input
            .read_exact(buffer)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => DecodeError::Size { declared },
                _ => DecodeError::Compression(error),
            })
    }

    fn change(&mut self, op: Op) -> Result<Change, DecodeError> {
        let id = Uuid::from_slice(&op.id)
            .map_err(|_| self.malformed("its id is not 16 bytes".to_owned()))?;
        if op.kind.is_empty() || op.kind.len() > MAX_KIND_BYTES {
            return Err(self.malformed(format!("a kind has 1 to {MAX_KIND_BYTES} bytes")));
        }
        if op.payload.len() > MAX_PAYLOAD_BYTES {
            return Err(self.malformed(format!("a payload has at most {MAX_PAYLOAD_BYTES} bytes")));
        }
        let payload = match Action::try_from(op.op) {
            Ok(Action::Upsert) => Some(op.payload),
            Ok(Action::Delete) => None,
            _ => return Err(self.malformed("it neither sets nor deletes".to_owned())),
        };
        let kind = self.kind(&op.kind);
        Ok(Change { kind, id, payload })
    }

    /// One allocation per kind, not per document.
    fn kind(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.kinds.get(name) {
            return known.clone();
        }
        let kind: Arc<str> = name.into();
        self.kinds.insert(kind.clone());
        kind
    }

    /// The frame must end where the declared size does.
    fn finish(&mut self) -> Result<(), DecodeError> {
        match self.input.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(DecodeError::Size {
                declared: self.declared,
            }),
            Err(error) => Err(DecodeError::Compression(error)),
        }
    }

    fn malformed(&self, reason: String) -> DecodeError {
        DecodeError::Op {
            index: self.index,
            reason,
        }
    }
}

/// Cuts a frame into the messages that carry it; `begin` goes with the first.
pub fn updates(id: u64, begin: Begin, data: &Bytes) -> impl Iterator<Item = Update> + use<> {
    let (data, mut begin, mut next) = (data.clone(), Some(begin), Some(0));
    std::iter::from_fn(move || {
        let start = next?;
        let end = data.len().min(start + PART_BYTES);
        let last = end == data.len();
        next = (!last).then_some(end);
        Some(Update {
            id,
            begin: begin.take(),
            data: data.slice(start..end),
            last,
        })
    })
}

/// Why parts do not make an update.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssemblyError {
    /// A part without a beginning, of another update, or a second beginning.
    #[error("part of update {got} where update {expected} is outstanding")]
    OutOfOrder {
        /// The update being received.
        expected: u64,
        /// The part's.
        got: u64,
    },
    /// More data than the declared size can compress to.
    #[error("the parts are longer than {declared} declared bytes can be")]
    TooLong {
        /// What `Begin` said.
        declared: u64,
    },
}

/// The parts of one update until the last has come.
#[derive(Debug)]
pub struct Assembly {
    /// The update's number in this session.
    pub id: u64,
    /// What was declared with the first part.
    pub begin: Begin,
    data: BytesMut,
}

impl Assembly {
    /// Begins to collect. Sizes in `begin` are the caller's to refuse first.
    pub fn new(id: u64, begin: Begin) -> Self {
        Self {
            id,
            begin,
            data: BytesMut::new(),
        }
    }

    /// Takes the next part; after the last one, all of the data.
    pub fn push(&mut self, part: &Update) -> Result<Option<Bytes>, AssemblyError> {
        if part.id != self.id {
            return Err(AssemblyError::OutOfOrder {
                expected: self.id,
                got: part.id,
            });
        }
        let length = (self.data.len() + part.data.len()) as u64;
        if length > longest(self.begin.raw_bytes) {
            return Err(AssemblyError::TooLong {
                declared: self.begin.raw_bytes,
            });
        }
        self.data.extend_from_slice(&part.data);
        Ok(part.last.then(|| self.data.split().freeze()))
    }
}

/// zstd's own bound for data that does not compress, with room for its frame.
fn longest(raw_bytes: u64) -> u64 {
    raw_bytes
        .saturating_add(raw_bytes / 128)
        .saturating_add(512)
}
