//! The settings of a `cjson`, and the functions that read and write them. Each answers what holds afterwards.

use std::cell::Cell;
use std::rc::Rc;

use mlua::{Lua, MultiValue, Result, Table, Value};

use crate::engine::kind;
use crate::native::{self, Raise};

#[derive(Clone, Copy)]
pub(super) struct Settings {
    pub(super) sparse_convert: bool,
    pub(super) sparse_ratio: i32,
    pub(super) sparse_safe: i32,
    pub(super) encode_max_depth: i32,
    pub(super) decode_max_depth: i32,
    /// 0 refused, 1 written as JavaScript has them, 2 written as null.
    pub(super) encode_invalid_numbers: usize,
    pub(super) decode_invalid_numbers: bool,
    pub(super) precision: i32,
    pub(super) keep_buffer: bool,
    pub(super) empty_table_as_object: bool,
    pub(super) escape_forward_slash: bool,
    pub(super) decode_array_with_array_mt: bool,
    pub(super) skip_unsupported: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sparse_convert: false,
            sparse_ratio: 2,
            sparse_safe: 10,
            encode_max_depth: 1000,
            decode_max_depth: 1000,
            encode_invalid_numbers: 0,
            decode_invalid_numbers: true,
            precision: 14,
            keep_buffer: true,
            empty_table_as_object: true,
            escape_forward_slash: true,
            decode_array_with_array_mt: false,
            skip_unsupported: false,
        }
    }
}

/// One argument of a function that sets.
#[derive(Clone, Copy)]
enum Setting {
    /// `true`, `false`, `"on"`, `"off"`.
    Switch(fn(&mut Settings) -> &mut bool),
    /// A whole number within bounds.
    Number(fn(&mut Settings) -> &mut i32, i32, i32),
    /// `encode_invalid_numbers`: also `"null"`.
    InvalidNumbers,
}

use Setting::{InvalidNumbers, Number, Switch};

static SETTERS: &[(&str, &[Setting])] = &[
    (
        "encode_sparse_array",
        &[
            Switch(|of| &mut of.sparse_convert),
            Number(|of| &mut of.sparse_ratio, 0, i32::MAX),
            Number(|of| &mut of.sparse_safe, 0, i32::MAX),
        ],
    ),
    (
        "encode_max_depth",
        &[Number(|of| &mut of.encode_max_depth, 1, i32::MAX)],
    ),
    (
        "decode_max_depth",
        &[Number(|of| &mut of.decode_max_depth, 1, i32::MAX)],
    ),
    ("encode_invalid_numbers", &[InvalidNumbers]),
    (
        "decode_invalid_numbers",
        &[Switch(|of| &mut of.decode_invalid_numbers)],
    ),
    (
        "encode_number_precision",
        &[Number(|of| &mut of.precision, 1, 16)],
    ),
    ("encode_keep_buffer", &[Switch(|of| &mut of.keep_buffer)]),
    (
        "encode_empty_table_as_object",
        &[Switch(|of| &mut of.empty_table_as_object)],
    ),
    (
        "encode_escape_forward_slash",
        &[Switch(|of| &mut of.escape_forward_slash)],
    ),
    (
        "decode_array_with_array_mt",
        &[Switch(|of| &mut of.decode_array_with_array_mt)],
    ),
    (
        "encode_skip_unsupported_value_types",
        &[Switch(|of| &mut of.skip_unsupported)],
    ),
];

/// Adds the functions to a module.
pub(super) fn add(lua: &Lua, module: &Table, of: &Rc<Cell<Settings>>) -> Result<()> {
    for (name, settings) in SETTERS {
        let of = of.clone();
        let set = native::function(lua, move |lua, arguments: MultiValue| {
            if arguments.len() > settings.len() {
                let place = settings.len() + 1;
                return Err(format!(
                    "bad argument #{place} to '{name}' (found too many arguments)"
                )
                .into());
            }
            let mut new = of.get();
            let mut arguments = arguments.into_iter();
            let mut answer = MultiValue::new();
            for setting in *settings {
                let value = arguments.next().unwrap_or(Value::Nil);
                answer.push_back(setting.apply(lua, name, &mut new, &value)?);
            }
            of.set(new);
            Ok(answer)
        })?;
        module.set(*name, set)?;
    }
    Ok(())
}

impl Setting {
    fn apply(
        self,
        lua: &Lua,
        function: &str,
        of: &mut Settings,
        value: &Value,
    ) -> std::result::Result<Value, Raise> {
        // lua-cjson blames the first argument, whichever it was.
        let wrong = |why: String| Raise::Text(format!("bad argument #1 to '{function}' ({why})"));
        match self {
            Switch(field) => {
                match value {
                    Value::Nil => {}
                    Value::Boolean(on) => *field(of) = *on,
                    Value::String(word) => {
                        *field(of) =
                            option(&word.to_string_lossy(), &["off", "on"]).map_err(wrong)? == 1;
                    }
                    other => return Err(wrong(format!("string expected, got {}", kind(other)))),
                }
                Ok(Value::Boolean(*field(of)))
            }
            Number(field, least, most) => {
                if !value.is_nil() {
                    let number = lua
                        .coerce_number(value.clone())?
                        .ok_or_else(|| wrong(format!("number expected, got {}", kind(value))))?;
                    let number = number.trunc();
                    if !(f64::from(least)..=f64::from(most)).contains(&number) {
                        return Err(wrong(format!(
                            "expected integer between {least} and {most}"
                        )));
                    }
                    *field(of) = number as i32;
                }
                Ok(Value::Number(f64::from(*field(of))))
            }
            InvalidNumbers => {
                match value {
                    Value::Nil => {}
                    Value::Boolean(on) => of.encode_invalid_numbers = usize::from(*on),
                    Value::String(word) => {
                        let word = word.to_string_lossy();
                        of.encode_invalid_numbers =
                            option(&word, &["off", "on", "null"]).map_err(wrong)?;
                    }
                    other => return Err(wrong(format!("string expected, got {}", kind(other)))),
                }
                match of.encode_invalid_numbers {
                    2 => Ok(Value::String(lua.create_string("null")?)),
                    on => Ok(Value::Boolean(on == 1)),
                }
            }
        }
    }
}

fn option(word: &str, words: &[&str]) -> std::result::Result<usize, String> {
    let place = words.iter().position(|known| *known == word);
    place.ok_or_else(|| format!("invalid option '{word}'"))
}
