//! `headgate-cp plugin …`: custom plugins, from a folder to the control plane and back (custom-plugins.md 7.2).
//!
//! [`folder`] is what lies on this machine, [`remote`] what is asked of the control plane, [`show`] what a person reads,
//! [`mod@test`] a run without either.

mod folder;
mod remote;
mod show;
mod test;

use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command};
use shared::settings::{Exit, read, say};

use self::folder::{Folder, FolderError};
use self::remote::{Remote, RemoteError};
use super::{PROGRAM, reach, runtime};
use crate::Config;

const EXAMPLES: &str = "\
Examples:
  headgate-cp plugin test ./my-plugin                     sends a request through it, here, and shows each phase
  headgate-cp plugin push ./my-plugin                     stores my-plugin/schema.lua and handler.lua
  headgate-cp plugin push ./build --name my-plugin        the same under a name of its own
  headgate-cp plugin list                                 what is stored, with versions and phases
  headgate-cp plugin pull my-plugin ./my-plugin           writes both files into a folder
  headgate-cp plugin delete my-plugin                     if no plugin uses it

A push is one revision: every data plane loads the new source before any request sees it. Source that does not
load is refused with file and line, and nothing is changed.
Exit codes: 0 ok, 1 failed, 2 usage or bad settings, 4 control plane not reachable.";

/// Why a verb did not succeed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Remote(#[from] RemoteError),
}

impl Failure {
    fn exit(&self) -> Exit {
        match self {
            Failure::Folder(FolderError::Nameless { .. }) => Exit::Usage,
            Failure::Folder(_) => Exit::Failed,
            Failure::Remote(error) => error.exit(),
        }
    }
}

/// `plugin` and what is behind it.
pub(super) fn command() -> Command {
    let name = || Arg::new("name").value_name("NAME").required(true);
    let dir = |help: &'static str| {
        Arg::new("dir")
            .value_name("DIR")
            .required(true)
            .value_parser(clap::value_parser!(PathBuf))
            .help(help)
    };
    Command::new("plugin")
        .about("Stores custom plugins, and shows those that are stored")
        .after_help(EXAMPLES)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            verb(
                "push",
                "Stores the plugin of a folder, or a new version of it",
            )
            .arg(dir("The folder of schema.lua and handler.lua"))
            .arg(
                Arg::new("name")
                    .long("name")
                    .value_name("NAME")
                    .help("What it is called [else as the folder is]"),
            ),
        )
        .subcommand(verb("list", "Shows every custom plugin"))
        .subcommand(
            verb("pull", "Writes the source of a custom plugin into a folder")
                .arg(name().help("Which one"))
                .arg(dir("The folder that gets schema.lua and handler.lua"))
                .arg(
                    Arg::new("force")
                        .long("force")
                        .action(ArgAction::SetTrue)
                        .help("Also over files that say something else"),
                ),
        )
        .subcommand(verb("delete", "Deletes a custom plugin").arg(name().help("Which one")))
        .subcommand(test::command())
}

fn verb(name: &'static str, about: &'static str) -> Command {
    Command::new(name)
        .about(about)
        .after_help(EXAMPLES)
        .args(reach::args(&[]))
}

pub(super) fn main(matches: &ArgMatches) -> Result<(), Exit> {
    let (_, plugin) = matches.subcommand().expect("the caller saw `plugin`");
    let (name, verb) = plugin
        .subcommand()
        .expect("clap requires what is behind `plugin`");
    if name == test::NAME {
        return test::main(verb);
    }
    let settings = read::<Config>(PROGRAM, matches)?.value;
    let done = runtime()?.block_on(async {
        match name {
            "push" => push(&settings, verb).await,
            "pull" => pull(&settings, verb).await,
            "delete" => delete(&settings, verb).await,
            _ => list(&settings, verb).await,
        }
    });
    let text = done.map_err(|cause| {
        eprintln!("{PROGRAM}: {cause}");
        cause.exit()
    })?;
    say(&text)
}

fn dir(verb: &ArgMatches) -> &Path {
    verb.get_one::<PathBuf>("dir").expect("clap requires it")
}

fn name(verb: &ArgMatches) -> &str {
    verb.get_one::<String>("name").expect("clap requires it")
}

async fn push(settings: &Config, verb: &ArgMatches) -> Result<String, Failure> {
    let dir = dir(verb);
    let folder = Folder::read(dir)?;
    for file in &folder.unsent {
        let file = file.display();
        eprintln!(
            "{PROGRAM}: '{file}' is not sent: a custom plugin is {} and {} (one of several files has to lie on \
             every machine, see the setting 'lua_plugins')",
            shared::plugins::installed::SCHEMA,
            shared::plugins::installed::HANDLER
        );
    }
    let name = match verb.get_one::<String>("name") {
        Some(name) => name.clone(),
        None => folder::name_of(dir)?,
    };
    let remote = Remote::reach(settings, verb)?;
    let before = remote.find(&name).await?;
    if let Some(before) = before.as_ref().filter(|before| folder.is_in(before)) {
        return Ok(show::unchanged(before));
    }
    let after = remote
        .store(&name, before.is_some(), &folder)
        .await
        .map_err(|error| error.in_folder(dir))?;
    Ok(show::pushed(before.as_ref(), &after))
}

async fn list(settings: &Config, verb: &ArgMatches) -> Result<String, Failure> {
    let remote = Remote::reach(settings, verb)?;
    Ok(show::table(&remote.all().await?))
}

async fn pull(settings: &Config, verb: &ArgMatches) -> Result<String, Failure> {
    let (name, dir) = (name(verb), dir(verb));
    let remote = Remote::reach(settings, verb)?;
    let plugin = remote.existing(name).await?;
    let written = folder::write(dir, &plugin, verb.get_flag("force"))?;
    Ok(show::pulled(&plugin, &written))
}

async fn delete(settings: &Config, verb: &ArgMatches) -> Result<String, Failure> {
    let name = name(verb);
    let remote = Remote::reach(settings, verb)?;
    let plugin = remote.existing(name).await?;
    remote.delete(&plugin).await?;
    Ok(format!("deleted {name}\n"))
}
