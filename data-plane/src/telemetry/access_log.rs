//! The access log: a line per request, collected per worker and written by a thread of its own, so that a slow disk
//! never holds a request.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use http::header::{REFERER, USER_AGENT};
use http::{HeaderName, StatusCode, Version};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use crate::proxy::ctx::Ctx;

/// How long a line may wait for others to be written with.
const LINGER: Duration = Duration::from_millis(50);
/// A block is handed over once it has this size, in bytes.
const BLOCK: usize = 32 * 1024;
/// Blocks that may wait for the disk; past that, lines are dropped and counted.
const WAITING: usize = 256;

/// Where workers send their lines.
#[derive(Clone)]
pub struct Sink {
    blocks: SyncSender<Vec<u8>>,
    json: bool,
}

/// Opens the log and starts its thread, which ends once every [`Sink`] is gone.
///
/// # Errors
/// When the file cannot be opened for appending.
pub fn open(path: &Path, json: bool) -> io::Result<(Sink, JoinHandle<()>)> {
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .or_else(|_| OpenOptions::new().write(true).open(path))?;
    let (blocks, waiting) = sync_channel(WAITING);
    let thread = std::thread::Builder::new()
        .name("access-log".to_owned())
        .spawn(move || write_blocks(file, &waiting))?;
    Ok((Sink { blocks, json }, thread))
}

fn write_blocks(mut file: File, blocks: &Receiver<Vec<u8>>) {
    let mut failing = false;
    for block in blocks {
        match file.write_all(&block) {
            Ok(()) => failing = false,
            // Said once: a full disk must not fill the error log as well.
            Err(error) if !failing => {
                failing = true;
                tracing::error!(%error, "cannot write the access log");
            }
            Err(_) => {}
        }
    }
}

/// One request that has ended.
pub struct Line<'a> {
    /// The request.
    pub ctx: &'a Ctx,
    /// Status the client got; 499 when it had gone.
    pub status: StatusCode,
    /// Body bytes sent.
    pub sent: u64,
}

/// One worker's end of the log.
pub struct AccessLog {
    sink: Sink,
    block: RefCell<Vec<u8>>,
    lingering: Cell<bool>,
    dropped: Cell<u64>,
    clock: Cell<(i64, [u8; 26])>,
}

impl AccessLog {
    /// A worker's end.
    pub fn new(sink: Sink) -> Self {
        Self {
            sink,
            block: RefCell::default(),
            lingering: Cell::new(false),
            dropped: Cell::new(0),
            clock: Cell::new((i64::MIN, [b' '; 26])),
        }
    }

    /// Takes one line in; it is on its way to the disk within [`LINGER`].
    pub fn write(self: &Rc<Self>, line: &Line<'_>) {
        let mut block = self.block.borrow_mut();
        if self.sink.json {
            json_line(&mut block, line)
        } else {
            self.plain_line(&mut block, line)
        }
        let full = block.len() >= BLOCK;
        drop(block);
        if full {
            self.flush();
        } else if !self.lingering.replace(true) {
            let log = self.clone();
            tokio::task::spawn_local(async move {
                tokio::time::sleep(LINGER).await;
                log.lingering.set(false);
                log.flush();
            });
        }
    }

    /// Hands over what has been collected.
    pub fn flush(&self) {
        let block = std::mem::take(&mut *self.block.borrow_mut());
        if block.is_empty() {
            return;
        }
        if let Err(TrySendError::Full(block)) = self.sink.blocks.try_send(block) {
            let lines = block.iter().filter(|b| **b == b'\n').count() as u64;
            if self.dropped.replace(self.dropped.get() + lines) == 0 {
                tracing::error!("the access log's disk is too slow: lines are being dropped");
            }
        }
    }

