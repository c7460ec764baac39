use bytes::Bytes;

use super::*;

fn sample() -> Snapshot {
    let mut state = State::new();
    for n in 0..40u128 {
        let payload = Bytes::from(format!("{{\"id\":\"{n}\",\"tags\":[\"t{}\"]}}", n % 3));
        state.insert(&"routes".into(), Uuid::from_u128(n), payload);
    }
    let version = Version {
        epoch: Uuid::from_u128(0x0190_d1c2_7a00_7000_8000_0000_0000_0000),
        revision: 7,
        digest: state.digest(),
    };
    Snapshot {
        version,
        state,
        explicit_empty: false,
    }
}

#[test]
fn a_file_reads_back() {
    let sample = sample();
    assert_eq!(read(&write(&sample), sample.state.bytes()).unwrap(), sample);
    for explicit_empty in [false, true] {
        let empty = Snapshot {
            version: Version {
                digest: Digest::default(),
                ..sample.version
            },
            state: State::new(),
            explicit_empty,
        };
        assert_eq!(read(&write(&empty), 0).unwrap(), empty);
    }
}

#[test]
fn every_truncation_and_every_flipped_bit_is_noticed() {
    let file = write(&sample());
    for length in 0..file.len() {
        assert!(read(&file[..length], u64::MAX).is_err(), "cut at {length}");
    }
    for bit in 0..file.len() * 8 {
        let mut damaged = file.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(read(&damaged, u64::MAX).is_err(), "bit {bit}");
    }
    assert!(read(&[file, vec![0]].concat(), u64::MAX).is_err());
}

/// What no accident makes but a bug might: a file whose checksum is right and whose content is not what it says.
#[test]
fn a_well_formed_file_with_the_wrong_content_is_refused() {
    let mut other = sample();
    other.version.digest = Digest::default();
    assert!(matches!(
        read(&write(&other), u64::MAX),
        Err(SnapshotError::Digest)
    ));

    let mut flagged = write(&sample());
    flagged[11] = 2;
    seal(&mut flagged);
    assert!(matches!(
        read(&flagged, u64::MAX),
        Err(SnapshotError::Flags(2))
    ));
}

#[test]
fn a_file_over_the_limit_is_refused_before_it_is_decoded() {
    let sample = sample();
    let error = read(&write(&sample), sample.state.bytes() - 1).unwrap_err();
    assert!(matches!(error, SnapshotError::TooLarge { .. }), "{error}");
}

/// Makes the checksum right again.
fn seal(file: &mut [u8]) {
    let (content, hash) = file.split_at_mut(file.len() - HASH_BYTES);
    hash.copy_from_slice(blake3::hash(content).as_bytes());
}

proptest::proptest! {
    /// Bytes of any kind, also under a right checksum, are an error and never a panic.
    #[test]
    fn nothing_makes_the_reader_panic(
        at in 8..400usize,
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
    ) {
        let _ = read(&bytes, u64::MAX);
        let mut file = write(&sample());
        let end = file.len() - HASH_BYTES;
        let at = at.min(end);
        let length = bytes.len().min(end - at);
        file[at..at + length].copy_from_slice(&bytes[..length]);
        seal(&mut file);
        let _ = read(&file, 1 << 20);
    }
}
