//! The settings as flags of a command line.

use std::path::PathBuf;

use clap::{Arg, ArgMatches};

use super::{Inputs, Spec};

const CONFIG: &str = "config";

/// A flag for each setting, and `--config`. Values stay texts: [`super::load`] reads them, whatever they came from.
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
