//! Programs of others that some tests run if they are there: `.ci/run` installs them under `target/clients`.

use std::io::Write;
use std::path::{Path, PathBuf};

/// The program, from `target/clients/<folder>` or else from `PATH`.
pub fn find(name: &str, folder: &str) -> Option<PathBuf> {
    let own = clients().join(folder).join(name);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let others = std::env::split_paths(&path).map(|folder| folder.join(name));
    std::iter::once(own)
        .chain(others)
        .find(|candidate| candidate.is_file())
}

/// `target/clients`, by where cargo puts test binaries: `target/debug/deps`.
fn clients() -> PathBuf {
    let binary = std::env::current_exe().expect("the test binary has a path");
    let target = binary.ancestors().nth(3).unwrap_or(Path::new("target"));
    target.join("clients")
}

/// Says that a test was left out, past the capturing of what tests print.
pub fn skipped(test: &str, why: &str) {
    let line = format!("SKIPPED {test}: {why}\n");
    // Nobody to tell is no reason to fail.
    let _ = std::io::stderr().write_all(line.as_bytes());
}
