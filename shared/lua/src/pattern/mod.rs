//! Lua's patterns, matched in Rust.
//!
//! LuaJIT's own matcher cannot be interrupted, and some patterns keep it busy for ever (`('a?'):rep(30) .. ('a'):rep(30)`).
//! This one does what lstrlib.c of Lua 5.1 does, with the frontier and classes of LuaJIT, and looks whether the call has
//! overrun its time.

mod fault;
mod matcher;
#[cfg(test)]
mod tests;

pub(crate) use fault::fault;
pub(crate) use matcher::{Capture, Found, Matcher};

/// Whether a pattern is an ordinary text.
pub(crate) fn is_plain(pattern: &[u8]) -> bool {
    !pattern.iter().any(|byte| b"^$*+?.([%-".contains(byte))
}

/// Where `needle` first is in `text`, from `from` on.
pub(crate) fn find_plain(text: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    if needle.is_empty() {
        return Some(from);
    }
    let finder = memchr::memmem::Finder::new(needle);
    finder.find(&text[from..]).map(|at| from + at)
}
