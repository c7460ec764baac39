//! Typed structs from stored documents.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Schema;

/// A document that does not make the struct.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct ReadError {
    /// Where, as a dotted path; `.` for the document itself.
    pub field: String,
    /// What is wrong.
    pub message: String,
}

impl Schema {
    /// Reads a stored document into its struct. Members that it lacks, since an older control plane wrote it, take
    /// their defaults; members that the struct does not know are ignored.
    pub fn read<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, ReadError> {
        // Nearly every document is complete: the detour over a value is only taken to mend or to explain.
        if let Ok(read) = serde_json::from_slice(bytes) {
            return Ok(read);
        }
        let at_root = |message: String| ReadError {
            field: ".".to_owned(),
            message,
        };
        let document = match serde_json::from_slice(bytes) {
            Ok(Value::Object(document)) => document,
            Ok(_) => return Err(at_root("expected a record".to_owned())),
            Err(error) => return Err(at_root(error.to_string())),
        };
        let variant = self.variant_by_words(&document);
        let mended = Value::Object(self.complete(variant, document));
        serde_path_to_error::deserialize(mended).map_err(|error| ReadError {
            field: error.path().to_string(),
            message: error.inner().to_string(),
        })
    }
}
