//! Values written as Lua tables, as they occur inside messages.

use serde_json::Value;

/// The compact form: `{id="…"}`, keys sorted, null as `null`.
pub fn inline(value: &Value) -> String {
    let _ = value;
    todo!()
}
