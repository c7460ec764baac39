//! From a path segment to a document (admin-api.md 3).

use super::error::Failure;
use super::{Admin, endpoints::Link, expiry, names};
use crate::store::Stored;
use serde_json::{Value, json};
use shared::entities::Entity;
use shared::schema::Document;
use uuid::Uuid;

/// What a path segment says about a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    Id(Uuid),
    /// By the value of a field that no two documents share.
    Field(&'static str, String),
}

impl Key {
    /// The member and the text that an error about this key names.
    pub fn named(&self) -> (&str, String) {
        match self {
            Key::Id(id) => ("id", id.to_string()),
            Key::Field(field, value) => (field, value.clone()),
        }
    }

    /// Writes what the address says over what the body says.
    pub fn imprint(&self, document: &mut Document) {
        let (field, value) = self.named();
        document.insert(field.to_owned(), Value::String(value));
    }
}

/// An id in its canonical form; any other spelling is a name.
pub fn id(segment: &str) -> Option<Uuid> {
    const CANONICAL: usize = 36;
    (segment.len() == CANONICAL)
        .then(|| Uuid::try_parse(segment).ok())
        .flatten()
}

/// Reads a segment: an id, or the name by which the entity is looked up.
pub fn key(entity: &'static Entity, segment: &str) -> Result<Key, Failure> {
    if let Some(id) = id(segment) {
        return Ok(Key::Id(id));
    }
    let name = entity.lookup.ok_or_else(Failure::invalid_primary_key)?;
    let field = entity
        .schema
        .field(name)
        .expect("an entity is looked up by a field it has");
    match field.value_error(&Value::String(segment.to_owned())) {
        Some(message) => Err(Failure::invalid_unique(name, message)),
        None => Ok(Key::Field(name, segment.to_owned())),
    }
}

impl Admin {
    /// The live document of that key.
    pub(super) async fn find(
        &self,
        entity: &'static Entity,
        key: &Key,
    ) -> Result<Option<Stored>, Failure> {
        let found = match key {
            Key::Id(id) => self.store.get(entity.kind, *id).await?,
            Key::Field(field, value) => self.store.find(entity.kind, field, value).await?,
        };
        Ok(found.filter(|stored| expiry::is_live(entity, &stored.document)))
    }

    /// As [`Admin::find`], for addresses that answer a plain 404.
    pub(super) async fn found(
        &self,
        entity: &'static Entity,
        segment: &str,
    ) -> Result<Stored, Failure> {
        let key = match &entity.name_list {
            Some(list) if id(segment).is_none() => {
                let found = self.id_by_name(list, segment).await?;
                Key::Id(found.ok_or_else(|| names::unknown(list))?)
            }
            _ => key(entity, segment)?,
        };
        self.find(entity, &key)
            .await?
            .ok_or_else(Failure::not_found)
    }

    /// The key of a child by what its parent's address says. One that has no name of its own may have one among
    /// the children of that parent: an acl by its group.
    pub(super) async fn child_key(
        &self,
        link: Link,
        parent: Uuid,
        segment: &str,
    ) -> Result<ChildKey, Failure> {
        let among_siblings = sibling_field(link);
        match among_siblings {
            Some(field) if link.child.lookup.is_none() && id(segment).is_none() => {
                let found = self.find_sibling(link, parent, field, segment).await?;
                Ok(ChildKey::Sibling { field, found })
            }
            _ => key(link.child, segment).map(ChildKey::Own),
        }
    }

    async fn find_sibling(
        &self,
        link: Link,
        parent: Uuid,
        field: &'static str,
        value: &str,
    ) -> Result<Option<Uuid>, Failure> {
        let mut probe = Document::new();
        probe.insert(link.field.to_owned(), json!({ "id": parent }));
        probe.insert(field.to_owned(), Value::String(value.to_owned()));
        // What is stored in one spelling is found by any: a target without its port.
        for computed in &link.child.transformations {
            if computed.input == [field] {
                (computed.apply)(&mut probe);
            }
        }
        for unique in link.child.unique_keys(&probe) {
            let found = self
                .store
                .find(link.child.kind, &unique.field, &unique.value)
                .await?;
            if let Some(stored) = found {
                return Ok(Some(stored.id));
            }
        }
        Ok(None)
    }
}

/// What a segment says about a child.
pub enum ChildKey {
    /// As at the top level.
    Own(Key),
    /// By a field that is unique among the children of one parent, and the child that has it.
    Sibling {
        field: &'static str,
        found: Option<Uuid>,
    },
}

/// The other field of a unique pair that holds the parent.
fn sibling_field(link: Link) -> Option<&'static str> {
    link.child
        .composite
        .iter()
        .find_map(|fields| match **fields {
            [a, b] if a == link.field => Some(b),
            [a, b] if b == link.field => Some(a),
            _ => None,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::entities;

    fn entity(kind: &str) -> &'static Entity {
        entities::find(kind).expect("a kind of the list")
    }

    #[test]
    fn an_id_is_an_id_even_where_names_are_looked_up() {
        let text = "00000000-0000-4000-8000-00000000000A";
        let found = key(entity("services"), text).expect("an id");
        assert_eq!(found, Key::Id(Uuid::parse_str(text).expect("an id")));
        let simple = "0000000000004000800000000000000a";
        let found = key(entity("services"), simple).expect("a name");
        assert_eq!(found, Key::Field("name", simple.to_owned()));
    }

    #[test]
    fn names_follow_the_rules_of_their_field() {
        let cases = [
            (
                "services",
                "a b",
                r#"{"code":10,"name":"invalid unique name","message":"invalid value 'a b': the only accepted ascii characters are alphanumerics or ., -, _, and ~"}"#,
            ),
            (
                "acls",
                "group",
                r#"{"code":1,"name":"invalid primary key","message":"invalid primary key: '{id=\"expected a valid UUID\"}'","fields":{"id":"expected a valid UUID"}}"#,
            ),
        ];
        for (kind, segment, body) in cases {
            let reply = key(entity(kind), segment).expect_err(segment).into_reply();
            assert_eq!(String::from_utf8_lossy(&reply.body), body);
            assert_eq!(reply.status, 400);
        }
        let spaced = key(entity("consumers"), "Žofie N.").expect("any text");
        assert_eq!(spaced, Key::Field("username", "Žofie N.".into()));
    }

    #[test]
    fn a_group_names_an_acl_among_those_of_its_consumer() {
        let [parent, child] = ["consumers", "acls"].map(entity);
        let link = Link {
            parent,
            child,
            field: "consumer",
        };
        assert_eq!(sibling_field(link), Some("group"));
    }
}
