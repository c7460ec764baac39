//! What is received of a socket: so many bytes, a line, all, whatever is there, all before a mark.

use bytes::{Bytes, BytesMut};
use memchr::{memchr, memmem};
use tokio::io::{AsyncRead, ReadBuf};

use super::{Busy, Socket};
use crate::lua::outbound::LONGEST_BODY;
use crate::lua::outbound::words::{CLOSED, TIMEOUT, TOO_LARGE};

/// What is wanted.
#[derive(Clone, Debug)]
pub enum Want {
    /// So many bytes.
    Bytes(usize),
    /// All to the next end of a line, which is left out as every carriage return is.
    Line,
    /// All to the end of the connection.
    All,
    /// What is there, so many bytes at most, and one at least.
    Any(usize),
    /// What comes before a mark.
    Until {
        /// The mark.
        mark: Vec<u8>,
        /// Whether the mark is part of it.
        inclusive: bool,
        /// So many bytes of it at most.
        most: Option<usize>,
        /// What an answer told of it, if the mark has been seen.
        left: Option<usize>,
    },
}

/// What was received.
#[derive(Debug, PartialEq, Eq)]
pub struct Got {
    /// The bytes.
    pub data: Bytes,
    /// Bytes that follow up to the mark, if [`Want::Until`] has seen it; 0: the mark is behind us.
    pub left: Option<usize>,
}

/// Why not all that was wanted could be received.
#[derive(Debug, PartialEq, Eq)]
pub struct Short {
    /// In the words of OpenResty.
    pub words: String,
    /// What was received all the same.
    pub partial: Bytes,
}

impl Short {
    fn nothing(words: String) -> Self {
        Self {
            words,
            partial: Bytes::new(),
        }
    }
}

impl Want {
    /// Takes it out of what is there. `seen` bytes of that have been looked at in vain, and are to be told anew.
    fn take(&self, buffer: &mut BytesMut, seen: &mut usize) -> Option<Got> {
        let plain = |data: BytesMut| {
            Some(Got {
                data: data.freeze(),
                left: None,
            })
        };
        match self {
            Self::Bytes(count) => match buffer.len() >= *count {
                true => plain(buffer.split_to(*count)),
                false => None,
            },
            Self::Line => {
                let Some(end) = memchr(b'\n', &buffer[*seen..]) else {
                    *seen = buffer.len();
                    return None;
                };
                let mut line = buffer.split_to(*seen + end + 1);
                line.truncate(line.len() - 1);
                if memchr(b'\r', &line).is_some() {
                    line = line.iter().filter(|&&byte| byte != b'\r').collect();
                }
                plain(line)
            }
            Self::All => None,
            Self::Any(most) => match buffer.is_empty() {
                true => None,
                false => plain(buffer.split_to(buffer.len().min(*most))),
            },
            Self::Until {
                mark,
                inclusive,
                most,
                left,
            } => {
                let most = most.unwrap_or(usize::MAX);
                // Somebody may have received the rest otherwise meanwhile: then the mark is looked for anew.
                let known = left.filter(|&left| match inclusive {
                    true => buffer
                        .get(..left)
                        .is_some_and(|rest| rest.ends_with(mark) || mark.ends_with(rest)),
                    false => buffer
                        .get(left..)
                        .is_some_and(|rest| rest.starts_with(mark)),
                });
                let found = known.or_else(|| {
                    let at = *seen + memmem::find(&buffer[*seen..], mark)?;
                    Some(if *inclusive { at + mark.len() } else { at })
                });
                match found {
                    Some(end) => {
                        let data = buffer.split_to(end.min(most)).freeze();
                        let left = end - data.len();
                        if left == 0 && !inclusive {
                            let _ = buffer.split_to(mark.len());
                        }
                        Some(Got {
                            data,
                            left: Some(left),
                        })
                    }
                    None => {
                        // The mark may begin in the last bytes.
                        let sure = buffer.len().saturating_sub(mark.len() - 1);
                        *seen = sure;
                        match sure >= most {
                            true => plain(buffer.split_to(most)),
                            false => None,
                        }
                    }
                }
            }
        }
    }
}

impl Socket {
    /// Receives what is wanted.
    ///
    /// # Errors
    /// `timeout`, after which it is still open; `closed`, `response too large` and the like, after which it is not; that
    /// another reads.
    pub async fn receive(&self, want: &Want) -> Result<Got, Short> {
        let reading = Busy::begin(&self.reading, "socket busy reading");
        let _reading = reading.map_err(Short::nothing)?;
        if let Want::Bytes(count) = want
            && *count > LONGEST_BODY
        {
            self.open.take();
            return Err(Short::nothing(TOO_LARGE.to_owned()));
        }
        let mut seen = 0;
        loop {
            {
                let mut open = self.open.borrow_mut();
                let Some(open) = &mut *open else {
                    return Err(Short::nothing(CLOSED.to_owned()));
                };
                if let Some(got) = want.take(&mut open.buffer, &mut seen) {
                    open.slot.let_go();
                    return Ok(got);
                }
            }
            let read = self.patiently(self.timeouts.get().read, self.at(poll_some));
            let words = match read.await {
                Ok(bytes) if bytes.is_empty() => CLOSED.to_owned(),
                Ok(bytes) => match self.hold(&bytes) {
                    true => continue,
                    false => TOO_LARGE.to_owned(),
                },
                Err(words) => words,
            };
            return self.cut_short(want, words);
        }
    }

    /// Keeps what came, if there is room for it.
    fn hold(&self, bytes: &[u8]) -> bool {
        let mut open = self.open.borrow_mut();
        let Some(open) = &mut *open else {
            return true;
        };
        open.buffer.extend_from_slice(bytes);
        open.buffer.len() <= LONGEST_BODY && open.slot.hold(bytes.len())
    }

    fn cut_short(&self, want: &Want, words: String) -> Result<Got, Short> {
        let mut place = self.open.borrow_mut();
        let Some(open) = &mut *place else {
            return Err(Short::nothing(words));
        };
        open.slot.let_go();
        let partial = open.buffer.split().freeze();
        if words != TIMEOUT {
            *place = None;
        }
        match want {
            Want::All if words == CLOSED => Ok(Got {
                data: partial,
                left: None,
            }),
            _ => Err(Short { words, partial }),
        }
    }
}

/// Some bytes; none at the end.
fn poll_some(
    stream: std::pin::Pin<&mut super::Stream>,
    cx: &mut std::task::Context<'_>,
) -> std::task::Poll<std::io::Result<Bytes>> {
    const PIECE: usize = 16 << 10;
    let mut room = [0; PIECE];
    let mut piece = ReadBuf::new(&mut room);
    let polled = stream.poll_read(cx, &mut piece);
    polled.map_ok(|()| Bytes::copy_from_slice(piece.filled()))
}
