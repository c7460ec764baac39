//! What can go wrong with Lua.

/// Why a script gave no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It raised this, as Lua words it: `[string "TMP"]:1: attempt to …`.
    #[error("{0}")]
    Raised(String),
    /// It ran for too long.
    #[error("{}", crate::limits::TOO_LONG)]
    TooLong,
    /// It wanted more memory than it may have.
    #[error("not enough memory")]
    Memory,
    /// `untrusted_lua = off`.
    #[error("{}", crate::state::OFF)]
    Off,
}
