//! `headgate-cp`: see [`control_plane::cli`].

use std::process::ExitCode;

/// Half the resident memory of a burst of writes, and a sixth less CPU, than with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    control_plane::cli::main()
}
