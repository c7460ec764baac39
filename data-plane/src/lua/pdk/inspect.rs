//! How `kong.log.inspect` shows a value: as the `inspect` module does, without asking the value anything.

use std::fmt::Write as _;

use lua::mlua::{Table, Value};

/// The deepest table that is shown, and the most entries of all.
const DEEPEST: usize = 16;
const MOST: usize = 1000;

/// A value as text: `{ 1, 2 }`, `{\n  a = "x"\n}`.
pub(super) fn shown(value: &Value) -> String {
    let mut shower = Shower {
        out: String::new(),
        left: MOST,
        within: Vec::new(),
    };
    shower.value(value);
    shower.out
}

struct Shower {
    out: String,
    left: usize,
    /// The tables around, to see those within themselves.
    within: Vec<Table>,
}

impl Shower {
    fn value(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.quoted(&text.to_string_lossy()),
            Value::Integer(number) => self.out.push_str(&number.to_string()),
            Value::Number(number) => self
                .out
                .push_str(&crate::plugins::transform::lua_number::print(*number)),
            Value::Boolean(flag) => self.out.push_str(if *flag { "true" } else { "false" }),
            Value::Nil => self.out.push_str("nil"),
            Value::Table(table) => self.table(table),
            value if value.is_null() => self.out.push_str("<null>"),
            other => {
                let _ = write!(self.out, "<{}>", other.type_name());
            }
        }
    }

    fn table(&mut self, table: &Table) {
        if self.within.iter().any(|around| around == table) {
            self.out.push_str("<table within itself>");
            return;
        }
        if self.within.len() >= DEEPEST || self.left == 0 {
            self.out.push_str("{...}");
            return;
        }
        self.within.push(table.clone());
        self.entries(table);
        self.within.pop();
    }

    fn entries(&mut self, table: &Table) {
        let length = table.raw_len();
        let mut named: Vec<(Value, Value)> = table
            .pairs::<Value, Value>()
            .filter_map(Result::ok)
            .filter(|(key, _)| !in_list(key, length))
            .take(self.left)
            .collect();
        // Counted now: all of them are held until they are shown, and Rust can hold but some thousand values of a machine.
        self.left -= named.len();
        if length == 0 && named.is_empty() {
            self.out.push_str("{}");
            return;
        }
        named.sort_by_cached_key(|(key, _)| (kind_order(key), shown_key(key)));
        self.out.push('{');
        let mut first = true;
        for at in 1..=length.min(self.left) {
            self.out.push_str(if first { " " } else { ", " });
            first = false;
            let value = table.raw_get(at).unwrap_or(Value::Nil);
            self.left = self.left.saturating_sub(1);
            self.value(&value);
        }
        for (key, value) in &named {
            if !first {
                self.out.push(',');
            }
            first = false;
            self.line(self.within.len());
            self.key(key);
            self.out.push_str(" = ");
            self.value(value);
        }
        if named.is_empty() {
            self.out.push(' ');
        } else {
            self.line(self.within.len() - 1);
        }
        self.out.push('}');
    }

    fn line(&mut self, depth: usize) {
        self.out.push('\n');
        for _ in 0..depth {
            self.out.push_str("  ");
        }
    }

    fn key(&mut self, key: &Value) {
        match key {
            Value::String(text) if is_name(&text.as_bytes()) => {
                self.out.push_str(&text.to_string_lossy());
            }
            other => {
                self.out.push('[');
                match other {
                    Value::Table(_) => self.out.push_str("<table>"),
                    other => self.value(other),
                }
                self.out.push(']');
            }
        }
    }

    fn quoted(&mut self, text: &str) {
        let quote = if text.contains('"') && !text.contains('\'') {
            '\''
        } else {
            '"'
        };
        self.out.push(quote);
        for character in text.chars() {
            match character {
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                control if control.is_ascii_control() => {
                    let _ = write!(self.out, "\\{}", u32::from(control));
                }
                same if same == quote => {
                    self.out.push('\\');
                    self.out.push(same);
                }
                other => self.out.push(other),
            }
        }
        self.out.push(quote);
    }
}

fn in_list(key: &Value, length: usize) -> bool {
    matches!(key, Value::Integer(at) if *at >= 1 && usize::try_from(*at).is_ok_and(|at| at <= length))
}

fn is_name(text: &[u8]) -> bool {
    let starts = text
        .first()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_');
    starts
        && text
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

fn kind_order(key: &Value) -> u8 {
    match key {
        Value::Integer(_) | Value::Number(_) => 1,
        Value::Boolean(_) => 2,
        Value::String(_) => 3,
        _ => 4,
    }
}

/// Numbers in their order, texts in theirs.
fn shown_key(key: &Value) -> (i64, Vec<u8>) {
    match key {
        Value::Integer(number) => (*number, Vec::new()),
        Value::Number(number) => (*number as i64, Vec::new()),
        Value::String(text) => (0, text.as_bytes().to_vec()),
        _ => (0, Vec::new()),
    }
}
