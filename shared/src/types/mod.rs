//! Values that parse themselves.
//!
//! One parser per type serves both planes: the schema of a field calls it to say what is wrong, a node calls it while
//! it deserialises. What the Admin API stored is therefore what a node can read.

mod cidr;
mod header;
mod host;
mod id;
mod jwk;
mod lua;
mod method;
mod name;
mod pair;
mod path;
mod pem;
mod public_key;
mod secret;
mod status;
mod target;
mod template;
mod url;
mod vault;
mod words;

pub use cidr::Cidr;
pub use header::{CookieName, HeaderMatch, HeaderName};
pub use host::{Host, HostPattern, Sni, Wildcard};
pub(crate) use id::canonical;
pub use id::{Foreign, Id, Moment, Referenced, Timestamp, UuidText};
pub use jwk::is_usable_jwk;
pub use lua::{LuaCheck, LuaChunk, LuaFunction, LuaUnit, Owner, check_lua_with};
pub use method::Method;
pub use name::{Name, Tag};
pub use pair::{
    Entry, HeaderEntry, HeaderPair, HeaderRemoval, HeaderRename, JsonSelector, Pair, Removal,
    Rename, TemplateEntry, TemplatePair,
};
pub use path::{PathPattern, PathRegex, UrlPath, check_path, normalise};
pub use pem::{AuthorityCertificate, CertificateChain, KeyBits, KeyKind, PrivateKey, PublicPem};
pub use public_key::PublicKey;
pub use secret::{HIDDEN, Secret};
pub use status::StatusRange;
pub use target::{HostHeader, TargetAddress, TargetHost, UpstreamName};
pub use template::{Expression, Meaning, Operand, Piece, Step, Template};
pub use url::{Url, expand_url};
pub use vault::{OrVault, VaultPath, VaultReference};
pub use words::{Algorithm, HashInput, JsonType, PathHandling, Probe, Protocol};

use serde::{Deserialize, Deserializer};

use crate::schema::Field;

/// A value read from one text.
pub trait Text: Sized {
    /// Reads it, or says what is wrong in the words of the Admin API. Never called with an empty text.
    fn parse(text: &str) -> Result<Self, String>;

    /// Adds what `/schemas` should show of the rules that [`Text::parse`] enforces.
    fn describe(field: Field) -> Field {
        field
    }
}

/// Deserialises a [`Text`].
pub fn deserialize_text<'de, T: Text, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
    parse_text(&text).map_err(serde::de::Error::custom)
}

/// Reads a [`Text`], refusing the empty one.
pub fn parse_text<T: Text>(text: &str) -> Result<T, String> {
    if text.is_empty() {
        return Err("length must be at least 1".to_owned());
    }
    T::parse(text)
}

/// The custom rule that a [`Text`] gives its field.
pub fn check_text<T: Text>(value: &serde_json::Value) -> Result<(), String> {
    match value.as_str() {
        Some(text) => T::parse(text).map(drop),
        None => Ok(()),
    }
}

/// Makes a [`Text`] deserialise and describe itself.
macro_rules! text_value {
    ($($type:ty),* $(,)?) => {$(
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::types::deserialize_text(deserializer)
            }
        }

        impl $crate::schema::Described for $type {
            fn field() -> $crate::schema::Field {
                let field = $crate::schema::Field::string().custom($crate::types::check_text::<$type>);
                <$type as $crate::types::Text>::describe(field)
            }
        }
    )*};
}
pub(crate) use text_value;

#[cfg(test)]
mod tests;
