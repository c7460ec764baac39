//! Flag over variable over file over default, with the origin of each value kept.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::file::{self, Entry};
use super::{SettingError, SettingErrors, SettingValue, Settings, Spec, Violation, suggest};

/// What settings are read from.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// Flags given, by the setting's name.
    pub flags: BTreeMap<String, String>,
    /// The file that `--config` names.
    pub config: Option<PathBuf>,
    /// The environment.
    pub environment: Vec<(String, String)>,
    /// Where `headgate.toml` is looked for and a relative `--config` starts.
    pub directory: PathBuf,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A flag: `--admin-listen`.
    Flag(String),
    /// An environment variable.
    Variable(String),
    /// File and line.
    File(String),
    /// Nobody gave one.
    Default,
    /// The program itself decides it.
    Program,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "flag --{name}"),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::File(place) => write!(f, "{place}"),
            Self::Default => f.write_str("default"),
            Self::Program => f.write_str("the program"),
        }
    }
}

/// The texts that apply, before they are read as values.
#[derive(Clone, Debug, Default)]
pub struct Values {
    specs: Vec<Spec>,
    texts: BTreeMap<(&'static str, &'static str), (String, Origin)>,
}

impl Values {
    /// Decides a setting in the program's name.
    pub fn decide(&mut self, section: &'static str, name: &'static str, text: String) {
        self.texts.insert((section, name), (text, Origin::Program));
    }

    /// Reads one setting; what is wrong with it goes to `errors`.
    pub fn read<T: SettingValue>(&self, spec: &Spec, errors: &mut SettingErrors) -> Option<T> {
        let (text, origin) = self.text(spec);
        let (name, origin) = (spec.name, origin.to_string());
        let got = if T::SECRET { "******" } else { text }.to_owned();
        if let Some(missing) = spec.unbuilt.filter(|_| text != spec.default) {
            errors.0.push(SettingError::NotBuilt {
                name,
                origin,
                got,
                missing,
            });
            return None;
        }
        T::parse(text)
            .map_err(|why| SettingError::BadValue {
                name,
                origin,
                got,
                expected: spec.hint,
                why,
            })
            .map_err(|error| errors.0.push(error))
            .ok()
    }

    /// The complaints of a struct's own rules, with the origin of the settings they are about.
    pub fn contradictions(&self, section: &str, found: Vec<Violation>) -> SettingErrors {
        let error = |violation: Violation| SettingError::Contradiction {
            name: violation.name,
            origin: self.origin(section, violation.name).to_string(),
            message: violation.message,
        };
        SettingErrors(found.into_iter().map(error).collect())
    }

    fn text(&self, spec: &Spec) -> (&str, &Origin) {
        match self.texts.get(&(spec.section, spec.name)) {
            // Nothing and `off` never ask for what is not built, whatever the type would make of them.
            Some((text, origin))
                if spec.unbuilt.is_some() && matches!(text.as_str(), "" | "off") =>
            {
                (spec.default, origin)
            }
            Some((text, origin)) => (text, origin),
            None => (spec.default, &Origin::Default),
        }
    }

    fn origin(&self, section: &str, name: &str) -> &Origin {
        let found = self
            .texts
            .iter()
            .find(|((s, n), _)| *s == section && *n == name);
        found.map_or(&Origin::Default, |(_, (_, origin))| origin)
    }

    /// Every setting with its value as it would be printed and where it came from, in the order of declaration.
    pub fn report(&self) -> impl Iterator<Item = (&Spec, String, &Origin)> {
        self.specs.iter().map(|spec| {
            let (text, origin) = self.text(spec);
            let shown = (spec.check)(text).unwrap_or_else(|_| text.to_owned());
            (spec, shown, origin)
        })
    }
}

/// Settings that were read, and how.
#[derive(Clone, Debug)]
pub struct Loaded<T> {
    /// The settings.
    pub value: T,
    /// Their texts and origins.
    pub values: Values,
    /// What is odd but no reason not to start: unknown variables.
    pub warnings: Vec<String>,
}

/// Reads the settings of a program, or says everything that is wrong with them.
pub fn load<T: Settings>(inputs: &Inputs) -> Result<Loaded<T>, SettingErrors> {
    let specs = T::specs();
    let named = inputs.config.clone().or_else(|| config_variable(inputs));
    let path = file::locate(named.as_deref(), &inputs.directory);
    let entries = path.map_or(Ok(Vec::new()), |path| file::read(&path))?;
    let unknown = unknown_keys(&specs, &entries);
    let values = Values {
        texts: specs
            .iter()
            .filter_map(|spec| choose(spec, inputs, &entries))
            .collect(),
        specs,
    };
    let warnings = unknown_variables(&values.specs, inputs);
    match T::read(&values) {
        Ok(value) => unknown.or(|| Loaded {
            value,
            values,
            warnings,
        }),
        Err(errors) => Err(SettingErrors([unknown.0, errors.0].concat())),
    }
}

