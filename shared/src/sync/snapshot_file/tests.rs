use bytes::Bytes;

use super::*;

fn sample() -> (Version, State) {
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
    (version, state)
}

#[test]
fn a_file_reads_back() {
    let (version, state) = sample();
    let file = write(&version, &state);
    assert_eq!(read(&file, state.bytes()).unwrap(), (version, state));
    let empty = Version {
        digest: Digest::default(),
        ..version
    };
    let file = write(&empty, &State::new());
    assert_eq!(read(&file, 0).unwrap(), (empty, State::new()));
}

#[test]
fn every_truncation_and_every_flipped_bit_is_noticed() {
    let (version, state) = sample();
    let file = write(&version, &state);
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
    let (version, state) = sample();
    let other = Version {
        digest: Digest::default(),
        ..version
    };
    assert!(matches!(
        read(&write(&other, &state), u64::MAX),
        Err(SnapshotError::Digest)
    ));

    let mut flagged = write(&version, &state);
    flagged[11] = 1;
    let end = flagged.len() - HASH_BYTES;
    let hash = *blake3::hash(&flagged[..end]).as_bytes();
    flagged[end..].copy_from_slice(&hash);
    assert!(matches!(
        read(&flagged, u64::MAX),
        Err(SnapshotError::Flags(1))
    ));
}

#[test]
fn a_file_over_the_limit_is_refused_before_it_is_decoded() {
    let (version, state) = sample();
    let error = read(&write(&version, &state), state.bytes() - 1).unwrap_err();
    assert!(matches!(error, SnapshotError::TooLarge { .. }), "{error}");
}
