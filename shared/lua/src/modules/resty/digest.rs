//! Digests that are fed piece by piece, and keyed ones.

#[cfg(test)]
mod tests;

use std::cell::RefCell;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{self, Algorithm, Context};
use aws_lc_rs::hmac;
use md5::{Digest, Md5};
use mlua::{AnyUserData, Lua, LuaString, Result, Table, Value};

use crate::native::{self, Raise};

/// One digest in the making.
enum Running {
    Md5(Md5),
    Other(Context),
}

impl Running {
    fn new(name: &str) -> Option<Self> {
        if name == "md5" {
            return Some(Self::Md5(Md5::new()));
        }
        Some(Self::Other(Context::new(algorithm(name)?)))
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Md5(md5) => md5.update(bytes),
            Self::Other(context) => context.update(bytes),
        }
    }

    /// What it is so far; it can go on.
    fn finish(&self) -> Vec<u8> {
        match self {
            Self::Md5(md5) => md5.clone().finalize().to_vec(),
            Self::Other(context) => context.clone().finish().as_ref().to_vec(),
        }
    }
}

/// By the names that OpenSSL has for them, in small letters and without `-`.
fn algorithm(name: &str) -> Option<&'static Algorithm> {
    Some(match name {
        "sha1" => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        "sha224" => &digest::SHA224,
        "sha256" => &digest::SHA256,
        "sha384" => &digest::SHA384,
        "sha512" => &digest::SHA512,
        _ => return None,
    })
}

fn keyed(name: &str) -> Option<hmac::Algorithm> {
    Some(match name {
        "sha1" => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        "sha224" => hmac::HMAC_SHA224,
        "sha256" => hmac::HMAC_SHA256,
        "sha384" => hmac::HMAC_SHA384,
        "sha512" => hmac::HMAC_SHA512,
        _ => return None,
    })
}

/// HMAC with MD5, which aws-lc-rs leaves out (RFC 2104).
fn hmac_md5(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = [0u8; 64];
    if key.len() > block.len() {
        block[..16].copy_from_slice(&Md5::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Md5::new()
        .chain_update(block.map(|byte| byte ^ 0x36))
        .chain_update(text)
        .finalize();
    Md5::new()
        .chain_update(block.map(|byte| byte ^ 0x5C))
        .chain_update(inner)
        .finalize()
        .to_vec()
}

/// `new(name)` gives a digest, or nil if there is none of that name; `update(digest, text)`; `finish(digest)`;
/// `hmac(name, key, text)` gives nil if there is none.
pub(in crate::modules) fn natives(lua: &Lua) -> Result<Value> {
    let natives: Table = lua.create_table()?;
    natives.raw_set(
        "new",
        native::function(lua, |lua, name: String| {
            Ok(match Running::new(&name) {
                Some(running) => Value::UserData(lua.create_any_userdata(RefCell::new(running))?),
                None => Value::Nil,
            })
        })?,
    )?;
    natives.raw_set(
        "update",
        native::function(lua, |_, (digest, text): (AnyUserData, LuaString)| {
            let digest = digest.borrow::<RefCell<Running>>()?;
            digest.borrow_mut().update(&text.as_bytes());
            Ok(())
        })?,
    )?;
    natives.raw_set(
        "finish",
        native::function(lua, |lua, digest: AnyUserData| {
            let digest = digest.borrow::<RefCell<Running>>()?;
            let bytes = digest.borrow().finish();
            Ok(lua.create_string(bytes)?)
        })?,
    )?;
    natives.raw_set(
        "hmac",
        native::function(
            lua,
            |lua, (name, key, text): (String, LuaString, LuaString)| {
                let (key, text) = (key.as_bytes(), text.as_bytes());
                let bytes = match (name.as_str(), keyed(&name)) {
                    ("md5", _) => hmac_md5(&key, &text),
                    (_, Some(algorithm)) => {
                        let key = hmac::Key::new(algorithm, &key);
                        hmac::sign(&key, &text).as_ref().to_vec()
                    }
                    _ => return Ok(Value::Nil),
                };
                Ok::<_, Raise>(Value::String(lua.create_string(bytes)?))
            },
        )?,
    )?;
    // Whether two texts are the same, in a time that says nothing of where they differ.
    natives.raw_set(
        "same",
        native::function(lua, |_, (one, other): (LuaString, LuaString)| {
            let same = verify_slices_are_equal(&one.as_bytes(), &other.as_bytes());
            Ok::<_, Raise>(same.is_ok())
        })?,
    )?;
    Ok(Value::Table(natives))
}
