//! Logs: fields, to standard error. How much is logged can change while the process runs.

use std::io::IsTerminal;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use shared::settings::LogLevel;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt};

/// The filter of the process's logs; there is one for all control planes in it.
static FILTER: OnceLock<Handle<EnvFilter, Registry>> = OnceLock::new();

/// Sends the logs of this process to standard error. The first call in a process wins.
pub fn log_to_stderr(level: LogLevel) {
    let (filter, handle) = reload::Layer::new(filter(level));
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let started = tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init();
    if started.is_ok() {
        let _ = FILTER.set(handle);
    }
}

/// What is logged at that level.
pub fn filter(level: LogLevel) -> EnvFilter {
    // Below `debug`, what the HTTP and TLS libraries do is not what an operator asked about.
    let libraries = "hyper=info,h2=info,rustls=info,tonic=info,tower=info";
    EnvFilter::new(match level {
        LogLevel::Debug => format!("debug,{libraries}"),
        _ => level.filter().to_owned(),
    })
}

/// How much one control plane logs: the configured level, or another one for a while.
#[derive(Debug)]
pub struct Levels {
    configured: LogLevel,
    now: Mutex<Now>,
}

#[derive(Debug)]
struct Now {
    level: LogLevel,
    /// Counts the changes: an older one's end must not undo a newer one.
    change: u64,
}

impl Levels {
    /// Begins at the configured level.
    pub fn new(configured: LogLevel) -> Levels {
        Levels {
            configured,
            now: Mutex::new(Now {
                level: configured,
                change: 0,
            }),
        }
    }

    /// The level that applies.
    pub fn current(&self) -> LogLevel {
        self.lock().level
    }

    /// Changes the level; after `timeout` the configured one is back. Needs a Tokio runtime.
    pub fn change(self: &std::sync::Arc<Self>, level: LogLevel, timeout: Duration) {
        let change = {
            let mut now = self.lock();
            now.change += 1;
            now.level = level;
            now.change
        };
        apply(level);
        let levels = std::sync::Arc::downgrade(self);
        tokio::spawn(async move {
            tokio::time::sleep(timeout).await;
            if let Some(levels) = levels.upgrade() {
                levels.end(change);
            }
        });
    }

    fn end(&self, change: u64) {
        let mut now = self.lock();
        if now.change == change {
            now.level = self.configured;
            apply(self.configured);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn apply(level: LogLevel) {
    if let Some(handle) = FILTER.get() {
        let _ = handle.reload(filter(level)); // the subscriber lives as long as the process
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test(start_paused = true)]
    async fn a_changed_level_ends_by_itself_and_only_the_last_change_counts() {
        let levels = Arc::new(Levels::new(LogLevel::Notice));
        levels.change(LogLevel::Debug, Duration::from_secs(10));
        tokio::time::sleep(Duration::from_secs(5)).await;
        levels.change(LogLevel::Error, Duration::from_secs(10));
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert_eq!(levels.current(), LogLevel::Error);
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(levels.current(), LogLevel::Notice);
    }
}
