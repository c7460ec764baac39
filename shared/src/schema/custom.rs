//! Rules that are functions: of the program, or of a plugin that arrived as source.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::{Document, Violations};

type OfValue = dyn Fn(&Value) -> Result<(), String> + Send + Sync;
type OfDocument = dyn Fn(&Document, &mut Violations) + Send + Sync;

/// Says what is wrong with a value, if anything is.
#[derive(Clone)]
pub struct Custom(Arc<OfValue>);

/// Adds what is wrong with a document.
#[derive(Clone)]
pub struct Run(Arc<OfDocument>);

impl Custom {
    /// Wraps a function; what it answers is said of the value.
    pub fn new(check: impl Fn(&Value) -> Result<(), String> + Send + Sync + 'static) -> Self {
        Custom(Arc::new(check))
    }

    /// What the function says of a value.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        (self.0)(value)
    }
}

impl Run {
    /// Wraps a function.
    pub fn new(run: impl Fn(&Document, &mut Violations) + Send + Sync + 'static) -> Self {
        Run(Arc::new(run))
    }

    /// Runs it.
    pub fn on(&self, document: &Document, violations: &mut Violations) {
        (self.0)(document, violations);
    }
}

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Custom")
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Run")
    }
}
