//! The module `kong.db.schema.typedefs`.
//!
//! `typedefs.lua` says what each is, in the attributes of ordinary fields. Rules that Kong has functions for name one of
//! those here, which are those of the gateway's own entities, so that the texts are the same.

use mlua::{Lua, Result, Table};
use serde_json::Value as Json;
use shared::schema::Custom;
use shared::types::{
    CertificateChain, Cidr, CookieName, HeaderName, Host, HostPattern, Name, PrivateKey, PublicPem,
    Sni, Tag, Url, check_path, check_text, is_usable_jwk,
};

/// What `require` calls it.
pub(super) const NAME: &str = "kong.db.schema.typedefs";

/// The attribute that names a rule of the gateway. No plugin has a use for it.
pub(super) const NATIVE: &str = "@native";

type Native = fn(&Json) -> std::result::Result<(), String>;

/// The rules, by name.
static NATIVES: &[(&str, Native)] = &[
    ("certificate", check_text::<CertificateChain>),
    ("cidr_v4", cidr_v4),
    ("cookie_name", check_text::<CookieName>),
    ("header_name", check_text::<HeaderName>),
    ("host", check_text::<Host>),
    ("host_with_optional_port", host_with_optional_port),
    ("ip", ip),
    ("ip_or_cidr", check_text::<Cidr>),
    ("jwk", jwk),
    ("key", check_text::<PrivateKey>),
    ("name", name),
    ("path", path),
    ("public_key", check_text::<PublicPem>),
    ("sni", check_text::<Sni>),
    ("tag", check_text::<Tag>),
    ("url", check_text::<Url>),
    ("utf8_name", check_text::<Name>),
    ("wildcard_host", check_text::<HostPattern>),
];

/// The rule of that name.
pub(super) fn native(name: &str) -> Option<Custom> {
    let (_, rule) = NATIVES.iter().find(|(known, _)| *known == name)?;
    Some(Custom::new(*rule))
}

/// The module, a new one each time: whoever gets it may change it.
///
/// # Errors
/// When there is no memory.
pub(crate) fn open(lua: &Lua) -> Result<Table> {
    let chunk = lua.load(include_str!("typedefs.lua"));
    chunk
        .set_name("=typedefs")
        .call((mlua::Value::NULL, NATIVE))
}

fn text(value: &Json) -> &str {
    value.as_str().unwrap_or_default()
}

fn ip(value: &Json) -> std::result::Result<(), String> {
    let text = text(value);
    match text.parse::<std::net::IpAddr>() {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("not an ip address: {text}")),
    }
}

fn cidr_v4(value: &Json) -> std::result::Result<(), String> {
    check_text::<Cidr>(value)?;
    let text = text(value);
    match text.contains(':') {
        true => Err(format!("invalid ip or cidr range: '{text}'")),
        false => Ok(()),
    }
}

fn host_with_optional_port(value: &Json) -> std::result::Result<(), String> {
    match text(value) {
        wild if wild.contains('*') => Err(format!("invalid value: {wild}")),
        _ => check_text::<HostPattern>(value),
    }
}

/// Where it begins and that no segment is empty are rules of their own.
fn path(value: &Json) -> std::result::Result<(), String> {
    check_path(text(value))
}

fn name(value: &Json) -> std::result::Result<(), String> {
    let text = text(value);
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b".-_~".contains(&b);
    match text.bytes().all(allowed) {
        true => Ok(()),
        false => Err(format!(
            "invalid value '{text}': it must only contain alphanumeric and '., -, _, ~' characters"
        )),
    }
}

fn jwk(value: &Json) -> std::result::Result<(), String> {
    let jwk = serde_json::from_str::<Json>(text(value))
        .map_err(|_| "could not json decode jwk string".to_owned())?;
    match is_usable_jwk(&jwk) {
        true => Ok(()),
        false => Err("could not load JWK, likely not a valid key".to_owned()),
    }
}
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    NATIVES.iter().map(|(name, _)| *name)
}
