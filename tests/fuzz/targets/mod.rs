//! The bodies of the fuzz targets. Each takes any input at all and panics if something does not hold.
//!
//! An input is readable: steps on its first line, separated by `;`, words separated by a blank; behind it what they
//! are applied to.

mod answer;
mod coding;
mod form;
mod json;
mod multipart;
mod pair;
mod template;

pub use answer::run as answer;
pub use coding::run as coding;
pub use form::run as form;
pub use json::run as json;
pub use multipart::run as multipart;
pub use pair::run as pair;
pub use template::run as template;

/// Steps that one input may have: each may copy the whole document in the reference.
const MAX_STEPS: usize = 12;

/// The steps, as words, and what follows the first line.
fn steps(input: &[u8]) -> (Vec<Vec<String>>, &[u8]) {
    let end = input
        .iter()
        .position(|b| *b == b'\n')
        .unwrap_or(input.len());
    let line = String::from_utf8_lossy(&input[..end]).into_owned();
    let words = |step: &str| step.split(' ').map(str::to_owned).collect();
    let steps = line.split(';').take(MAX_STEPS).map(words).collect();
    (steps, input.get(end + 1..).unwrap_or_default())
}

/// The word at a place; empty if there is none.
fn word(step: &[String], at: usize) -> &str {
    step.get(at).map_or("", String::as_str)
}
