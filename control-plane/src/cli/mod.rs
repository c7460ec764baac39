//! The command line of `headgate-cp`: what is asked for, and the code it ends with.
//!
//! Every setting is a flag of `run` and `settings`; the verbs of an operator speak to the Admin API ([`admin_api`]).

mod admin_api;
mod admin_token;
mod backup;
mod config;
mod plugin;
mod reach;
mod token;

use std::process::ExitCode;

use clap::{ArgMatches, Command};
use shared::settings::{Exit, Settings, flags, how_to_change, matches, read, report, say};
use tokio::runtime::Runtime;
use tracing::{error, info, warn};

use crate::{Config, Running, StartError, telemetry};

const PROGRAM: &str = "headgate-cp";

const EXAMPLES: &str = "\
Examples:
  headgate-cp                                    start with ./headgate.toml, if there is one
  headgate-cp --admin-listen 127.0.0.1:9001      another port for the Admin API
  headgate-cp settings                           every setting's value and where it came from
  headgate-cp token create                       a word with which one data plane joins
  headgate-cp config apply kong.yaml             makes the configuration what a file says
  headgate-cp plugin test ./my-plugin            tries out a plugin written in Lua
  headgate-cp plugin push ./my-plugin            stores it
  headgate-cp admin-token create --role write --name ci
                                                 lets a program use the Admin API from elsewhere

Settings come from a flag, else a HEADGATE_… variable, else the file, else the default.
Exit codes: 0 ok, 1 failed, 2 usage or bad settings, 3 differences found, 4 control plane not
reachable, 5 cannot listen.";

/// Does what the command line asks for.
pub fn main() -> ExitCode {
    let end = matches(command()).and_then(|matches| dispatch(&matches));
    end.err().unwrap_or(Exit::Ok).into()
}

fn command() -> Command {
    let specs = Config::specs();
    Command::new(PROGRAM)
        .version(env!("CARGO_PKG_VERSION"))
        .about(
            "Keeps Headgate's configuration behind the Admin API and streams it to the data planes",
        )
        .after_help(EXAMPLES)
        .args(flags(&specs))
        .subcommand(
            Command::new("run")
                .about("Runs the control plane; what is done without a subcommand")
                .args(flags(&specs)),
        )
        .subcommand(
            Command::new("settings")
                .about("Prints every setting's value and where it came from")
                .args(flags(&specs)),
        )
        .subcommand(token::command())
        .subcommand(config::command())
        .subcommand(plugin::command())
        .subcommand(admin_token::command())
        .subcommand(backup::backup_command())
        .subcommand(backup::restore_command())
}

fn dispatch(matches: &ArgMatches) -> Result<(), Exit> {
    match matches.subcommand() {
        Some(("settings", _)) => say(&report(&read::<Config>(PROGRAM, matches)?.values)),
        Some(("token", _)) => token::main(matches),
        Some(("config", _)) => config::main(matches),
        Some(("plugin", _)) => plugin::main(matches),
        Some(("admin-token", _)) => admin_token::main(matches),
        Some(("backup", _)) => backup::back_up_main(matches),
        Some(("restore", _)) => backup::restore_main(matches),
        _ => run(matches),
    }
}

fn run(matches: &ArgMatches) -> Result<(), Exit> {
    let loaded = read::<Config>(PROGRAM, matches)?;
    telemetry::log_to_stderr(loaded.value.log_level);
    for warning in &loaded.warnings {
        warn!("{warning}");
    }
    runtime()?.block_on(async {
        let running = crate::start(loaded.value.clone()).await.map_err(failed)?;
        announce(&running);
        asked_to_stop().await;
        info!("stopping");
        running.stop().await;
        Ok(())
    })
}

/// One line for each listener, with the port the system chose for 0, and `ready`: scripts and tests wait for it.
fn announce(running: &Running) {
    let listening = running.listening().into_iter();
    let lines: String = listening
        .map(|(name, address)| format!("listening {name} {address}\n"))
        .collect();
    // Nobody reads it: the logs say the rest.
    let _ = say(&format!("{lines}ready\n"));
}

/// Says why the start failed, and with which code the process ends.
fn failed(cause: StartError) -> Exit {
    eprintln!("{PROGRAM}: {cause}");
    if let StartError::Bind { setting, .. } = &cause {
        eprintln!("{}", how_to_change(setting));
    }
    cause.exit()
}

fn runtime() -> Result<Runtime, Exit> {
    Runtime::new().map_err(|error| {
        eprintln!("{PROGRAM}: cannot start threads: {error}");
        Exit::Failed
    })
}

/// Waits for `TERM` or `INT`.
pub async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        error!("cannot listen for signals: only KILL ends this process");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}
