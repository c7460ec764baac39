//! A declarative file as the command line reads it.

use std::collections::BTreeMap;
use std::io::Read;

use clap::ArgMatches;
use shared::declarative::{self, Base, Loaded, Mistake, Mode, Options, Report};
use shared::model::Model;
use shared::plugins::Catalog;
use shared::schema::Document;
use shared::sync::State;
use uuid::Uuid;

use super::Failure;
use crate::admin::draft::{now, random_text};

/// A file, and what to call it in errors.
pub(super) struct File {
    pub(super) name: String,
    pub(super) text: String,
}

impl File {
    /// Reads the file that was named, or standard input.
    pub(super) fn read(verb: &ArgMatches) -> Result<Self, Failure> {
        let path = verb.get_one::<String>("input").expect("clap requires it");
        let (name, text) = match path.as_str() {
            "-" => {
                let mut text = String::new();
                let read = std::io::stdin().read_to_string(&mut text);
                ("standard input".to_owned(), read.map(|_| text))
            }
            path => (path.to_owned(), std::fs::read_to_string(path)),
        };
        match text {
            Ok(text) => Ok(Self { name, text }),
            Err(source) => Err(Failure::Read { name, source }),
        }
    }

    /// The file as a value; an error says where it stops being one.
    pub(super) fn parse(&self) -> Result<Document, Failure> {
        declarative::parse(&self.text).map_err(|error| self.wrong(&error.into()))
    }

    /// The file's documents over those that exist.
    pub(super) fn load(
        &self,
        catalog: &Catalog,
        state: &State,
        mode: Mode,
    ) -> Result<Vec<Loaded>, Failure> {
        let options = options(catalog, state, mode);
        declarative::load(&self.parse()?, &options).map_err(|report| self.wrong(&report))
    }

    /// What is in a file that is good; everything that is wrong with one that is not.
    pub(super) fn validate(&self, catalog: &Catalog) -> Result<String, Failure> {
        let loaded = self.load(catalog, &State::new(), Mode::Replace)?;
        // What a node would say.
        Model::build(&state_of(&loaded), None, catalog).map_err(|issues| {
            let mistake = |issue: &shared::model::Issue| Mistake {
                at: None,
                path: String::new(),
                message: issue.to_string(),
            };
            let mistakes = issues.iter().map(mistake).collect();
            self.mistaken(mistakes)
        })?;
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for one in &loaded {
            *counts.entry(one.entity.kind).or_default() += 1;
        }
        let counts: Vec<String> = counts
            .iter()
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        Ok(match counts.is_empty() {
            true => format!("{} is good, and empty", self.name),
            false => format!("{} is good: {}", self.name, counts.join(", ")),
        })
    }

    fn wrong(&self, report: &Report) -> Failure {
        self.mistaken(match report.unread() {
            Some(unread) => vec![Mistake {
                at: unread.at,
                path: String::new(),
                message: unread.message.clone(),
            }],
            None => declarative::explain(&report.fields(), &self.text),
        })
    }

    /// What the Admin API said is wrong, as lines of the file.
    pub(super) fn mistaken_by(&self, fields: &serde_json::Value) -> Failure {
        self.mistaken(declarative::explain(fields, &self.text))
    }

    fn mistaken(&self, mistakes: Vec<Mistake>) -> Failure {
        Failure::Wrong {
            name: self.name.clone(),
            mistakes,
        }
    }
}

/// As the Admin API loads files by default.
fn options<'a>(catalog: &'a Catalog, state: &'a State, mode: Mode) -> Options<'a> {
    Options {
        catalog,
        now: now(),
        new_id: &Uuid::new_v4,
        random_text: &random_text,
        lenient_config: true,
        base: Base::new(state, mode),
    }
}

pub(super) fn state_of(loaded: &[Loaded]) -> State {
    let mut state = State::new();
    for one in loaded {
        state.insert(&one.entity.kind.into(), one.id, one.payload.clone());
    }
    state
}
