//! Taking a coding off, up to a limit: a few bytes may stand for any number.

use std::io::Read;

use brotli::enc::StandardAlloc;
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};
use flate2::bufread::GzDecoder;
use flate2::{Decompress, FlushDecompress, Status};

use super::Coding;

/// The largest window of a zstd body, as a power of two: RFC 9659 lets no content coding ask for more than 8 MiB, and a
/// frame could ask for 2 GiB.
const ZSTD_WINDOW: u32 = 23;

/// The least that is made room for at once.
const STEP: usize = 4096;

/// Why a body stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// There is more in it than may be.
    #[error("decoded, the body is longer than the limit")]
    TooLarge,
    /// It is not in the coding that the head names.
    #[error("the body is not in the coding that its head names")]
    Malformed,
}

/// What is in `body`, and the coding to put it in again: for `deflate` the kind that was found.
///
/// # Errors
/// See [`DecodeError`].
pub fn decode(coding: Coding, body: &[u8], limit: usize) -> Result<(Vec<u8>, Coding), DecodeError> {
    let mut out = Capped::new(body.len(), limit);
    match coding {
        Coding::Gzip => gzip(body, &mut out)?,
        Coding::Deflate => match inflate(body, true, &mut out) {
            Err(DecodeError::Malformed) => {
                out.bytes.clear();
                inflate(body, false, &mut out)?;
                return Ok((out.bytes, Coding::RawDeflate));
            }
            done => done?,
        },
        Coding::RawDeflate => inflate(body, false, &mut out)?,
        Coding::Brotli => unbrotli(body, &mut out)?,
        Coding::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(body)
                .and_then(|mut decoder| decoder.window_log_max(ZSTD_WINDOW).map(|()| decoder))
                .map_err(|_| DecodeError::Malformed)?;
            out.read(&mut decoder)?;
        }
    }
    Ok((out.bytes, coding))
}

/// Every member of a gzip body; what follows the last one and is none counts for nothing, as with most who read gzip.
fn gzip(mut body: &[u8], out: &mut Capped) -> Result<(), DecodeError> {
    loop {
        let mut member = GzDecoder::new(body);
        out.read(&mut member)?;
        body = member.into_inner();
        if !body.starts_with(&[0x1f, 0x8b]) {
            return Ok(());
        }
    }
}

fn inflate(mut body: &[u8], zlib: bool, out: &mut Capped) -> Result<(), DecodeError> {
    let mut state = Decompress::new(zlib);
    loop {
        out.make_room()?;
        let (taken, given) = (state.total_in(), state.total_out());
        let status = state
            .decompress_vec(body, &mut out.bytes, FlushDecompress::None)
            .map_err(|_| DecodeError::Malformed)?;
        body = &body[(state.total_in() - taken) as usize..];
        match status {
            Status::StreamEnd => return out.check(),
            // It broke off: nothing goes in any more, and nothing comes out.
            _ if body.is_empty() && state.total_out() == given => {
                return Err(DecodeError::Malformed);
            }
            Status::Ok | Status::BufError => {}
        }
    }
}

fn unbrotli(body: &[u8], out: &mut Capped) -> Result<(), DecodeError> {
    // Strict: without the windows of up to 1 GiB that only files may have.
    let alloc = StandardAlloc::default;
    let mut state = BrotliState::new_strict(alloc(), alloc(), alloc());
    let (mut left, mut place, mut total) = (body.len(), 0, 0);
    loop {
        out.make_room()?;
        let mut filled = out.bytes.len();
        let mut free = out.bytes.capacity() - filled;
        out.bytes.resize(filled + free, 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut place,
            body,
            &mut free,
            &mut filled,
            &mut out.bytes,
            &mut total,
            &mut state,
        );
        out.bytes.truncate(filled);
        match result {
            BrotliResult::ResultSuccess => return out.check(),
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::NeedsMoreInput | BrotliResult::ResultFailure => {
                return Err(DecodeError::Malformed);
            }
        }
    }
}

/// Bytes up to a limit.
struct Capped {
    bytes: Vec<u8>,
    limit: usize,
}

impl Capped {
    /// Text is often a quarter of its length when it is compressed.
    fn new(encoded: usize, limit: usize) -> Self {
        let guess = encoded.saturating_mul(4).max(STEP);
        Self {
            bytes: Vec::with_capacity(guess.min(limit.saturating_add(1))),
            limit,
        }
    }

    fn check(&self) -> Result<(), DecodeError> {
        if self.bytes.len() > self.limit {
            return Err(DecodeError::TooLarge);
        }
        Ok(())
    }

    /// Room for more, one byte beyond the limit at most: that byte tells that there is too much.
    fn make_room(&mut self) -> Result<(), DecodeError> {
        self.check()?;
        if self.bytes.len() == self.bytes.capacity() {
            let left = self.limit.saturating_add(1) - self.bytes.len();
            self.bytes
                .reserve_exact(self.bytes.len().max(STEP).min(left));
        }
        Ok(())
    }

    fn read(&mut self, from: &mut impl Read) -> Result<(), DecodeError> {
        let left = self.limit.saturating_add(1) - self.bytes.len();
        from.take(left as u64)
            .read_to_end(&mut self.bytes)
            .map_err(|_| DecodeError::Malformed)?;
        self.check()
    }
}
