//! Types that know their own field.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::{Field, Kind};

/// A type that says what values it takes; what the derives ask for every field of a struct.
pub trait Described {
    /// Kind and rules, without a name.
    fn field() -> Field;
}

impl<T: Described> Described for Option<T> {
    fn field() -> Field {
        T::field().optional()
    }
}

impl<T: Described + ?Sized> Described for Box<T> {
    fn field() -> Field {
        T::field()
    }
}

impl<T: Described> Described for Vec<T> {
    fn field() -> Field {
        Field::array(T::field())
    }
}

impl<K: Described, V: Described> Described for BTreeMap<K, V> {
    fn field() -> Field {
        Field::new(Kind::Map {
            keys: Box::new(K::field()),
            values: Box::new(V::field()),
        })
    }
}

impl<K: Described, V: Described, S> Described for HashMap<K, V, S> {
    fn field() -> Field {
        Field::new(Kind::Map {
            keys: Box::new(K::field()),
            values: Box::new(V::field()),
        })
    }
}

impl Described for String {
    fn field() -> Field {
        Field::string()
    }
}

impl Described for bool {
    fn field() -> Field {
        Field::new(Kind::Boolean)
    }
}

impl Described for f64 {
    fn field() -> Field {
        Field::new(Kind::Number)
    }
}

impl Described for i64 {
    fn field() -> Field {
        Field::new(Kind::Integer)
    }
}

impl Described for Value {
    fn field() -> Field {
        Field::new(Kind::Any)
    }
}

/// Unsigned types state their range, so that what the schema takes also fits the struct.
macro_rules! unsigned {
    ($($type:ty),*) => {$(
        impl Described for $type {
            fn field() -> Field {
                Field::new(Kind::Integer).between(0, i64::from(<$type>::MAX))
            }
        }
    )*};
}
unsigned!(u8, u16, u32);
