//! Logs: fields, to standard error.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};

use shared::settings::LogLevel;
use tracing_subscriber::EnvFilter;

/// Whether `log_level` is above `info`: the logging library has no level between that and `warn` for `notice`.
static ABOVE_INFO: AtomicBool = AtomicBool::new(false);

/// Whether lines of level `info` are wanted, not only those of `notice`.
pub fn shows_info() -> bool {
    !ABOVE_INFO.load(Ordering::Relaxed)
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
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .try_init();
}
