//! Values of requests as Lua has them, and back.

use http::header::{HeaderName, HeaderValue};
use lua::Raise;
use lua::mlua::{Integer, Value};

/// The name of a header: any case, and `_` for `-`.
///
/// # Errors
/// It is no text, or no name that HTTP has.
pub(super) fn header_name(name: &Value) -> Result<HeaderName, Raise> {
    let Value::String(text) = name else {
        return Err("header name must be a string".into());
    };
    let text = text.as_bytes();
    let dashed: Vec<u8> = text
        .iter()
        .map(|byte| if *byte == b'_' { b'-' } else { *byte })
        .collect();
    HeaderName::from_bytes(&dashed).map_err(|_| {
        let text = String::from_utf8_lossy(&text);
        format!("invalid header name \"{text}\"").into()
    })
}

/// One value of a header: a text, a number or a boolean.
///
/// # Errors
/// It is something else, or holds what a header cannot.
pub(super) fn header_value(name: &str, value: &Value) -> Result<HeaderValue, Raise> {
    let whole = |number: Integer| HeaderValue::from(number);
    match value {
        Value::String(text) => HeaderValue::from_bytes(&text.as_bytes())
            .map_err(|_| format!("invalid header value for \"{name}\": it holds a control character").into()),
        Value::Integer(number) => Ok(whole(*number)),
        Value::Number(number) => HeaderValue::from_str(&number.to_string())
            .map_err(|_| format!("invalid header value for \"{name}\"").into()),
        Value::Boolean(true) => Ok(HeaderValue::from_static("true")),
        Value::Boolean(false) => Ok(HeaderValue::from_static("false")),
        other => Err(format!(
            "invalid header value for \"{name}\": got {}, expected array of string, string, number or boolean",
            other.type_name()
        )
        .into()),
    }
}

/// What Lua calls the kind of a value.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) => "number",
        value if value.is_null() => "userdata",
        other => other.type_name(),
    }
}
