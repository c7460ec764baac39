//! What a reader asks for, and the statements that answer it.

use super::prepare::TAGS;
use bytes::Bytes;
use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};
use shared::schema::Document;
use uuid::Uuid;

/// A document as it lies in the store.
#[derive(Clone, Debug)]
pub struct Stored {
    pub id: Uuid,
    pub document: Document,
    /// The canonical bytes of the document.
    pub payload: Bytes,
    /// The revision that wrote it; what a compare-and-set expects.
    pub revision: u64,
}

/// Which documents, and how many.
#[derive(Clone, Debug)]
pub struct Page {
    /// The last id of the page before.
    pub after: Option<Uuid>,
    pub size: usize,
    pub filter: Filter,
}

/// Narrows a list.
#[derive(Clone, Debug, Default)]
pub enum Filter {
    #[default]
    None,
    /// Those whose foreign `field` names that document.
    Refers {
        field: String,
        to_kind: &'static str,
        to_id: Uuid,
    },
    /// Those that have every tag.
    AllTags(Vec<String>),
    /// Those that have one of the tags.
    AnyTag(Vec<String>),
}

/// One page.
#[derive(Clone, Debug)]
pub struct Listing {
    pub documents: Vec<Stored>,
    /// The id to go on after, if there is more.
    pub next: Option<Uuid>,
}

/// Which tag rows, and how many.
#[derive(Clone, Debug)]
pub struct TagPage {
    /// The last row of the page before.
    pub after: Option<TagRow>,
    pub size: usize,
}

/// One tag of one document; ordered by tag, kind, id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TagRow {
    pub tag: String,
    pub kind: String,
    pub id: Uuid,
}

const COLUMNS: &str = "d.id, d.revision, d.payload";

pub(super) fn get(
    connection: &Connection,
    kind: &str,
    id: Uuid,
) -> rusqlite::Result<Option<Stored>> {
    connection
        .prepare_cached("SELECT id, revision, payload FROM documents WHERE kind = ?1 AND id = ?2")?
        .query_row(params![kind, id.as_bytes()], stored)
        .optional()
}

pub(super) fn find(
    connection: &Connection,
    kind: &str,
    field: &str,
    value: &str,
) -> rusqlite::Result<Option<Stored>> {
    connection
        .prepare_cached(
            "SELECT d.id, d.revision, d.payload FROM unique_keys AS k
             JOIN documents AS d ON d.kind = k.kind AND d.id = k.id
             WHERE k.kind = ?1 AND k.field = ?2 AND k.value = ?3",
        )?
        .query_row(params![kind, field, value], stored)
        .optional()
}