/// Variables that are known beside the settings.
const CONFIG: &str = "HEADGATE_CONFIG";
const OTHER_VARIABLES: &[&str] = &[
    CONFIG,
    "HEADGATE_ADMIN_URL",
    "HEADGATE_ADMIN_TOKEN",
    "HEADGATE_ADMIN_CA",
];

fn config_variable(inputs: &Inputs) -> Option<PathBuf> {
    let found = inputs.environment.iter().find(|(name, _)| name == CONFIG);
    found.map(|(_, path)| path.into())
}

type Chosen = ((&'static str, &'static str), (String, Origin));

fn choose(spec: &Spec, inputs: &Inputs, entries: &[Entry]) -> Option<Chosen> {
    let flag = inputs.flags.get(spec.name);
    let flag = flag.map(|text| (text.clone(), Origin::Flag(spec.flag())));
    let variable = || {
        let name = spec.variable();
        let (_, text) = inputs
            .environment
            .iter()
            .find(|(found, _)| *found == name)?;
        Some((text.clone(), Origin::Variable(name)))
    };
    // A plane's own table is about it alone, so it wins over the top of the file.
    let own =
        |entry: &&Entry| entry.key == spec.name && entry.table.as_deref() == Some(spec.section);
    let top = |entry: &&Entry| entry.key == spec.name && entry.table.is_none();
    let in_file = || {
        let entry = entries
            .iter()
            .find(own)
            .or_else(|| entries.iter().find(top))?;
        Some((entry.text.clone(), Origin::File(entry.place.clone())))
    };
    let (text, origin) = flag.or_else(variable).or_else(in_file)?;
    Some(((spec.section, spec.name), (text.trim().to_owned(), origin)))
}

/// The tables that a file may have, whichever program reads it.
const TABLES: &[&str] = &["control_plane", "data_plane", "quickstart"];

fn unknown_keys(specs: &[Spec], entries: &[Entry]) -> SettingErrors {
    let error = |entry: &Entry| SettingError::UnknownKey {
        key: match &entry.table {
            Some(table) => format!("{table}.{}", entry.key),
            None => entry.key.clone(),
        },
        place: entry.place.clone(),
        suggestion: suggestion(specs, entry),
    };
    SettingErrors(
        entries
            .iter()
            .filter(|entry| !is_known(specs, entry))
            .map(error)
            .collect(),
    )
}

fn is_known(specs: &[Spec], entry: &Entry) -> bool {
    match entry.table.as_deref() {
        None => specs.iter().any(|spec| spec.name == entry.key),
        // What the other plane is told is its own affair: each checks its own table.
        Some(table) if !specs.iter().any(|spec| spec.section == table) => TABLES.contains(&table),
        Some(table) => specs
            .iter()
            .any(|spec| spec.section == table && spec.name == entry.key),
    }
}

fn suggestion(specs: &[Spec], entry: &Entry) -> Option<String> {
    if let Some(table) = entry.table.as_deref()
        && !TABLES.contains(&table)
    {
        let near = suggest::nearest(table, TABLES.iter().copied());
        return Some(match near {
            Some(near) => format!("did you mean the table [{near}]?"),
            None => format!("the tables are [{}]", TABLES.join("], [")),
        });
    }
    let here = |spec: &&Spec| {
        entry
            .table
            .as_deref()
            .is_none_or(|table| table == spec.section)
    };
    let near = suggest::nearest(&entry.key, specs.iter().filter(here).map(|spec| spec.name));
    match near {
        Some(near) => Some(format!("did you mean '{near}'?")),
        None => entry.table.is_none().then(|| {
            "what only one plane knows belongs into [control_plane] or [data_plane]".to_owned()
        }),
    }
}

fn unknown_variables(specs: &[Spec], inputs: &Inputs) -> Vec<String> {
    const PREFIX: &str = "HEADGATE_";
    let ours = inputs.environment.iter().map(|(name, _)| name);
    let ours = ours.filter(|name| !OTHER_VARIABLES.contains(&name.as_str()));
    let ours =
        ours.filter_map(|name| Some((name, name.strip_prefix(PREFIX)?.to_ascii_lowercase())));
    let unknown = ours.filter(|(name, _)| !specs.iter().any(|spec| spec.variable() == **name));
    let warning = |(name, key): (&String, String)| {
        let near = suggest::nearest(&key, specs.iter().map(|spec| spec.name));
        let hint =
            near.map(|near| format!(" (did you mean {PREFIX}{}?)", near.to_ascii_uppercase()));
        format!(
            "unknown variable {name} is ignored{}",
            hint.unwrap_or_default()
        )
    };
    unknown.map(warning).collect()
}
