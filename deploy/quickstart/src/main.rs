//! Both planes and a demo upstream in one process: the first five minutes with Headgate.
//!
//! [`gateway`] starts the planes exactly as they start apart, certificates and join token included; [`demo`] is the
//! upstream; [`welcome`] is what a newcomer reads.

mod config;
mod demo;
mod gateway;
mod welcome;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{ArgMatches, Command};
use shared::settings::{Exit, Settings, flags, matches, read, report, say};
use tracing::{info, warn};

use config::Config;
use gateway::Gateway;

/// As in the planes' own programs: half the resident memory of a burst of writes, and a sixth less CPU, than with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PROGRAM: &str = "headgate-quickstart";

const EXAMPLES: &str = "\
Examples:
  cargo run --release                                         both planes on their usual ports
  cargo run --release -- --proxy-listen 127.0.0.1:9000        another port for the proxy
  cargo run --release -- settings                             every setting's value and where it came from";

fn main() -> ExitCode {
    let end = matches(command()).and_then(|matches| dispatch(&matches));
    end.err().unwrap_or(Exit::Ok).into()
}

fn command() -> Command {
    let specs = Config::specs();
    Command::new(PROGRAM)
        .version(env!("CARGO_PKG_VERSION"))
        .about("Runs a control plane, a data plane and a demo upstream in one process")
        .after_help(EXAMPLES)
        .args(flags(&specs))
        .subcommand(
            Command::new("settings")
                .about("Prints every setting's value and where it came from")
                .args(flags(&specs)),
        )
}

fn dispatch(matches: &ArgMatches) -> Result<(), Exit> {
    let loaded = read::<Config>(PROGRAM, matches)?;
    if matches.subcommand_name() == Some("settings") {
        return say(&report(&loaded.values));
    }
    let config = loaded.value;
    control_plane::telemetry::log_to_stderr(config.control_plane.log_level);
    for warning in &loaded.warnings {
        warn!("{warning}");
    }
    let runtime = tokio::runtime::Runtime::new().map_err(|error| {
        eprintln!("{PROGRAM}: cannot start threads: {error}");
        Exit::Failed
    })?;
    runtime.block_on(run(config))
}

async fn run(config: Config) -> Result<(), Exit> {
    let state = config.own.data_dir.clone();
    let gateway = Gateway::start(config).await?;
    // Nobody reads it: the logs say the rest.
    let _ = say(&welcome::text(&gateway.listening(), &state));
    if !std::io::stdout().is_terminal() {
        let _ = say(&welcome::for_scripts(&gateway.listening()));
    }
    control_plane::cli::asked_to_stop().await;
    info!("stopping");
    gateway.stop().await;
    Ok(())
}
