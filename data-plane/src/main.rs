//! `headgate-dp`: see [`data_plane::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    data_plane::cli::main()
}
