//! The pure part of the transformer plugins: bytes in, bytes out, no request in sight.

pub mod args;
pub mod content_type;
pub mod encoding;
pub mod headers;
pub mod json;
pub mod lua_number;
pub mod multipart;
pub mod response;
pub mod template;
