//! `headgate-cp plugin test`: the data plane runs plugins, so its program does the work. The planes know nothing of each
//! other; what joins them here is that they are installed together.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command as Program;

use clap::{Arg, ArgAction, ArgMatches, Command};
use shared::settings::Exit;

use crate::cli::PROGRAM;

pub(super) const NAME: &str = "test";

/// The program that runs plugins.
const RUNNER: &str = "headgate-dp";

/// Everything behind `test` is passed on as it stands, `--help` too.
pub(super) fn command() -> Command {
    Command::new(NAME)
        .about(
            "Sends one request through the plugin of a folder, here, and shows what each phase did",
        )
        .disable_help_flag(true)
        .arg(
            Arg::new("words")
                .value_name("DIR and flags")
                .num_args(0..)
                .action(ArgAction::Append)
                .trailing_var_arg(true)
                .allow_hyphen_values(true)
                .value_parser(clap::value_parser!(OsString)),
        )
}

pub(super) fn main(verb: &ArgMatches) -> Result<(), Exit> {
    let words = verb.get_many::<OsString>("words").into_iter().flatten();
    let Some(runner) = runner() else {
        eprintln!(
            "{PROGRAM}: plugins are run by {RUNNER}, which is neither beside this program nor in PATH \
             (install it, or build it with `cargo build --release -p data-plane`)"
        );
        return Err(Exit::Failed);
    };
    let status = Program::new(&runner)
        .args(["plugin", NAME])
        .args(words)
        .status();
    let status = status.map_err(|error| {
        eprintln!("{PROGRAM}: cannot run '{}': {error}", runner.display());
        Exit::Failed
    })?;
    match status.code() {
        Some(0) => Ok(()),
        Some(2) => Err(Exit::Usage),
        _ => Err(Exit::Failed),
    }
}

/// The program beside this one, else the first of `PATH`.
fn runner() -> Option<PathBuf> {
    let own = std::env::current_exe().ok();
    let beside = own.as_deref().and_then(Path::parent).map(Path::to_owned);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = beside.into_iter().chain(std::env::split_paths(&path));
    folders
        .map(|folder| folder.join(format!("{RUNNER}{}", std::env::consts::EXE_SUFFIX)))
        .find(|candidate| candidate.is_file())
}
