//! What Lua calls its values.

use lua::mlua::Value;

/// What Lua calls the kind of a value.
pub(in crate::lua) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) => "number",
        value if value.is_null() => "userdata",
        other => other.type_name(),
    }
}

/// A number, whole or not; texts are none.
pub(in crate::lua) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Number(number) => Some(*number),
        _ => None,
    }
}
