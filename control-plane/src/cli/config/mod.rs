//! `headgate-cp config …`: the whole configuration as a file.
//!
//! [`mod@file`] reads and checks one, [`api`] is what is asked of the control plane, [`difference`] compares the two and
//! [`show`] tells a person.

mod api;
mod difference;
mod file;
mod show;

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use clap::{Arg, ArgAction, ArgMatches, Command};
use shared::declarative::{Format, Mistake, Mode};
use shared::plugins::installed::InstallError;
use shared::settings::{Exit, read, say};

use self::api::{Api, Counts};
use self::file::File;
use super::admin_api::AdminError;
use super::{PROGRAM, reach, runtime};
use crate::Config;

const EXAMPLES: &str = "\
Examples:
  headgate-cp config validate kong.yaml         what is wrong with it, by line and column; asks nobody
  headgate-cp config diff kong.yaml             what `apply` would do; exit code 3 if that is anything
  headgate-cp config apply kong.yaml            adds and updates; deletes nothing
  headgate-cp config apply --prune kong.yaml    also deletes what the file does not have
  headgate-cp config export backup.yaml         everything there is, as a file
  generate | headgate-cp config import -        as `kong config db_import`

A file is one revision: all of it takes effect, or nothing. A file that changes nothing writes no revision.
Exit codes: 0 ok, 1 failed, 2 usage or bad settings, 3 differences found, 4 control plane not reachable.";

/// Why a verb did not succeed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("cannot read {name}: {source}")]
    Read {
        name: String,
        source: std::io::Error,
    },
    #[error("cannot write '{path}': {source}")]
    Write {
        path: String,
        source: std::io::Error,
    },
    #[error("{}", lines(name, mistakes))]
    Wrong {
        name: String,
        mistakes: Vec<Mistake>,
    },
    #[error("the control plane's configuration cannot be read: {0} (is it of another release?)")]
    Strange(String),
    #[error(transparent)]
    Plugin(#[from] InstallError),
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error(
        "admin_listen is off, so that there is nobody to ask (name an Admin API with --admin URL)"
    )]
    Nobody,
}

/// One line for each mistake, as compilers write them.
fn lines(name: &str, mistakes: &[Mistake]) -> String {
    let line = |mistake: &Mistake| match mistake.at {
        Some(_) => format!("{name}:{mistake}\n"),
        None => format!("{name}: {mistake}\n"),
    };
    let told: String = mistakes.iter().map(line).collect();
    let count = mistakes.len();
    let noun = if count == 1 { "mistake" } else { "mistakes" };
    format!("{name} has {count} {noun}\n{}", told.trim_end())
}

impl Failure {
    fn exit(&self) -> Exit {
        match self {
            Failure::Admin(AdminError::Unreachable { .. }) => Exit::Unreachable,
            Failure::Admin(AdminError::Url(_) | AdminError::Certificates { .. })
            | Failure::Plugin(_)
            | Failure::Nobody => Exit::Usage,
            _ => Exit::Failed,
        }
    }
}

/// `config` and what is behind it.
pub(super) fn command() -> Command {
    Command::new("config")
        .about("Reads and writes the whole configuration as a file")
        .after_help(EXAMPLES)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            verb(
                "import",
                "Adds and updates what a file says; deletes nothing",
            )
            .arg(input()),
        )
        .subcommand(
            verb("export", "Writes everything there is as a file")
                .arg(
                    Arg::new("output")
                        .value_name("FILE")
                        .default_value("-")
                        .help("Where to; `-` is standard output"),
                )
                .arg(
                    Arg::new("format")
                        .long("format")
                        .value_parser(["yaml", "json"])
                        .default_value("yaml")
                        .help("What the file is written in"),
                ),
        )
        .subcommand(
            Command::new("validate")
                .about("Says everything that is wrong with a file, without a control plane")
                .after_help(EXAMPLES)
                .arg(input()),
        )
        .subcommand(
            verb(
                "diff",
                "Shows what `apply` would do; exit code 3 if that is anything",
            )
            .arg(input())
            .arg(prune("Also shows what `apply --prune` would delete")),
        )
        .subcommand(
            verb("apply", "Makes the configuration what a file says")
                .arg(input())
                .arg(prune("Also deletes what the file does not have")),
        )
}

fn verb(name: &'static str, about: &'static str) -> Command {
    Command::new(name)
        .about(about)
        .after_help(EXAMPLES)
        .args(reach::args(&[]))
}

fn input() -> Arg {
    Arg::new("input")
        .value_name("FILE")
        .required(true)
        .help("YAML or JSON; `-` is standard input")
}

fn prune(help: &'static str) -> Arg {
    Arg::new("prune")
        .long("prune")
        .action(ArgAction::SetTrue)
        .help(help)
}

pub(super) fn main(matches: &ArgMatches) -> Result<(), Exit> {
    let (_, config) = matches.subcommand().expect("the caller saw `config`");
    let (name, verb) = config
        .subcommand()
        .expect("clap requires what is behind `config`");
    let settings = read::<Config>(PROGRAM, matches)?.value;
    lua::answer_schemas(settings.lua());
    if name == "validate" {
        let validated = || File::read(verb)?.validate(&settings.catalog()?);
        return say(&format!("{}\n", validated().map_err(failed)?));
    }
    let mode = match verb.try_get_one::<bool>("prune") {
        Ok(Some(true)) => Mode::Prune,
        _ => Mode::Merge,
    };
    runtime()?.block_on(async {
        let api = Api::reach(&settings, verb).map_err(failed)?;
        match name {
            "export" => export(&api, verb).await.map_err(failed),
            "diff" => diff(&api, &settings, verb, mode).await,
            _ => load(&api, verb, mode).await.map_err(failed),
        }
    })
}

fn failed(cause: Failure) -> Exit {
    eprintln!("{PROGRAM}: {cause}");
    cause.exit()
}

async fn load(api: &Api, verb: &ArgMatches, mode: Mode) -> Result<(), Failure> {
    let file = File::read(verb)?;
    file.parse()?;
    let Counts {
        created,
        changed,
        unchanged,
        deleted,
    } = api.load(&file, mode).await?;
    // Whoever does not listen any more has the exit code.
    let _ = say(&format!(
        "created {created}, changed {changed}, deleted {deleted}, unchanged {unchanged}\n"
    ));
    Ok(())
}

async fn diff(api: &Api, settings: &Config, verb: &ArgMatches, mode: Mode) -> Result<(), Exit> {
    let compared = async {
        let catalog = settings.catalog()?;
        let file = File::read(verb)?;
        file.parse()?;
        let running = api.export(Format::Json).await?;
        difference::compare(&catalog, &running, &file, mode)
    };
    let changes = compared.await.map_err(failed)?;
    say(&show::changes(&changes))?;
    match changes.is_empty() {
        true => Ok(()),
        false => Err(Exit::Differs),
    }
}

async fn export(api: &Api, verb: &ArgMatches) -> Result<(), Failure> {
    let format = match verb.get_one::<String>("format").map(String::as_str) {
        Some("json") => Format::Json,
        _ => Format::Yaml,
    };
    let text = api.export(format).await?;
    let path = verb.get_one::<String>("output").expect("it has a default");
    let written = match path.as_str() {
        "-" => std::io::stdout().write_all(text.as_bytes()),
        path => write_private(Path::new(path), &text),
    };
    written.map_err(|source| Failure::Write {
        path: path.clone(),
        source,
    })
}

/// Writes a file that nobody else may read: it holds every key and password.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
