//! Urlencoded arguments as a list of names with their values.

/// A value; `None` for a name that stands alone.
pub type Value = Option<Vec<u8>>;

/// Names in the order in which they first came, each with its values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Args(pub Vec<(Vec<u8>, Vec<Value>)>);

/// Every argument in order.
pub fn pairs(raw: &[u8]) -> Vec<(Vec<u8>, Value)> {
    let segments = raw.split(|b| *b == b'&');
    let pair = |segment: &[u8]| {
        let mut halves = segment.splitn(2, |b| *b == b'=');
        let name = halves.next().unwrap_or_default();
        (plain(name), halves.next().map(plain), name.is_empty())
    };
    segments
        .map(pair)
        .filter(|(_, _, nameless)| !nameless)
        .map(|(name, value, _)| (name, value))
        .collect()
}

fn plain(text: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::new(), 0);
    while at < text.len() {
        let digits = text
            .get(at + 1..at + 3)
            .filter(|d| d.iter().all(u8::is_ascii_hexdigit));
        match (text[at], digits.and_then(|d| std::str::from_utf8(d).ok())) {
            (b'%', Some(digits)) => {
                out.extend(u8::from_str_radix(digits, 16));
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    out
}

fn escaped(text: &[u8]) -> String {
    let one = |byte: &u8| match char::from(*byte) {
        c if c.is_ascii_alphanumeric() || "-._~!'()*".contains(c) => c.to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.iter().map(one).collect()
}

impl Args {
    /// Reads a raw text.
    pub fn parse(raw: &[u8]) -> Self {
        let mut args = Self::default();
        for (name, value) in pairs(raw) {
            args.push(&name, value);
        }
        args
    }

    fn push(&mut self, name: &[u8], value: Value) {
        match self.get(name) {
            Some(values) => values.push(value),
            None => self.0.push((name.to_vec(), vec![value])),
        }
    }

    fn get(&mut self, name: &[u8]) -> Option<&mut Vec<Value>> {
        self.0
            .iter_mut()
            .find(|(other, _)| other == name)
            .map(|(_, values)| values)
    }

    /// Whether the name occurs.
    pub fn contains(&self, name: &[u8]) -> bool {
        self.0.iter().any(|(other, _)| other == name)
    }

    /// Deletes a name.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        let contained = self.contains(name);
        self.0.retain(|(other, _)| other != name);
        contained
    }

    /// Gives the values another name, in the place of the one that has it.
    pub fn rename(&mut self, from: &[u8], to: &[u8]) -> bool {
        if from == to || !self.contains(from) {
            return false;
        }
        let values = self.get(from).map(std::mem::take).unwrap_or_default();
        self.remove(from);
        self.put(to, values);
        true
    }

    fn put(&mut self, name: &[u8], values: Vec<Value>) {
        match self.get(name) {
            Some(old) => *old = values,
            None => self.0.push((name.to_vec(), values)),
        }
    }

    /// Makes `value` the only one.
    pub fn set(&mut self, name: &[u8], value: &[u8]) {
        self.put(name, vec![Some(value.to_vec())]);
    }

    /// Adds a value; takes the place of a name that stands alone.
    pub fn append(&mut self, name: &[u8], value: &[u8]) {
        if self.get(name).is_some_and(|values| *values == [None]) {
            self.put(name, Vec::new());
        }
        self.push(name, Some(value.to_vec()));
    }

    /// Adds the arguments of another text.
    pub fn merge(&mut self, raw: &[u8]) {
        for (name, value) in pairs(raw) {
            self.push(&name, value);
        }
    }

    /// As a form.
    pub fn form(&self) -> String {
        self.segments().join("&")
    }

    /// As a query.
    pub fn query(&self) -> String {
        let mut segments = self.segments();
        segments.sort();
        segments.join("&")
    }

    /// Nothing is written of an argument that has neither name nor value.
    fn segments(&self) -> Vec<String> {
        let one = |name: &[u8], value: &Value| match value {
            Some(text) => format!("{}={}", escaped(name), escaped(text)),
            None => escaped(name),
        };
        let segment = |(name, values): &(Vec<u8>, Vec<Value>)| {
            let all: Vec<String> = values.iter().map(|value| one(name, value)).collect();
            let written: Vec<String> = all.into_iter().filter(|text| !text.is_empty()).collect();
            written.join("&")
        };
        let all: Vec<String> = self.0.iter().map(segment).collect();
        all.into_iter().filter(|text| !text.is_empty()).collect()
    }
}
