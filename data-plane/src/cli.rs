//! The command line of `headgate-dp`: what is asked for, and the code it ends with.

mod plugin;

use std::process::ExitCode;

use clap::{ArgMatches, Command};
use shared::settings::{Exit, Settings, flags, matches, read, report, say};
use tokio::runtime::{Builder, Runtime};
use tracing::{error, info, warn};

use crate::telemetry::logs;
use crate::{Config, Running, StartError};

const PROGRAM: &str = "headgate-dp";

const EXAMPLES: &str = "\
Examples:
  headgate-dp --control-plane cp.example:8005 --join TOKEN    the first time; TOKEN: headgate-cp token create
  headgate-dp                                                 afterwards; the identity is in data_dir
  headgate-dp --declarative-config kong.yaml                  alone, without a control plane; HUP loads it again
  headgate-dp --proxy-listen '0.0.0.0:80, 0.0.0.0:443 ssl'    other ports
  headgate-dp settings                                        every setting's value and where it came from
  headgate-dp plugin test ./my-plugin                         what a plugin does with a request, phase by phase

Settings come from a flag, else a HEADGATE_… variable, else the file, else the default.
Exit codes: 0 ok, 1 failed, 2 usage or bad settings, 4 control plane not reachable, 5 cannot listen.";

/// Does what the command line asks for.
pub fn main() -> ExitCode {
    let end = matches(command()).and_then(|matches| dispatch(&matches));
    end.err().unwrap_or(Exit::Ok).into()
}

fn command() -> Command {
    let specs = Config::specs();
    Command::new(PROGRAM)
        .version(env!("CARGO_PKG_VERSION"))
        .about("Follows Headgate's control plane and proxies the traffic")
        .after_help(EXAMPLES)
        .args(flags(&specs))
        .subcommand(
            Command::new("run")
                .about("Runs the data plane; what is done without a subcommand")
                .args(flags(&specs)),
        )
        .subcommand(
            Command::new("settings")
                .about("Prints every setting's value and where it came from")
                .args(flags(&specs)),
        )
        .subcommand(plugin::command())
}

fn dispatch(matches: &ArgMatches) -> Result<(), Exit> {
    match matches.subcommand() {
        Some(("settings", _)) => say(&report(&read::<Config>(PROGRAM, matches)?.values)),
        Some(("plugin", verb)) => plugin::main(verb),
        _ => run(matches),
    }
}

fn run(matches: &ArgMatches) -> Result<(), Exit> {
    let loaded = read::<Config>(PROGRAM, matches)?;
    logs::to_stderr(loaded.value.log_level);
    for warning in &loaded.warnings {
        warn!("{warning}");
    }
    let running = crate::start(loaded.value).map_err(failed)?;
    announce(&running);
    // Requests have threads of their own: this one only waits.
    let end = waiting()?.block_on(end(&running));
    info!("stopping");
    running.stop();
    end
}

fn waiting() -> Result<Runtime, Exit> {
    let built = Builder::new_current_thread().enable_all().build();
    built.map_err(|error| {
        eprintln!("{PROGRAM}: cannot start: {error}");
        Exit::Failed
    })
}

/// Waits for the reason to stop.
async fn end(running: &Running) -> Result<(), Exit> {
    tokio::select! {
        () = asked_to_stop() => Ok(()),
        () = running.refused().cancelled_owned() => Err(Exit::Failed),
        () = reloading(running) => Ok(()),
    }
}

/// Passes `HUP` on for as long as the node runs; where there is no file to load, the signal means what it always does.
async fn reloading(running: &Running) {
    use tokio::signal::unix::{SignalKind, signal};
    let Some(reload) = running.reload() else {
        return std::future::pending().await;
    };
    let Ok(mut hangups) = signal(SignalKind::hangup()) else {
        error!("cannot listen for HUP: only a change of the file loads it again");
        return std::future::pending().await;
    };
    while hangups.recv().await.is_some() {
        // The thread that listens ends after this one.
        let _ = reload.send(());
    }
}

/// One line for each listener, with the port the system chose for 0, and `ready`: scripts and tests wait for it.
fn announce(running: &Running) {
    let line = |(name, address): &(&str, _)| format!("listening {name} {address}\n");
    let lines: String = running.listening.iter().map(line).collect();
    // Nobody reads it: the logs say the rest.
    let _ = say(&format!("{lines}ready\n"));
}

/// Says why the start failed, and with which code the process ends.
fn failed(cause: StartError) -> Exit {
    eprintln!("{PROGRAM}: {cause}");
    cause.exit()
}

/// Waits for `TERM` or `INT`.
async fn asked_to_stop() {
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
