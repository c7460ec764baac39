//! The fingerprint of a whole state: a sum over its documents, so order does not matter and a change costs two hashes.

use std::fmt;

use uuid::Uuid;

/// How long a digest is on the wire and on disk.
pub const DIGEST_BYTES: usize = 40;

/// Order-independent fingerprint of a whole state; a changed document costs two leaf hashes.
///
/// It protects from accidents (lost or doubled changes, a wrong base, bad memory), not from adversaries: colliding sums
/// can be constructed. TLS with role-checked certificates protects from those.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Digest {
    lanes: [u64; 4],
    documents: u64,
}

/// The hash of one document, as it enters a [`Digest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf([u64; 4]);

/// BLAKE3("headgate/leaf/1" ‖ u32 len ‖ kind ‖ id\[16\] ‖ u64 len ‖ payload) as four big-endian u64; lengths are big
/// endian too. Lengths are hashed, so content cannot imitate a separator.
pub fn leaf(kind: &str, id: &Uuid, payload: &[u8]) -> Leaf {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"headgate/leaf/1");
    hasher.update(&(kind.len() as u32).to_be_bytes());
    hasher.update(kind.as_bytes());
    hasher.update(id.as_bytes());
    hasher.update(&(payload.len() as u64).to_be_bytes());
    hasher.update(payload);
    let hash = hasher.finalize();
    Leaf(std::array::from_fn(|lane| word(hash.as_bytes(), lane)))
}

impl Digest {
    /// Counts one document in.
    pub fn add(&mut self, leaf: Leaf) {
        self.fold(leaf, u64::wrapping_add);
    }

    /// Takes one document out again.
    pub fn remove(&mut self, leaf: Leaf) {
        self.fold(leaf, u64::wrapping_sub);
    }

    fn fold(&mut self, leaf: Leaf, op: fn(u64, u64) -> u64) {
        for (lane, part) in self.lanes.iter_mut().zip(leaf.0) {
            *lane = op(*lane, part);
        }
        self.documents = op(self.documents, 1);
    }

    /// How many documents the state has.
    pub fn documents(&self) -> u64 {
        self.documents
    }

    /// The four lanes and the count, big endian.
    pub fn to_bytes(&self) -> [u8; DIGEST_BYTES] {
        let mut bytes = [0; DIGEST_BYTES];
        let words = self.lanes.iter().chain([&self.documents]);
        for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }

    /// Reads what [`Digest::to_bytes`] wrote; `None` if the length is another.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        (bytes.len() == DIGEST_BYTES).then(|| Self {
            lanes: std::array::from_fn(|lane| word(bytes, lane)),
            documents: word(bytes, 4),
        })
    }

    /// Reads the hexadecimal form that `Display` writes.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; DIGEST_BYTES];
        if text.len() != 2 * DIGEST_BYTES || !text.is_ascii() {
            return None;
        }
        for (place, at) in bytes.iter_mut().zip((0..text.len()).step_by(2)) {
            *place = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
        }
        Self::from_bytes(&bytes)
    }
}

fn word(bytes: &[u8], index: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[index * 8..index * 8 + 8]);
    u64::from_be_bytes(word)
}

/// All 40 bytes in hexadecimal.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_bytes()
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}
