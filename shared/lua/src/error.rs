//! What can go wrong with Lua.

/// Why a script gave no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It raised this, as Lua words it: `[string "TMP"]:1: attempt to …`.
    #[error("{0}")]
    Raised(String),
    /// The chunk should have returned a function, and returned one of these.
    #[error("Bad return value from function, expected function type, got {0}")]
    NoFunction(&'static str),
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
