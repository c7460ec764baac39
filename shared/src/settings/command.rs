//! The settings as flags of a command line.

use std::io::Write;
use std::path::PathBuf;

use clap::{Arg, ArgMatches};

use super::{Exit, Inputs, Loaded, Settings, Spec, load};

const CONFIG: &str = "config";

/// A flag for each setting, and `--config`. Values stay texts: [`super::load()`] reads them, whatever they came from.
pub fn flags(specs: &[Spec]) -> Vec<Arg> {
    let config = Arg::new(CONFIG)
        .long(CONFIG)
        .value_name("FILE")
        .help("Settings file [else ./headgate.toml, else /etc/headgate/headgate.toml]");
    let mut flags = vec![config];
    for spec in specs {
        // Planes that run together share a setting of the same name.
        if !flags.iter().any(|flag| flag.get_id() == spec.name) {
            flags.push(flag(spec));
        }
    }
    flags
}

fn flag(spec: &Spec) -> Arg {
    let default = if spec.default.is_empty() {
        "nothing"
    } else {
        spec.default
    };
    Arg::new(spec.name)
        .long(spec.flag())
        .value_name("VALUE")
        .help(format!(
            "{} [{default}]",
            spec.summary().trim_end_matches('.')
        ))
        .long_help(format!(
            "{}\nVariable {}, default: {default}\nTakes {}",
            spec.doc,
            spec.variable(),
            spec.hint
        ))
}

/// What this process was started with. A flag behind a subcommand wins over one before it.
pub fn inputs(specs: &[Spec], matches: &ArgMatches) -> Inputs {
    let mut levels = vec![matches];
    while let Some((_, inner)) = levels[levels.len() - 1].subcommand() {
        levels.push(inner);
    }
    let given = |name: &str| {
        let mut innermost_first = levels.iter().rev();
        innermost_first.find_map(|level| level.try_get_one::<String>(name).ok().flatten().cloned())
    };
    let flags = specs
        .iter()
        .filter_map(|spec| Some((spec.name.to_owned(), given(spec.name)?)));
    Inputs {
        flags: flags.collect(),
        config: given(CONFIG).map(PathBuf::from),
        // A variable that is not text cannot be a setting of ours.
        environment: std::env::vars_os()
            .filter_map(|(name, text)| Some((name.into_string().ok()?, text.into_string().ok()?)))
            .collect(),
        directory: PathBuf::new(),
    }
}

/// Reads the settings of this process, or says what is wrong with them on standard error.
pub fn read<T: Settings>(program: &str, matches: &ArgMatches) -> Result<Loaded<T>, Exit> {
    load::<T>(&inputs(&T::specs(), matches)).map_err(|errors| {
        eprintln!("{program} does not start with these settings:");
        for error in &errors.0 {
            eprintln!("  {error}");
        }
        Exit::Usage
    })
}

/// Reads a command line. What is wrong with it, the help and the version are printed, and that is the end of it.
pub fn matches(command: clap::Command) -> Result<ArgMatches, Exit> {
    command.try_get_matches().map_err(|error| {
        // A closed pipe is the only way this fails, and then there is nobody to tell.
        let _ = error.print();
        if error.use_stderr() {
            Exit::Usage
        } else {
            Exit::Ok
        }
    })
}

/// How a setting is given another value, for a complaint about its value.
pub fn how_to_change(setting: &str) -> String {
    let flag = setting.replace('_', "-");
    let variable = setting.to_ascii_uppercase();
    format!("  change it with --{flag}, HEADGATE_{variable}, or {setting} in headgate.toml")
}

/// Writes to standard output. A reader that has gone away, as `head` does, is no reason to panic.
pub fn say(text: &str) -> Result<(), Exit> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|_| Exit::Failed)
}
