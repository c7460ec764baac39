//! `headgate-dp plugin test DIR`: one request through a plugin, and what each phase did: the inner loop of who writes one.
//!
//! It is a node as any other, with one thread and a declarative file, so what is shown is what happens in production.
//! [`asked`] is what the command line says, [`node`] the run, [`upstream`] the service behind the gateway, [`client`] who
//! asks, [`logs`] what is said meanwhile, [`report`] what came of it, [`show`] how a person reads it.

mod asked;
mod client;
mod logs;
mod node;
mod paint;
mod report;
mod show;
mod upstream;

use std::io::IsTerminal;

use clap::{ArgMatches, Command};
use shared::settings::{Exit, say};

use self::asked::Asked;
use self::paint::Paint;
use self::report::Report;
use super::PROGRAM;

const ABOUT: &str = "Sends one request through a plugin and shows what each phase did";

const EXAMPLES: &str = "\
Examples:
  headgate-dp plugin test ./my-plugin
  headgate-dp plugin test ./my-plugin --config '{\"header\": \"x-a\"}' --path '/orders?id=1'
  headgate-dp plugin test ./my-plugin --method POST -H 'Content-Type: application/json' --body '{\"a\": 1}'
  headgate-dp plugin test ./my-plugin --upstream-status 503 --upstream-header 'Retry-After: 5' --upstream-body sorry
  headgate-dp plugin test ./my-plugin --request case.json --json

A request file has the same in JSON; what is given on the command line wins:
  { \"config\": {}, \"method\": \"POST\", \"path\": \"/\", \"headers\": { \"Accept\": \"text/html\" }, \"body\": \"text or JSON\",
    \"upstream\": { \"status\": 200, \"headers\": {}, \"body\": \"text or JSON\" }, \"egress\": \"any\",
    \"settings\": { \"lua_ssl_trusted_certificate\": \"ca.pem\" } }

The plugin runs in the sandbox, on every request, between a client and an upstream on this machine; an upstream for
which no answer is given describes the request that it got. `headgate-cp plugin test` is the same command.
Exit codes: 0 ok, 1 the plugin does not load or has failed, 2 usage.";

/// `plugin` and what is behind it.
pub(super) fn command() -> Command {
    Command::new("plugin")
        .about("Tries out plugins written in Lua")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("test")
                .about(ABOUT)
                .after_help(EXAMPLES)
                .args(asked::args()),
        )
}

pub(super) fn main(plugin: &ArgMatches) -> Result<(), Exit> {
    let (_, test) = plugin
        .subcommand()
        .expect("clap requires what is behind `plugin`");
    let asked = Asked::read(test).map_err(|error| {
        eprintln!("{PROGRAM}: {error}");
        Exit::Usage
    })?;
    let report = node::run(&asked).map_err(|error| {
        eprintln!("{PROGRAM}: {error}");
        error.exit()
    })?;
    say(&written(&asked, &report))?;
    match report.is_ok() {
        true => Ok(()),
        false => Err(Exit::Failed),
    }
}

fn written(asked: &Asked, report: &Report) -> String {
    if asked.json {
        return format!("{:#}\n", report.json());
    }
    let plain = std::env::var_os("NO_COLOR").is_some_and(|text| !text.is_empty());
    let coloured = !plain && std::io::stdout().is_terminal();
    show::text(report, Paint::new(coloured))
}
