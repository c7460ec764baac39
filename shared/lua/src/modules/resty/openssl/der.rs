//! The little of DER that keys are made of (X.690).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use x509_parser::asn1_rs::{Any, FromDer};

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BITS: u8 = 0x03;
pub(super) const BYTES: u8 = 0x04;
pub(super) const NOTHING: u8 = 0x05;
pub(super) const NAME: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;

/// One element.
pub(super) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = vec![tag];
    match length {
        0..=0x7f => out.push(length as u8),
        0x80..=0xff => out.extend([0x81, length as u8]),
        _ => {
            let bytes = (length as u32).to_be_bytes();
            let skip = bytes.iter().take_while(|byte| **byte == 0).count();
            out.push(0x80 | (bytes.len() - skip) as u8);
            out.extend_from_slice(&bytes[skip..]);
        }
    }
    out.extend_from_slice(content);
    out
}

/// Some in a row, as one.
pub(super) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(SEQUENCE, &parts.concat())
}

/// A number that is not negative.
pub(super) fn number(bytes: &[u8]) -> Vec<u8> {
    let bare = unpadded(bytes);
    match bare.first() {
        Some(first) if *first < 0x80 => element(INTEGER, bare),
        _ => element(INTEGER, &[&[0], bare].concat()),
    }
}

/// Without zeros in front.
pub(super) fn unpadded(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    &bytes[zeros..]
}

/// The elements that are in a sequence: tag and content of each. `None` if it is no such sequence, or more follows it.
pub(super) fn inside(der: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let (rest, outer) = Any::from_der(der).ok()?;
    if !rest.is_empty() || der.first() != Some(&SEQUENCE) {
        return None;
    }
    let mut left = outer.data;
    let mut elements = Vec::new();
    while let Some(first) = left.first().copied() {
        let (rest, element) = Any::from_der(left).ok()?;
        elements.push((first, element.data));
        left = rest;
    }
    Some(elements)
}

/// A section of a PEM text, with 64 characters in a line.
pub(super) fn pem(label: &str, der: &[u8]) -> String {
    let digits = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in digits.as_bytes().chunks(64) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text + "-----END " + label + "-----\n"
}
