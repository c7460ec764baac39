//! `cjson` and `cjson.safe` (custom-plugins.md 5.2): what lua-cjson of OpenResty does, in its words. Bytes go straight to
//! values and back; nothing is built in between.

mod decode;
mod encode;
mod number;
mod settings;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::ffi::c_void;
use std::rc::Rc;

use mlua::{LightUserData, Lua, LuaString, MultiValue, Result, Table, Value};

use crate::engine::kind;
use crate::native::{self, Raise};
use settings::Settings;

/// The version of lua-cjson whose behaviour this is.
const VERSION: &str = "2.1.0.14";

/// Where a machine keeps the metatable of arrays, which is also that of arrays out of JSON bodies.
pub(crate) const ARRAY: &str = "headgate.array_mt";
/// Where it keeps that of tables that are arrays if they are empty.
const EMPTY_ARRAY: &str = "headgate.empty_array_mt";

/// `cjson.empty_array`: an address that nothing else has.
fn empty_array() -> Value {
    static HERE: u8 = 0;
    let address = (&raw const HERE).cast_mut().cast::<c_void>();
    Value::LightUserData(LightUserData(address))
}

/// Reads a JSON text with the settings that a fresh `cjson` has. `arrays` marks arrays with `cjson.array_mt`.
///
/// # Errors
/// What cjson says of the text: `Expected value but found T_END at character 1`.
pub fn decode(lua: &Lua, text: &[u8], arrays: bool) -> std::result::Result<Value, Raise> {
    let settings = Settings {
        decode_array_with_array_mt: arrays,
        ..Settings::default()
    };
    decode::decode(lua, text, settings)
}

/// Writes a value as JSON with the settings that a fresh `cjson` has.
///
/// # Errors
/// What cjson says of the value: `Cannot serialise function: type not supported`.
pub fn encode(lua: &Lua, value: &Value) -> std::result::Result<Vec<u8>, Raise> {
    encode::encode(lua, value, Settings::default())
}

/// Prepares a machine: `array` is the metatable of arrays, which must be read-only, as must be what `protect` gives.
pub(crate) fn prepare(lua: &Lua, array: &Table, protect: &mlua::Function) -> Result<()> {
    lua.set_named_registry_value(ARRAY, array)?;
    let empty: Table = protect.call(("array", lua.create_table()?))?;
    lua.set_named_registry_value(EMPTY_ARRAY, empty)
}

/// `cjson`, with settings of its own.
pub(crate) fn open(lua: &Lua) -> Result<Table> {
    module(lua, false)
}

/// `cjson.safe`: `decode` and `encode` answer nil and the text where the others raise it.
pub(crate) fn open_safe(lua: &Lua) -> Result<Table> {
    module(lua, true)
}

fn module(lua: &Lua, safe: bool) -> Result<Table> {
    let module = lua.create_table()?;
    let settings = Rc::new(Cell::new(Settings::default()));
    module.set("_NAME", "cjson")?;
    module.set("_VERSION", VERSION)?;
    module.set("null", Value::NULL)?;
    module.set("array_mt", lua.named_registry_value::<Table>(ARRAY)?)?;
    module.set("empty_array", empty_array())?;
    let empty: Table = lua.named_registry_value(EMPTY_ARRAY)?;
    module.set("empty_array_mt", empty)?;
    module.set(
        "new",
        native::function(lua, move |lua, (): ()| Ok(self::module(lua, safe)?))?,
    )?;
    let of = settings.clone();
    let decode = move |lua: &Lua, value: Value| {
        let text = text(lua, &value, if safe { "?" } else { "decode" })?;
        decode::decode(lua, &text.as_bytes(), of.get())
    };
    module.set("decode", one(lua, "decode", safe, decode)?)?;
    let of = settings.clone();
    let encode = move |lua: &Lua, value: Value| {
        let text = encode::encode(lua, &value, of.get())?;
        Ok(Value::String(lua.create_string(text)?))
    };
    module.set("encode", one(lua, "encode", safe, encode)?)?;
    settings::add(lua, &module, &settings)?;
    Ok(module)
}

/// A text, or a number as one.
fn text(lua: &Lua, value: &Value, function: &str) -> std::result::Result<LuaString, Raise> {
    if let Value::String(_) | Value::Integer(_) | Value::Number(_) = value
        && let Some(text) = lua.coerce_string(value.clone())?
    {
        return Ok(text);
    }
    Err(format!(
        "bad argument #1 to '{function}' (string expected, got {})",
        kind(value)
    )
    .into())
}

/// A function of exactly one argument.
fn one(
    lua: &Lua,
    name: &'static str,
    safe: bool,
    run: impl Fn(&Lua, Value) -> std::result::Result<Value, Raise> + 'static,
) -> Result<mlua::Function> {
    native::function(lua, move |lua, mut arguments: MultiValue| {
        let (Some(value), true) = (arguments.pop_front(), arguments.is_empty()) else {
            return Err(format!("bad argument #1 to '{name}' (expected 1 argument)").into());
        };
        match run(lua, value) {
            Err(Raise::Text(text)) if safe => {
                let text = Value::String(lua.create_string(text)?);
                Ok(MultiValue::from_vec(vec![Value::Nil, text]))
            }
            answer => Ok(MultiValue::from_vec(vec![answer?])),
        }
    })
}
