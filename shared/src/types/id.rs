//! Identities and references.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use uuid::Uuid;

use crate::schema::{Described, Field, Kind, OnDelete};

/// An entity that others may refer to.
pub trait Referenced {
    /// Its kind, `services`.
    const KIND: &'static str;
}

/// The id of a document of `T`.
pub struct Id<T>(Uuid, PhantomData<fn() -> T>);

/// A reference to a document of `T`.
pub struct Foreign<T>(Uuid, PhantomData<fn() -> T>);

/// A UUID that is not a reference the store checks.
pub type UuidText = Id<()>;

/// Seconds since the epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub i64);

/// Seconds since the epoch, down to the millisecond.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Moment(pub f64);

macro_rules! identity {
    ($type:ident) => {
        impl<T> $type<T> {
            /// Wraps a UUID.
            pub fn new(id: Uuid) -> Self {
                $type(id, PhantomData)
            }

            /// The UUID.
            pub fn uuid(&self) -> Uuid {
                self.0
            }
        }

        // By hand, since a derive would ask the same of `T`.
        impl<T> Clone for $type<T> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<T> Copy for $type<T> {}

        impl<T> PartialEq for $type<T> {
            fn eq(&self, other: &Self) -> bool {
                self.0 == other.0
            }
        }

        impl<T> Eq for $type<T> {}

        impl<T> Hash for $type<T> {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.0.hash(state);
            }
        }

        impl<T> fmt::Debug for $type<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl<T> fmt::Display for $type<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}
identity!(Id);
identity!(Foreign);

impl<'de, T> Deserialize<'de> for Id<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        canonical(&text)
            .map(Id::new)
            .ok_or_else(|| serde::de::Error::custom("expected a valid UUID"))
    }
}

impl<'de, T> Deserialize<'de> for Foreign<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Key {
            id: UuidText,
        }
        Key::deserialize(deserializer).map(|key| Foreign::new(key.id.uuid()))
    }
}

/// Reads the 36-character form, in either case: the only one that Kong takes.
pub(crate) fn canonical(text: &str) -> Option<Uuid> {
    if text.len() == 36 {
        Uuid::try_parse(text).ok()
    } else {
        None
    }
}

impl<T> Described for Id<T> {
    fn field() -> Field {
        let mut field = Field::string();
        field.rules.uuid = true;
        field
    }
}

impl<T: Referenced> Described for Foreign<T> {
    fn field() -> Field {
        Field::new(Kind::Foreign {
            kind: T::KIND,
            on_delete: OnDelete::Restrict,
        })
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        Ok(Timestamp(seconds as i64))
    }
}

impl Described for Timestamp {
    fn field() -> Field {
        let mut field = Field::new(Kind::Integer).optional().auto();
        field.rules.timestamp = true;
        field
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        f64::deserialize(deserializer).map(Moment)
    }
}

impl Described for Moment {
    fn field() -> Field {
        let mut field = Field::new(Kind::Number).optional().auto();
        field.rules.timestamp = true;
        field
    }
}

impl From<Timestamp> for Value {
    fn from(timestamp: Timestamp) -> Value {
        Value::from(timestamp.0)
    }
}
