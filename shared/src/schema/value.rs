//! One value against one field, outside any document: a name in a path, a tag in a filter.

use serde_json::Value;

use super::{Field, Kind};

impl Field {
    /// What the elements of a list are; `None` for anything but a list.
    pub fn element(&self) -> Option<&Field> {
        match &self.kind {
            Kind::Array(element) | Kind::Set(element) => Some(element),
            _ => None,
        }
    }

    /// The first thing that is wrong with a value, as the field itself would say it.
    pub fn value_error(&self, value: &Value) -> Option<String> {
        self.check(value).err().map(|node| node.first_text())
    }
}
