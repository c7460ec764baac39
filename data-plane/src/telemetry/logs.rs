//! Logs: fields, to standard error.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use shared::settings::LogLevel;
use tracing_subscriber::EnvFilter;

/// Whether `log_level` is above `info`: the logging library has no level between that and `warn` for `notice`.
static ABOVE_INFO: AtomicBool = AtomicBool::new(false);

/// Whether lines of level `info` are wanted, not only those of `notice`.
pub fn shows_info() -> bool {
    !ABOVE_INFO.load(Ordering::Relaxed)
}

/// Where events go, each with one call of `write`. What a plugin or a client makes a part of an event does not look like
/// another: further lines are indented, and other control characters are written as `\x1b`. Colours of our own stay, for
/// they are written on terminals only.
struct Events<W>(W);

impl<W: Write> Write for Events<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = event.strip_suffix(b"\n").unwrap_or(event);
        if text.iter().any(|byte| must_be_shown(*byte)) {
            self.0.write_all(&shown(text, io::stderr().is_terminal()))?;
            self.0.write_all(&event[text.len()..])?;
        } else {
            self.0.write_all(event)?;
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Whether a byte could end a line or move a cursor.
fn must_be_shown(byte: u8) -> bool {
    byte.is_ascii_control() && byte != b'\t'
}

/// An event as it is written.
fn shown(text: &[u8], coloured: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 64);
    for byte in text {
        match byte {
            b'\n' => out.extend_from_slice(b"\n    "),
            0x1b if coloured => out.push(*byte),
            byte if must_be_shown(*byte) => {
                out.extend_from_slice(format!("\\x{byte:02x}").as_bytes())
            }
            byte => out.push(*byte),
        }
    }
    out
}

/// Sends the logs of this process to standard error. The first call in a process wins.
pub fn to_stderr(level: LogLevel) {
    // Below `debug`, what the HTTP and TLS libraries do is not what an operator asked about.
    let libraries = "hyper=info,h2=info,rustls=info,tonic=info,tower=info";
    let filter = match level {
        LogLevel::Debug => format!("debug,{libraries}"),
        _ => level.filter().to_owned(),
    };
    ABOVE_INFO.store(
        !matches!(level, LogLevel::Debug | LogLevel::Info),
        Ordering::Relaxed,
    );
    let _ = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(|| Events(std::io::stderr()))
        .with_ansi(std::io::stderr().is_terminal())
        .try_init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_within_an_event_looks_like_another() {
        for (event, expected) in [
            ("plain text\n", "plain text\n"),
            ("tab\tand Ünicode\n", "tab\tand Ünicode\n"),
            ("one\ntwo\n", "one\n    two\n"),
            (
                "one\r\ntwo\u{1b}[31m\0\n",
                "one\\x0d\n    two\\x1b[31m\\x00\n",
            ),
            ("\n\n", "\n    \n"),
        ] {
            let mut out = Vec::new();
            let written = Events(&mut out).write(event.as_bytes());
            assert_eq!(written.expect("memory can be written"), event.len());
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }
}
