//! Encodings and digests of `ngx`, as OpenResty has them.

use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use md5::{Digest, Md5};
use mlua::{Lua, LuaString, MultiValue, Result, Table, Value};

use crate::engine::kind;
use crate::native::{self, Raise};

type Answer<T> = std::result::Result<T, Raise>;

/// Bits behind the last whole byte do not count, nor does whether there is padding.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BARE: GeneralPurposeConfig = LENIENT.with_encode_padding(false);
const PADDED: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
const UNPADDED: GeneralPurpose = GeneralPurpose::new(&STANDARD, BARE);
pub(crate) const URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, BARE);

/// Text for whatever is given: nothing for nil and false, as OpenResty's own functions take their arguments. No metamethod
/// is asked.
pub(crate) fn lenient(lua: &Lua, value: &Value) -> Answer<LuaString> {
    Ok(match value {
        Value::String(text) => text.clone(),
        Value::Nil | Value::Boolean(false) => lua.create_string("")?,
        Value::Boolean(true) => lua.create_string("true")?,
        Value::Integer(_) | Value::Number(_) => match lua.coerce_string(value.clone())? {
            Some(text) => text,
            None => lua.create_string("")?,
        },
        other => lua.create_string(format!("{}: {:p}", kind(other), other.to_pointer()))?,
    })
}

/// A function of a text that [`lenient`] makes.
fn text_function(
    lua: &Lua,
    run: impl Fn(&Lua, &[u8]) -> Answer<Value> + 'static,
) -> Result<mlua::Function> {
    native::function(lua, move |lua, text: Value| {
        let text = lenient(lua, &text)?;
        let bytes = text.as_bytes();
        run(lua, &bytes)
    })
}

fn string(lua: &Lua, bytes: impl AsRef<[u8]>) -> Answer<Value> {
    Ok(Value::String(lua.create_string(bytes)?))
}

/// Bytes as small hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn add(lua: &Lua, ngx: &Table) -> Result<()> {
    ngx.raw_set(
        "encode_base64",
        native::function(lua, |lua, (text, bare): (Value, Value)| {
            let text = lenient(lua, &text)?;
            let bare = !matches!(bare, Value::Nil | Value::Boolean(false));
            let engine = if bare { UNPADDED } else { PADDED };
            string(lua, engine.encode(text.as_bytes()))
        })?,
    )?;
    ngx.raw_set(
        "decode_base64",
        native::function(lua, |lua, text: Value| match text {
            Value::String(text) => decoded(lua, &PADDED, &text.as_bytes()),
            _ => Err("string argument only".into()),
        })?,
    )?;
    ngx.raw_set("escape_uri", native::function(lua, escape_uri)?)?;
    ngx.raw_set(
        "unescape_uri",
        text_function(lua, |lua, text| string(lua, unescape(text)))?,
    )?;
    ngx.raw_set(
        "md5",
        text_function(lua, |lua, text| string(lua, hex(&Md5::digest(text))))?,
    )?;
    ngx.raw_set(
        "md5_bin",
        text_function(lua, |lua, text| string(lua, Md5::digest(text)))?,
    )?;
    ngx.raw_set(
        "sha1_bin",
        text_function(lua, |lua, text| {
            string(lua, digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text))
        })?,
    )?;
    ngx.raw_set(
        "hmac_sha1",
        native::function(lua, |lua, arguments: MultiValue| {
            let [key, text] = exactly(lua, "hmac_sha1", arguments)?;
            let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key.as_bytes());
            string(lua, hmac::sign(&key, &text.as_bytes()))
        })?,
    )?;
    // OpenResty's two differ in speed alone.
    for name in ["crc32_short", "crc32_long"] {
        let crc = text_function(lua, |_, text| {
            Ok(Value::Number(f64::from(crc32fast::hash(text))))
        })?;
        ngx.raw_set(name, crc)?;
    }
    ngx.raw_set(
        "quote_sql_str",
        native::function(lua, |lua, arguments: MultiValue| {
            let [text] = exactly(lua, "quote_sql_str", arguments)?;
            string(lua, quote_sql(&text.as_bytes()))
        })?,
    )
}

/// `ngx.base64`.
pub(crate) fn base64_module(lua: &Lua) -> Result<Table> {
    let module = lua.create_table()?;
    module.raw_set(
        "encode_base64url",
        text_function(lua, |lua, text| string(lua, URL.encode(text)))?,
    )?;
    module.raw_set(
        "decode_base64url",
        native::function(lua, |lua, text: Value| {
            let refused = |lua: &Lua, why: &str| Ok((Value::Nil, Some(lua.create_string(why)?)));
            let Value::String(text) = text else {
                return refused(lua, "must provide a string");
            };
            match decoded(lua, &URL, &text.as_bytes())? {
                Value::Nil => refused(lua, "invalid input"),
                value => Ok((value, None)),
            }
        })?,
    )?;
    Ok(module)
}

