//! Numbers keep their text until something must calculate. Here something must.

use std::cmp::Ordering;
use std::fmt;

use serde_json::{Number, Value};

/// A limit that numbers are held to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// A whole number.
    Whole(i64),
    /// Any other, and the infinities; never NaN.
    Real(f64),
}

impl From<i64> for Bound {
    fn from(bound: i64) -> Self {
        Bound::Whole(bound)
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bound::Whole(bound) => bound.fmt(f),
            Bound::Real(bound) => bound.fmt(f),
        }
    }
}

impl Bound {
    /// As `/schemas` shows it: infinities are texts.
    pub(super) fn shown(self) -> Value {
        self.number().unwrap_or_else(|| self.to_string().into())
    }

    /// As a number; `None` for the infinities.
    pub(super) fn number(self) -> Option<Value> {
        match self {
            Bound::Whole(bound) => Some(bound.into()),
            Bound::Real(bound) => Number::from_f64(bound).map(Value::Number),
        }
    }
}

/// The whole number that this is, however it is written: `80`, `80.0`, `8e1`.
pub(super) fn whole(number: &Number) -> Option<i64> {
    if let Some(value) = number.as_i64() {
        return Some(value);
    }
    // Beyond 2^53 a fraction cannot be told from a whole number.
    let value = number.as_f64()?;
    (value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0).then_some(value as i64)
}

/// How it compares with a bound.
pub(super) fn compare(number: &Number, bound: Bound) -> Option<Ordering> {
    let bound = match (number.as_i64(), bound) {
        (Some(value), Bound::Whole(bound)) => return Some(value.cmp(&bound)),
        (None, Bound::Whole(bound)) => bound as f64,
        (_, Bound::Real(bound)) => bound,
    };
    number.as_f64()?.partial_cmp(&bound)
}

/// Whether two values are equal; numbers however they are written.
pub(super) fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) if one != other => {
            match (whole(one), whole(other)) {
                (None, None) => one.as_f64() == other.as_f64(),
                (one, other) => one == other,
            }
        }
        _ => one == other,
    }
}

/// Reads a form's text as Lua's `tonumber` does: decimal, hexadecimal, exponents, blanks around.
pub(crate) fn parse(text: &str) -> Option<Value> {
    let text = text.trim_ascii();
    if let Ok(number) = serde_json::from_str::<Number>(text) {
        return Some(Value::Number(number));
    }
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if let Some(hex) = digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"))
    {
        let value = i64::from_str_radix(hex, 16)
            .ok()
            .filter(|_| hex.bytes().all(|b| b.is_ascii_hexdigit()))?;
        return Some(Value::from(if negative { -value } else { value }));
    }
    // Rust also reads `inf` and `nan`.
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let value: f64 = text.parse().ok()?;
    if value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0 {
        return Some(Value::from(value as i64));
    }
    Number::from_f64(value).map(Value::Number)
}
