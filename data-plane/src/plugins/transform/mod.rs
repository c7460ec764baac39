//! The pure part of the transformer plugins: bytes in, bytes out, no request in sight.

pub mod args;
pub mod content_type;
pub mod encoding;
pub mod headers;
pub mod json;
pub mod lua_number;
pub mod machine;
pub mod multipart;
pub mod response;
pub mod target;
pub mod template;

#[cfg(test)]
pub(crate) mod cases;
#[cfg(test)]
#[path = "../../../../tests/fuzz/reference/mod.rs"]
#[allow(dead_code, reason = "the fuzz targets need more of it")]
pub(crate) mod reference;
