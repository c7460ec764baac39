//! The groups that a regex path captured.

use regex::Regex;
use std::ops::Range;

/// The groups of the regex that matched, as ranges of the normalised path. Cheap to keep: the regex is shared and
/// the path is not copied.
#[derive(Clone, Debug)]
pub struct Captures {
    regex: Regex,
    groups: Box<[Option<Range<usize>>]>,
}

impl Captures {
    pub(super) fn new(regex: &Regex, found: &regex::Captures<'_>) -> Captures {
        let groups = found
            .iter()
            .map(|group| group.map(|text| text.range()))
            .collect();
        Captures {
            regex: regex.clone(),
            groups,
        }
    }

    /// The text of group `number` in `path`, the normalised path that was matched. 0 is the whole match. Groups that
    /// took no part in the match are absent.
    pub fn get<'p>(&self, number: usize, path: &'p str) -> Option<&'p str> {
        path.get(self.groups.get(number)?.clone()?)
    }

    /// The text of the group called `name`.
    pub fn name<'p>(&self, name: &str, path: &'p str) -> Option<&'p str> {
        let number = self
            .regex
            .capture_names()
            .position(|given| given == Some(name))?;
        self.get(number, path)
    }

    /// Every group that took part in the match: its number, its name if it has one, its text.
    pub fn iter<'a>(
        &'a self,
        path: &'a str,
    ) -> impl Iterator<Item = (usize, Option<&'a str>, &'a str)> {
        self.regex
            .capture_names()
            .enumerate()
            .filter_map(move |(number, name)| Some((number, name, self.get(number, path)?)))
    }
}
