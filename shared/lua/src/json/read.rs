//! From JSON to Lua.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::ops::Range;

use mlua::{Lua, Table, Value};
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserializer, de};

use super::MAX_DEPTH;
use super::write::spelled;

/// What a value was like before a script saw it, as far as Lua cannot tell.
#[derive(Debug, Default, PartialEq)]
pub enum Original<'t> {
    /// As Lua would write it.
    #[default]
    Plain,
    /// A number whose spelling Lua would change.
    Number(Box<str>),
    /// The names of an object, in order.
    Object(Vec<(Cow<'t, str>, Original<'t>)>),
    /// The elements of an array.
    Array(Vec<Original<'t>>),
}

/// What `serde_json` calls a number whose spelling it keeps, as if it were an object with this one name.
const NUMBER: &str = "$serde_json::private::Number";

/// Reads a JSON text into a value of this machine; `arrays` becomes the metatable of arrays.
///
/// # Errors
/// What is wrong with the text, and where; also nesting deeper than 1000, and too little memory.
pub fn read<'t>(lua: &Lua, arrays: &Table, text: &'t str) -> Result<(Value, Original<'t>), String> {
    let bytes = text.as_bytes().as_ptr_range();
    let reader = Reader {
        lua,
        arrays,
        text: bytes.start as usize..bytes.end as usize,
        depth: 0,
    };
    let mut json = serde_json::Deserializer::from_str(text);
    json.disable_recursion_limit(); // `Reader` has a limit of its own.
    let value = reader
        .deserialize(&mut json)
        .map_err(|error| error.to_string())?;
    json.end().map_err(|error| error.to_string())?;
    Ok(value)
}

#[derive(Clone)]
struct Reader<'a> {
    lua: &'a Lua,
    arrays: &'a Table,
    /// The addresses of the text: names that lie there are names, and not [`NUMBER`].
    text: Range<usize>,
    depth: usize,
}

impl Reader<'_> {
    fn deeper<E: de::Error>(&self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom(format!("nested deeper than {MAX_DEPTH}")));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self.clone()
        })
    }

    fn string<E: de::Error>(&self, text: &str) -> Result<Value, E> {
        self.lua
            .create_string(text)
            .map(Value::String)
            .map_err(E::custom)
    }
}

fn number<E: de::Error>(text: String) -> Result<(Value, Original<'static>), E> {
    let value: f64 = text.parse().map_err(E::custom)?;
    let original = if spelled(value) == text {
        Original::Plain
    } else {
        Original::Number(text.into())
    };
    Ok((Value::Number(value), original))
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = (Value, Original<'de>);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = (Value, Original<'de>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok((Value::NULL, Original::Plain))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok((Value::Boolean(value), Original::Plain))
    }

    // Whole numbers that fit come this way, all others as an object named `NUMBER`.
    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        number(value.to_string())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
        number(value.to_string())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok((self.string(text)?, Original::Plain))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let inner = self.deeper()?;
        let table = self.lua.create_table().map_err(Error::custom)?;
        table
            .set_metatable(Some(self.arrays.clone()))
            .map_err(Error::custom)?;
        let mut originals = Vec::new();
        while let Some((value, original)) = elements.next_element_seed(inner.clone())? {
            table.raw_push(value).map_err(Error::custom)?;
            originals.push(original);
        }
        // Elements that are as Lua writes them need no memory.
        if originals
            .iter()
            .all(|original| *original == Original::Plain)
        {
            originals = Vec::new();
        }
        Ok((Value::Table(table), Original::Array(originals)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let inner = self.deeper()?;
        let table = self.lua.create_table().map_err(Error::custom)?;
        let mut originals = Vec::new();
        let mut twice = false;
        while let Some(name) = members.next_key_seed(Name)? {
            if *name == *NUMBER && !self.text.contains(&(name.as_ptr() as usize)) {
                return number(members.next_value()?);
            }
            let (value, original) = members.next_value_seed(inner.clone())?;
            twice |= table.contains_key(&*name).map_err(Error::custom)?;
            table.raw_set(&*name, value).map_err(Error::custom)?;
            originals.push((name, original));
        }
        if twice {
            originals = last_of_each(originals);
        }
        Ok((Value::Table(table), Original::Object(originals)))
    }
}

/// Of duplicate names the last one wins, in the first one's place.
fn last_of_each<'t>(
    members: Vec<(Cow<'t, str>, Original<'t>)>,
) -> Vec<(Cow<'t, str>, Original<'t>)> {
    let mut places: HashMap<Cow<'t, str>, usize> = HashMap::new();
    let mut kept: Vec<(Cow<'t, str>, Original<'t>)> = Vec::new();
    for (name, original) in members {
        match places.entry(name.clone()) {
            Entry::Occupied(place) => kept[*place.get()].1 = original,
            Entry::Vacant(place) => {
                place.insert(kept.len());
                kept.push((name, original));
            }
        }
    }
    kept
}

/// Reads a name, out of the text itself where that is possible.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E: de::Error>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}
