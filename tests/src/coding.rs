//! Bodies as their `Content-Encoding` says, both ways, by other means than the gateway's where there are any.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::{DeflateDecoder, GzDecoder, ZlibDecoder};
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

/// The bytes in that coding; as they are in one that is not known here.
pub fn encode(coding: &str, plain: &[u8]) -> Vec<u8> {
    let level = Compression::default();
    let encoded = match coding {
        "gzip" | "x-gzip" => {
            let mut encoder = GzEncoder::new(Vec::new(), level);
            encoder.write_all(plain).and_then(|()| encoder.finish())
        }
        "deflate" => {
            let mut encoder = ZlibEncoder::new(Vec::new(), level);
            encoder.write_all(plain).and_then(|()| encoder.finish())
        }
        // As some servers send it: without the frame of zlib.
        "deflate (raw)" => {
            let mut encoder = DeflateEncoder::new(Vec::new(), level);
            encoder.write_all(plain).and_then(|()| encoder.finish())
        }
        "br" => {
            let mut out = Vec::new();
            let mut writer = brotli::CompressorWriter::new(&mut out, 4096, 5, 22);
            let written = writer.write_all(plain);
            drop(writer);
            written.map(|()| out)
        }
        "zstd" => zstd::encode_all(plain, 0),
        _ => Ok(plain.to_vec()),
    };
    encoded.expect("memory can be written")
}

/// What the bytes were in that coding; an error in words if they are not in it.
pub fn decode(coding: &str, encoded: &[u8]) -> Result<Vec<u8>, String> {
    let mut plain = Vec::new();
    let read = match coding {
        "gzip" | "x-gzip" => GzDecoder::new(encoded).read_to_end(&mut plain),
        "deflate" => ZlibDecoder::new(encoded).read_to_end(&mut plain),
        "deflate (raw)" => DeflateDecoder::new(encoded).read_to_end(&mut plain),
        "br" => brotli::Decompressor::new(encoded, 4096).read_to_end(&mut plain),
        "zstd" => zstd::Decoder::new(encoded).and_then(|mut zstd| zstd.read_to_end(&mut plain)),
        _ => return Ok(encoded.to_vec()),
    };
    match read {
        Ok(_) => Ok(plain),
        Err(error) => Err(format!("the body is not {coding}: {error}")),
    }
}
