//! The slow, obvious way to do what the transformers do to bodies and headers: trees and lists that are searched from the front, with
//! copies of everything. It shares no code with what it is compared to, and knows no crate of the workspace.

pub mod form;
pub mod headers;
pub mod json;
pub mod multipart;
