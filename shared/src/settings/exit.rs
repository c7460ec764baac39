//! How a program ends.

use std::process::ExitCode;

/// Exit codes of every Headgate program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// Failed.
    Failed = 1,
    /// Used wrongly, or bad settings.
    Usage = 2,
    /// Differences were found.
    Differs = 3,
    /// The control plane cannot be reached.
    Unreachable = 4,
    /// An address cannot be listened on.
    CannotBind = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
