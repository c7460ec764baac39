//! Header lines as a list.

/// Lines in order; names in lower case.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Headers(pub Vec<(String, String)>);

impl Headers {
    /// The name that is meant: with `_` also the header with `-`, if there is none of the very name.
    fn meant(&self, name: &str, lenient: bool) -> String {
        let (name, dashed) = (name.to_lowercase(), name.to_lowercase().replace('_', "-"));
        if lenient && !self.has(&name) && self.has(&dashed) {
            dashed
        } else {
            name
        }
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(other, _)| other == name)
    }

    /// The values of a name.
    pub fn values(&self, name: &str) -> Vec<String> {
        self.0
            .iter()
            .filter(|(other, _)| other == name)
            .map(|(_, value)| value.clone())
            .collect()
    }

    /// Drops a header.
    pub fn remove(&mut self, name: &str, lenient: bool) {
        let name = self.meant(name, lenient);
        self.0.retain(|(other, _)| *other != name);
    }

    /// Moves the values of a header to another.
    pub fn rename(&mut self, from: &str, to: &str, lenient: bool) {
        let (from, to) = (self.meant(from, lenient), self.meant(to, lenient));
        if from == to || !self.has(&from) {
            return;
        }
        let values = self.values(&from);
        self.0.retain(|(other, _)| *other != from && *other != to);
        self.0
            .extend(values.into_iter().map(|value| (to.clone(), value)));
    }

    /// Makes `value` the only one, if the header is there.
    pub fn replace(&mut self, name: &str, value: &str, lenient: bool) {
        let name = self.meant(name, lenient);
        if self.has(&name) {
            self.0.retain(|(other, _)| *other != name);
            self.0.push((name, value.to_owned()));
        }
    }

    /// Sets a header, if it is not there.
    pub fn add(&mut self, name: &str, value: &str, lenient: bool) {
        let name = self.meant(name, lenient);
        if !self.has(&name) {
            self.0.push((name, value.to_owned()));
        }
    }

    /// Adds a line.
    pub fn append(&mut self, name: &str, value: &str, lenient: bool) {
        let name = self.meant(name, lenient);
        self.0.push((name, value.to_owned()));
    }

    /// Names in order of the alphabet, each with its values in their order: what two equal maps have in common.
    pub fn sorted(&self) -> Vec<(String, Vec<String>)> {
        let mut names: Vec<&String> = self.0.iter().map(|(name, _)| name).collect();
        names.sort();
        names.dedup();
        names
            .into_iter()
            .map(|name| (name.clone(), self.values(name)))
            .collect()
    }
}
