//! Logs: fields, to standard error.

use std::io::IsTerminal;

use shared::settings::LogLevel;
use tracing_subscriber::EnvFilter;

/// Sends the logs of this process to standard error. The first call in a process wins.
pub fn log_to_stderr(level: LogLevel) {
    // Below `debug`, what the HTTP and TLS libraries do is not what an operator asked about.
    let libraries = "hyper=info,h2=info,rustls=info,tonic=info,tower=info";
    let filter = match level {
        LogLevel::Debug => format!("debug,{libraries}"),
        _ => level.filter().to_owned(),
    };
    let _ = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .try_init();
}
