//! What Lua calls its values.

use lua::mlua::Value;

/// What Lua calls the kind of a value.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) => "number",
        value if value.is_null() => "userdata",
        other => other.type_name(),
    }
}
