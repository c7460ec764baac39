//! `headgate-cp backup` and `headgate-cp restore`: all that a control plane keeps, in one file.

use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, Command};
use shared::settings::{Exit, Settings, flags, read, say};

use super::PROGRAM;
use crate::Config;
use crate::store::{Author, back_up, restore};

const ABOUT: &str = "\
The file holds the configuration at one revision with its history, the audit, the records of nodes and tokens, the CA that
nodes trust, and the Admin API's own certificate. It holds every key and password of them: it is made with mode 0600, and
belongs where only those come who may come at data_dir. Settings (headgate.toml) and files that they name are not in it.

Examples:
  headgate-cp backup /var/backups/headgate-2026-11-22.db         while the control plane runs, or not
  headgate-cp restore /var/backups/headgate-2026-11-22.db        while it does not

After a restore nodes follow the restored configuration by themselves. Tokens and nodes that were revoked after the backup
are good again: revoke them again. What was in data_dir before lies in a folder before-restore-… there.";

/// `backup FILE`
pub(super) fn backup_command() -> Command {
    with_args(Command::new("backup").about("Copies all that the control plane keeps into a file"))
}

/// `restore FILE`
pub(super) fn restore_command() -> Command {
    with_args(
        Command::new("restore").about("Puts a backup in the place of what the control plane keeps"),
    )
}

fn with_args(command: Command) -> Command {
    let file = Arg::new("file")
        .value_name("FILE")
        .required(true)
        .value_parser(clap::value_parser!(PathBuf));
    let settings = flags(&Config::specs()).into_iter();
    let needed = |flag: &Arg| ["config", "data_dir"].contains(&flag.get_id().as_str());
    command
        .after_help(ABOUT)
        .arg(file)
        .args(settings.filter(needed))
}

pub(super) fn back_up_main(matches: &ArgMatches) -> Result<(), Exit> {
    let (config, file) = given(matches)?;
    let made = back_up(&config.data_dir, &file).map_err(failed)?;
    let size = std::fs::metadata(&file).map_or(0, |about| about.len());
    let (revision, documents) = (made.version.revision, made.documents);
    say(&format!(
        "backup of revision {revision} ({documents} documents, {} files, {size} bytes) in {}\n",
        made.files,
        file.display()
    ))
}

pub(super) fn restore_main(matches: &ArgMatches) -> Result<(), Exit> {
    let (config, file) = given(matches)?;
    let author = Author::new("cli").doing(format!("restore {}", file_name(&file)));
    let restored = restore(&file, &config.data_dir, &author).map_err(failed)?;
    let (revision, epoch) = (restored.version.revision, restored.version.epoch);
    let mut said = format!("restored revision {revision}, as epoch {epoch}\n");
    if let Some(replaced) = restored.replaced {
        said.push_str(&format!("what was there is in {}\n", replaced.display()));
    }
    said.push_str("tokens and nodes revoked after the backup are good again: revoke them again\n");
    say(&said)
}

fn given(matches: &ArgMatches) -> Result<(Config, PathBuf), Exit> {
    let (_, verb) = matches.subcommand().expect("the caller saw the verb");
    let file = verb.get_one::<PathBuf>("file").expect("clap requires it");
    Ok((read::<Config>(PROGRAM, matches)?.value, file.clone()))
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn failed(error: impl std::fmt::Display) -> Exit {
    eprintln!("{PROGRAM}: {error}");
    Exit::Failed
}