    /// `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer"
    /// "$http_user_agent" kong_request_id: "$kong_request_id"` (proxy-and-routing.md 12).
    fn plain_line(&self, out: &mut Vec<u8>, line: &Line<'_>) {
        let ctx = line.ctx;
        let _ = write!(out, "{} - - [", ctx.client_ip());
        out.extend_from_slice(&self.time_local());
        out.extend_from_slice(b"] \"");
        let request = format!(
            "{} {} {}",
            ctx.request.method,
            ctx.request.target,
            version(ctx.request.version)
        );
        escaped(out, request.as_bytes());
        let _ = write!(out, "\" {} {} \"", line.status.as_u16(), line.sent);
        header(out, ctx, &REFERER);
        out.extend_from_slice(b"\" \"");
        header(out, ctx, &USER_AGENT);
        let _ = writeln!(out, "\" kong_request_id: \"{}\"", ctx.id);
    }

    /// `21/Nov/2026:22:46:00 +0000`, worked out once a second.
    fn time_local(&self) -> [u8; 26] {
        const FORMAT: &[BorrowedFormatItem<'static>] = format_description!(
            "[day]/[month repr:short]/[year]:[hour]:[minute]:[second] [offset_hour sign:mandatory][offset_minute]"
        );
        let now = OffsetDateTime::now_utc();
        let (second, text) = self.clock.get();
        if second == now.unix_timestamp() {
            return text;
        }
        let mut text = [b' '; 26];
        if let Ok(formatted) = now.format(FORMAT)
            && formatted.len() == text.len()
        {
            text.copy_from_slice(formatted.as_bytes());
        }
        self.clock.set((now.unix_timestamp(), text));
        text
    }
}

fn header(out: &mut Vec<u8>, ctx: &Ctx, name: &HeaderName) {
    match ctx.request.headers.get(name) {
        Some(value) => escaped(out, value.as_bytes()),
        None => out.push(b'-'),
    }
}

/// `"`, `\` and control bytes as `\xHH`, so that a client cannot forge a line.
fn escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    for &byte in bytes {
        if byte == b'"' || byte == b'\\' || byte.is_ascii_control() || byte >= 0x80 {
            let _ = write!(out, "\\x{byte:02X}");
        } else {
            out.push(byte);
        }
    }
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/1.1",
    }
}

/// One JSON object.
fn json_line(out: &mut Vec<u8>, line: &Line<'_>) {
    let ctx = line.ctx;
    let text = |name: &HeaderName| {
        ctx.request
            .headers
            .get(name)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let mut time = String::new();
    let now = OffsetDateTime::now_utc();
    let _ = write!(time, "{}.{:03}", now.unix_timestamp(), now.millisecond());
    let object = serde_json::json!({
        "time": time,
        "remote_addr": ctx.client_ip().to_string(),
        "method": ctx.request.method.as_str(),
        "uri": ctx.request.target,
        "protocol": version(ctx.request.version),
        "status": line.status.as_u16(),
        "body_bytes_sent": line.sent,
        "request_ms": ctx.started.elapsed().as_millis() as u64,
        "upstream": ctx.timing.target().map(|t| t.to_string()),
        "upstream_status": ctx.timing.upstream_status,
        "referer": text(&REFERER),
        "user_agent": text(&USER_AGENT),
        "request_id": ctx.id.as_str(),
        "revision": ctx.runtime.revision(),
    });
    let _ = writeln!(out, "{object}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_cannot_forge_a_line() {
        let mut out = Vec::new();
        escaped(&mut out, b"GET /\"\n\\x\x7f\xff HTTP/1.1");
        assert_eq!(out, b"GET /\\x22\\x0A\\x5Cx\\x7F\\xFF HTTP/1.1");
    }

    #[test]
    fn the_time_has_the_form_of_the_common_log() {
        let (sink, _blocks) = {
            let (blocks, waiting) = sync_channel(1);
            (
                Sink {
                    blocks,
                    json: false,
                },
                waiting,
            )
        };
        let time = AccessLog::new(sink).time_local();
        let text = std::str::from_utf8(&time).expect("text");
        assert!(
            regex::Regex::new(r"^\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+\d{4}$")
                .expect("a pattern")
                .is_match(text),
            "{text}"
        );
    }
}
