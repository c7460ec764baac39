//! A table of a schema and where it is, so that every error can say so.
//!
//! Tables are read raw: no metatable of a schema is asked for anything, so that no code of it runs here.

use mlua::{Table, Value};
use serde_json::Value as Json;
use shared::schema::Bound;

use super::functions::{Program, Step};
use super::json::{Reader, got, number};

/// A table that is being converted.
pub(super) struct Node<'s> {
    pub(super) program: &'s Program,
    pub(super) reader: &'s Reader,
    table: Table,
    /// How a function finds it again.
    way: Vec<Step>,
    /// How errors call it; empty for the whole schema.
    shown: String,
}

impl<'s> Node<'s> {
    /// The table that the schema returns.
    pub(super) fn root(program: &'s Program, reader: &'s Reader, table: &Table) -> Self {
        let (table, way, shown) = (table.clone(), Vec::new(), String::new());
        Node {
            program,
            reader,
            table,
            way,
            shown,
        }
    }

    fn within(&self, table: Table, step: Step, shown: String) -> Node<'s> {
        let mut way = self.way.clone();
        way.push(step);
        Node {
            program: self.program,
            reader: self.reader,
            table,
            way,
            shown,
        }
    }

    /// How errors call an entry.
    fn path(&self, key: &str) -> String {
        match self.shown.as_str() {
            "" => key.to_owned(),
            shown => format!("{shown}.{key}"),
        }
    }

    /// An error of an entry.
    pub(super) fn fault(&self, key: &str, text: impl std::fmt::Display) -> String {
        format!("{}: {text}", self.path(key))
    }

    /// An error of the table itself.
    pub(super) fn own_fault(&self, text: impl std::fmt::Display) -> String {
        match self.shown.as_str() {
            "" => text.to_string(),
            shown => format!("{shown}: {text}"),
        }
    }

    fn expected<T>(&self, key: &str, what: &str, value: &Value) -> Result<T, String> {
        Err(self.fault(key, format!("expected {what}, got {}", got(value))))
    }

    /// An entry as it stands; nil if there is none.
    pub(super) fn raw(&self, key: &str) -> Value {
        self.table.raw_get(key).unwrap_or(Value::Nil)
    }

    /// Whether there is such an entry.
    pub(super) fn has(&self, key: &str) -> bool {
        !self.raw(key).is_nil()
    }

    /// The names of all entries, sorted; any other key is an error.
    pub(super) fn names(&self) -> Result<Vec<String>, String> {
        let mut names = Vec::new();
        for pair in self.table.pairs::<Value, Value>() {
            self.reader.count().map_err(|text| self.own_fault(text))?;
            let (key, _) = pair.map_err(|error| self.own_fault(error))?;
            let Value::String(name) = &key else {
                return Err(self.own_fault(format!("expected names, got {}", got(&key))));
            };
            let name = self.reader.text(name);
            names.push(name.map_err(|text| self.own_fault(text))?);
        }
        names.sort_unstable();
        Ok(names)
    }

    pub(super) fn boolean(&self, key: &str) -> Result<Option<bool>, String> {
        match self.raw(key) {
            Value::Nil => Ok(None),
            Value::Boolean(bool) => Ok(Some(bool)),
            other => self.expected(key, "a boolean", &other),
        }
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<String>, String> {
        match self.raw(key) {
            Value::Nil => Ok(None),
            Value::String(text) => {
                let text = self.reader.text(&text);
                text.map(Some).map_err(|text| self.fault(key, text))
            }
            other => self.expected(key, "a string", &other),
        }
    }

    /// Text that must be there.
    pub(super) fn needed_text(&self, key: &str) -> Result<String, String> {
        self.text(key)?
            .ok_or_else(|| self.fault(key, "required field missing"))
    }

    /// A length: a whole number, not below zero.
    pub(super) fn length(&self, key: &str) -> Result<Option<usize>, String> {
        const LONGEST: f64 = 4_294_967_295.0;
        let value = self.raw(key);
        let length = match value {
            Value::Nil => return Ok(None),
            Value::Integer(length) => length as f64,
            Value::Number(length) => length,
            _ => -1.0,
        };
        if (0.0..=LONGEST).contains(&length) && length.fract() == 0.0 {
            return Ok(Some(length as usize));
        }
        self.expected(key, "a whole number from 0 on", &value)
    }

    pub(super) fn bound(&self, key: &str) -> Result<Option<Bound>, String> {
        match self.raw(key) {
            Value::Nil => Ok(None),
            value => match bound(&value) {
                Some(bound) => Ok(Some(bound)),
                None => self.expected(key, "a number", &value),
            },
        }
    }

    /// A list of two numbers, the lower one first.
    pub(super) fn bounds(&self, key: &str) -> Result<Option<(Bound, Bound)>, String> {
        if !self.has(key) {
            return Ok(None);
        }
        let bounds = match self.raw(key) {
            Value::Table(table) => self.reader.list(&table, |_, item| {
                bound(&item).ok_or_else(String::new) // what is wrong is said below
            }),
            _ => Err(String::new()),
        };
        match bounds.as_deref() {
            Ok(&[low, high]) => Ok(Some((low, high))),
            _ => self.expected(key, "a list of two numbers", &self.raw(key)),
        }
    }

    /// The elements of a list; none if there is no such entry.
    fn list<T>(
        &self,
        key: &str,
        mut read: impl FnMut(usize, Value) -> Result<T, String>,
    ) -> Result<Option<Vec<T>>, String> {
        let table = match self.raw(key) {
            Value::Nil => return Ok(None),
            Value::Table(table) => table,
            other => return self.expected(key, "a list", &other),
        };
        let length = self.reader.length(&table);
        let places = 1..=length.map_err(|text| self.fault(key, text))?;
        let item = |place| read(place, table.raw_get(place).unwrap_or(Value::Nil));
        places.map(item).collect::<Result<_, _>>().map(Some)
    }

    /// A list of texts.
    pub(super) fn words(&self, key: &str) -> Result<Option<Vec<String>>, String> {
        self.list(key, |place, item| {
            let place = format!("{key}.{place}");
            match &item {
                Value::String(text) => {
                    let text = self.reader.text(text);
                    text.map_err(|text| self.fault(&place, text))
                }
                other => self.expected(&place, "a string", other),
            }
        })
    }

    /// A list of texts that must be there and hold something.
    pub(super) fn needed_words(&self, key: &str) -> Result<Vec<String>, String> {
        match self.words(key)? {
            Some(words) if !words.is_empty() => Ok(words),
            _ => Err(self.fault(key, "expected a list of names of fields")),
        }
    }

    /// A list of any values.
    pub(super) fn values(&self, key: &str) -> Result<Option<Vec<Json>>, String> {
        self.list(key, |_, item| {
            let value = self.reader.value(&item);
            value.map_err(|text| self.fault(key, text))
        })
    }

    /// Any value.
    pub(super) fn value(&self, key: &str) -> Result<Option<Json>, String> {
        match self.raw(key) {
            Value::Nil => Ok(None),
            value => {
                let value = self.reader.value(&value);
                value.map(Some).map_err(|text| self.fault(key, text))
            }
        }
    }

    /// Whether there is a function; the way to it then.
    pub(super) fn function(&self, key: &str) -> Result<Option<Vec<Step>>, String> {
        match self.raw(key) {
            Value::Nil => Ok(None),
            Value::Function(_) => {
                let mut way = self.way.clone();
                way.push(Step::Name(key.to_owned()));
                Ok(Some(way))
            }
            other => self.expected(key, "a function", &other),
        }
    }

    /// A table within this one.
    pub(super) fn child(&self, key: &str) -> Result<Option<Node<'s>>, String> {
        match self.raw(key) {
            Value::Nil => Ok(None),
            Value::Table(table) => Ok(Some(self.within(
                table,
                Step::Name(key.to_owned()),
                self.path(key),
            ))),
            other => self.expected(key, "a table", &other),
        }
    }

    /// The tables of a list, one after the other.
    pub(super) fn children<T>(
        &self,
        key: &str,
        mut read: impl FnMut(Node<'s>) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        let Some(list) = self.child(key)? else {
            return Ok(Vec::new());
        };
        let read = self.list(key, |place, item| {
            let shown = list.path(&place.to_string());
            match item {
                Value::Table(table) => read(list.within(table, Step::Index(place), shown)),
                other => list.expected(&place.to_string(), "a table", &other),
            }
        });
        read.map(Option::unwrap_or_default)
    }

    /// The single entry of a table such as `{ name = … }`: its name, and its table if it is one. `listed` is how errors
    /// call the list that the table stands in, whose places say less than the names do.
    pub(super) fn only(&self, listed: &Node<'_>, key: &str) -> Result<(String, Node<'s>), String> {
        let mut names = self.names()?;
        let (Some(name), true) = (names.pop(), names.is_empty()) else {
            let count = names.len() + usize::from(!names.is_empty());
            return Err(self.own_fault(format!("expected one name, got {count}")));
        };
        let shown = listed.path(&format!("{key}.{name}"));
        match self.raw(&name) {
            Value::Table(table) => {
                let node = self.within(table, Step::Name(name.clone()), shown);
                Ok((name, node))
            }
            other => Err(format!("{shown}: expected a table, got {}", got(&other))),
        }
    }

    /// Goes one table deeper, unless that is too deep.
    pub(super) fn deeper<T>(&self, run: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
        // What went wrong further inside says where itself.
        let mut inside = None;
        let said = self.reader.deeper(|| {
            inside = Some(run());
            Ok(())
        });
        said.map_err(|text| self.own_fault(text))?;
        inside.expect("it was run, or that was an error")
    }
}

fn bound(value: &Value) -> Option<Bound> {
    let bound = match value {
        Value::Integer(bound) => return Some(Bound::Whole(*bound)),
        Value::Number(bound) if !bound.is_nan() => *bound,
        _ => return None,
    };
    let whole = number(bound).ok().and_then(|number| number.as_i64());
    Some(whole.map_or(Bound::Real(bound), Bound::Whole))
}
