//! Whether a connection moves: plugins bound the time between two writes and between two reads, as cosockets do.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Timeouts;
use crate::carried::deadline::{Elapsed, within};

/// What a connection does.
#[derive(Debug)]
pub(super) struct Activity {
    last: Cell<Instant>,
    writing: Cell<bool>,
    read: Cell<u64>,
}

impl Default for Activity {
    fn default() -> Self {
        Self {
            last: Cell::new(Instant::now()),
            writing: Cell::new(false),
            read: Cell::new(0),
        }
    }
}

impl Activity {
    /// Bytes read so far.
    pub(super) fn bytes_read(&self) -> u64 {
        self.read.get()
    }

    /// Runs `work` for as long as the connection moves.
    ///
    /// # Errors
    /// It did not move for as long as it may pause.
    pub(super) async fn patiently<F: Future>(
        &self,
        timeouts: &Timeouts,
        work: F,
    ) -> Result<F::Output, Elapsed> {
        let mut work = pin!(work);
        self.last.set(Instant::now());
        // Nobody wakes us when writing ends, so the shorter of the two times says how often to look.
        let look = timeouts.send.min(timeouts.read);
        loop {
            let limit = match self.writing.get() {
                true => timeouts.send,
                false => timeouts.read,
            };
            let left = limit.saturating_sub(self.last.get().elapsed()).min(look);
            if left.is_zero() {
                return Err(Elapsed);
            }
            // Not so short that the clock says nothing has passed.
            if let Ok(done) = within(left.max(Duration::from_millis(1)), work.as_mut()).await {
                return Ok(done);
            }
        }
    }

    fn wrote<T>(&self, polled: &Poll<T>) {
        self.writing.set(polled.is_pending());
        if polled.is_ready() {
            self.last.set(Instant::now());
        }
    }
}

/// A stream that notes what it does.
pub(super) struct Watched<S> {
    stream: S,
    activity: Rc<Activity>,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, activity: Rc<Activity>) -> Self {
        Self { stream, activity }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if polled.is_ready() {
            let got = (buf.filled().len() - before) as u64;
            self.activity.read.set(self.activity.read.get() + got);
            self.activity.last.set(Instant::now());
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.activity.wrote(&polled);
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.activity.writing.set(polled.is_pending());
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.activity.wrote(&polled);
        polled
    }
}
