//! Fuzz targets for what strangers can send: bodies, and the texts of a configuration. README.md says how to run them.
//!
//! [`targets`] holds their bodies, which `data-plane/tests/corpus.rs` takes in to replay the corpora in `cargo test`;
//! [`reference`] what they compare with, which the property tests of the transformers take in too.

#[path = "reference/mod.rs"]
pub mod reference;
#[path = "targets/mod.rs"]
pub mod targets;
