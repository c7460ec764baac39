//! Certificates, so far only as something to refer to.

use crate::types::Referenced;

/// A certificate with its key.
#[derive(Clone, Debug)]
pub struct Certificate;

impl Referenced for Certificate {
    const KIND: &'static str = "certificates";
}