/// One page; every filter walks an index in the order of ids.
pub(super) fn list(connection: &Connection, kind: &str, page: &Page) -> rusqlite::Result<Listing> {
    let kind = kind.to_owned();
    let after = SqlValue::Blob(page.after.map_or(Vec::new(), |id| id.as_bytes().to_vec()));
    let limit = SqlValue::Integer(page.size as i64 + 1);
    let mut values = vec![SqlValue::Text(kind), after, limit];
    let sql = match &page.filter {
        Filter::None => {
            format!("SELECT {COLUMNS} FROM documents AS d WHERE d.kind = ?1 AND d.id > ?2")
        }
        Filter::Refers {
            field,
            to_kind,
            to_id,
        } => {
            values.extend([
                SqlValue::Text((*to_kind).to_owned()),
                SqlValue::Blob(to_id.as_bytes().to_vec()),
                SqlValue::Text(field.clone()),
            ]);
            format!(
                "SELECT {COLUMNS} FROM \"references\" AS r JOIN documents AS d ON d.kind = r.kind AND d.id = r.id
                 WHERE r.to_kind = ?4 AND r.to_id = ?5 AND r.kind = ?1 AND r.field = ?6 AND r.id > ?2"
            )
        }
        Filter::AllTags(tags) | Filter::AnyTag(tags) if tags.is_empty() => {
            return Ok(Listing {
                documents: Vec::new(),
                next: None,
            });
        }
        Filter::AllTags(tags) => {
            let having: String = (4..4 + tags.len())
                .map(|place| {
                    format!(
                        " AND EXISTS (SELECT 1 FROM \"references\" AS r WHERE {})",
                        tagged(place)
                    )
                })
                .collect();
            values.extend(tags.iter().map(tag));
            format!("SELECT {COLUMNS} FROM documents AS d WHERE d.kind = ?1 AND d.id > ?2{having}")
        }
        Filter::AnyTag(tags) => {
            let any: Vec<String> = (4..4 + tags.len())
                .map(|place| format!("?{place}"))
                .collect();
            values.extend(tags.iter().map(tag));
            format!(
                "SELECT {COLUMNS} FROM documents AS d WHERE d.kind = ?1 AND d.id IN (
                   SELECT r.id FROM \"references\" AS r
                   WHERE r.to_kind = '{TAGS}' AND r.to_id IN ({}) AND r.kind = ?1 AND r.field = '{TAGS}' AND r.id > ?2)",
                any.join(", ")
            )
        }
    };
    let mut select = connection.prepare_cached(&format!("{sql} ORDER BY d.id LIMIT ?3"))?;
    let rows = select.query_map(params_from_iter(values), stored)?;
    let mut documents = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let more = documents.len() > page.size;
    documents.truncate(page.size);
    let next = if more {
        documents.last().map(|last| last.id)
    } else {
        None
    };
    Ok(Listing { documents, next })
}

/// Whether the document `d` has the tag at that place of the parameters.
fn tagged(place: usize) -> String {
    format!(
        "r.to_kind = '{TAGS}' AND r.to_id = ?{place} AND r.kind = d.kind AND r.field = '{TAGS}' AND r.id = d.id"
    )
}

fn tag(tag: &String) -> SqlValue {
    SqlValue::Blob(tag.as_bytes().to_vec())
}

pub(super) fn tags(
    connection: &Connection,
    tag: Option<&str>,
    page: &TagPage,
) -> rusqlite::Result<Vec<TagRow>> {
    let start = TagRow {
        tag: String::new(),
        kind: String::new(),
        id: Uuid::nil(),
    };
    let after = page.after.as_ref().unwrap_or(&start);
    connection
        .prepare_cached(
            "SELECT to_id, kind, id FROM \"references\"
             WHERE to_kind = 'tags' AND (to_id, kind, id) > (?1, ?2, ?3) AND (?4 IS NULL OR to_id = ?4)
             ORDER BY to_id, kind, id LIMIT ?5",
        )?
        .query_map(
            params![
                after.tag.as_bytes(),
                after.kind,
                after.id.as_bytes(),
                tag.map(str::as_bytes),
                page.size as i64
            ],
            |row| {
                Ok(TagRow {
                    tag: String::from_utf8_lossy(&row.get::<_, Vec<u8>>(0)?).into_owned(),
                    kind: row.get(1)?,
                    id: Uuid::from_bytes(row.get(2)?),
                })
            },
        )?
        .collect()
}

/// Every document of a kind, ascending by id.
pub(super) fn all(connection: &Connection, kind: &str) -> rusqlite::Result<Vec<Stored>> {
    connection
        .prepare_cached("SELECT id, revision, payload FROM documents WHERE kind = ?1 ORDER BY id")?
        .query_map([kind], stored)?
        .collect()
}

fn stored(row: &rusqlite::Row<'_>) -> rusqlite::Result<Stored> {
    let payload = Bytes::from(row.get::<_, Vec<u8>>(2)?);
    let document = serde_json::from_slice(&payload).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(2, rusqlite::types::Type::Blob, Box::new(error))
    })?;
    Ok(Stored {
        id: Uuid::from_bytes(row.get(0)?),
        document,
        payload,
        revision: row.get::<_, i64>(1)? as u64,
    })
}