/// nginx's decoder: what follows a `=` does not count.
fn decoded(lua: &Lua, engine: &GeneralPurpose, text: &[u8]) -> Answer<Value> {
    let end = memchr::memchr(b'=', text).unwrap_or(text.len());
    match engine.decode(&text[..end]) {
        Ok(bytes) => string(lua, bytes),
        Err(_) => Ok(Value::Nil),
    }
}

/// So many texts, or numbers as texts.
fn exactly<const N: usize>(
    lua: &Lua,
    function: &str,
    arguments: MultiValue,
) -> Answer<[LuaString; N]> {
    if arguments.len() != N {
        let got = arguments.len();
        return Err(match N {
            1 => "expecting one argument".to_owned(),
            _ => format!("expecting {N} arguments, but got {got}"),
        }
        .into());
    }
    let mut texts = Vec::with_capacity(N);
    for (i, value) in arguments.into_iter().enumerate() {
        let (Value::String(_) | Value::Integer(_) | Value::Number(_)) = value else {
            let (place, got) = (i + 1, kind(&value));
            return Err(format!(
                "bad argument #{place} to '{function}' (string expected, got {got})"
            )
            .into());
        };
        texts.push(lenient(lua, &value)?);
    }
    texts
        .try_into()
        .map_err(|_| Raise::from("too few arguments"))
}

/// Whether nginx escapes a byte in a URI as a whole.
fn in_uri(byte: u8) -> bool {
    !byte.is_ascii_graphic() || b"#%?".contains(&byte)
}

/// In the arguments of one.
fn in_args(byte: u8) -> bool {
    in_uri(byte) || b"&+".contains(&byte)
}

/// In a part of one.
fn in_component(byte: u8) -> bool {
    !byte.is_ascii_alphanumeric() && !b"-._~!'()*".contains(&byte)
}

fn escape_uri(lua: &Lua, (text, kind): (Value, Value)) -> Answer<Value> {
    let text = lenient(lua, &text)?;
    let escapes: fn(u8) -> bool = match kind {
        Value::Nil | Value::Boolean(false) => in_component,
        Value::Integer(_) | Value::Number(_) => {
            let number = kind.as_f64().or(kind.as_integer().map(|n| n as f64));
            match number.unwrap_or(-1.0) {
                0.0 => in_uri,
                1.0 => in_args,
                2.0 => in_component,
                other => return Err(format!("\"type\" {other} out of range").into()),
            }
        }
        _ => return Err("\"type\" is not number".into()),
    };
    let mut out = Vec::new();
    escape(&text.as_bytes(), escapes, &mut out);
    string(lua, out)
}

fn escape(text: &[u8], escapes: fn(u8) -> bool, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in text {
        if escapes(byte) {
            let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
            out.extend_from_slice(&[b'%', DIGITS[high], DIGITS[low]]);
        } else {
            out.push(byte);
        }
    }
}

/// Everything but letters, digits and `-._~!'()*` as `%XX`.
pub(super) fn escape_component(text: &[u8], out: &mut Vec<u8>) {
    escape(text, in_component, out);
}

/// `%XX` and `+` decoded; what is no escape stays.
pub(super) fn unescape(text: &[u8]) -> Vec<u8> {
    let digit = |at: usize| {
        let byte = text.get(at)?;
        char::from(*byte).to_digit(16).map(|digit| digit as u8)
    };
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match (byte, digit(at), digit(at + 1)) {
            (b'%', Some(high), Some(low)) => {
                out.push(high << 4 | low);
                at += 2;
            }
            (b'+', ..) => out.push(b' '),
            _ => out.push(byte),
        }
    }
    out
}

/// In quotes, for MySQL.
fn quote_sql(text: &[u8]) -> Vec<u8> {
    let mut out = vec![b'\''];
    for &byte in text {
        let escaped = match byte {
            0 => b'0',
            8 => b'b',
            b'\t' => b't',
            b'\n' => b'n',
            b'\r' => b'r',
            0x1A => b'Z',
            b'"' | b'\'' | b'\\' | b'$' => byte,
            _ => {
                out.push(byte);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', escaped]);
    }
    out.push(b'\'');
    out
}
