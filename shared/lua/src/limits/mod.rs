//! Limits of a call: CPU time of the thread, and memory of the state (custom-plugins.md 6.3).
//!
//! A call is watched while a [`Watch`] lives. The watchdog thread looks every [`TICK`] at the calls that run and pokes a
//! thread whose call may have overrun; what happens there is told in [`interrupt`].

use std::time::Duration;

mod interrupt;
mod watchdog;

pub use interrupt::overrun;
pub(crate) use interrupt::{Interruptible, Watch, clock, prepare};
pub use watchdog::{held, overdue};

/// What one call may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// CPU time of the thread.
    pub cpu: Duration,
    /// What the state may grow by.
    pub memory: usize,
}

impl Default for Limits {
    /// 100 ms and 32 MiB (transformers.md 4.7, custom-plugins.md 6.3).
    fn default() -> Self {
        Self {
            cpu: Duration::from_millis(100),
            memory: 32 << 20,
        }
    }
}

impl Limits {
    /// Of the body of a module: a second, since it runs once (2.3, `init_worker`).
    pub fn module() -> Self {
        Self {
            cpu: Duration::from_secs(1),
            ..Self::default()
        }
    }
}

/// What an overrun call is ended with.
pub const TOO_LONG: &str = "execution time limit exceeded";

/// How often the watchdog looks while Lua runs anywhere.
const TICK: Duration = Duration::from_millis(10);
