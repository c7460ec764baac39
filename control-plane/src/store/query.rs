//! What a reader asks for, and the statements that answer it.

use super::prepare::{EXPIRY, TAGS};
use bytes::Bytes;
use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};
use serde_json::Value;
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
    /// Of those that the filter leaves, only the ones that hold a text.
    pub search: Option<Search>,
}

/// A text that is looked for, whatever its case.
#[derive(Clone, Debug)]
pub struct Search {
    /// Members that hold a text, or a list of texts.
    pub fields: Vec<&'static str>,
    text: String,
}

impl Search {
    pub fn new(fields: Vec<&'static str>, text: &str) -> Search {
        Search {
            fields,
            text: text.to_lowercase(),
        }
    }

    fn finds(&self, document: &Document) -> bool {
        let holds = |value: &Value| {
            let text = value.as_str();
            text.is_some_and(|text| text.to_lowercase().contains(&self.text))
        };
        let values = self.fields.iter().filter_map(|field| document.get(*field));
        values.into_iter().any(|value| match value {
            Value::Array(items) => items.iter().any(holds),
            value => holds(value),
        })
    }
}

/// Documents that one page of a search looks at, at most: what it costs is bounded however little it finds.
const SCANNED: usize = 5_000;

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
    if let Some(search) = &page.search {
        return self::search(connection, kind, page, search);
    }
    let (sql, values) = statement(kind, page);
    let mut select = connection.prepare_cached(&sql)?;
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

/// One page of what a text is found in. It ends where the page is full and there is another find, or where enough was
/// looked at: then there is a next page even if that may turn out to be empty.
fn search(
    connection: &Connection,
    kind: &str,
    page: &Page,
    search: &Search,
) -> rusqlite::Result<Listing> {
    let all = Page {
        size: SCANNED,
        ..page.clone()
    };
    let (sql, values) = statement(kind, &all);
    let mut select = connection.prepare_cached(&sql)?;
    let rows = select.query_map(params_from_iter(values), stored)?;
    let mut documents: Vec<Stored> = Vec::new();
    let mut last = None;
    for (place, row) in rows.enumerate() {
        let row = row?;
        if place == SCANNED {
            return Ok(Listing {
                documents,
                next: last,
            });
        }
        last = Some(row.id);
        if search.finds(&row.document) {
            if documents.len() == page.size {
                let next = documents.last().map(|last| last.id);
                return Ok(Listing { documents, next });
            }
            documents.push(row);
        }
    }
    Ok(Listing {
        documents,
        next: None,
    })
}

/// Values of a unique key on both sides of one that is not there, up to `limit` each.
pub(super) fn neighbours(
    connection: &Connection,
    kind: &str,
    field: &str,
    value: &str,
    limit: usize,
) -> rusqlite::Result<Vec<String>> {
    let mut found = Vec::new();
    for side in [
        "value < ?3 ORDER BY value DESC",
        "value > ?3 ORDER BY value",
    ] {
        let sql = format!(
            "SELECT value FROM unique_keys WHERE kind = ?1 AND field = ?2 AND {side} LIMIT ?4"
        );
        let mut select = connection.prepare_cached(&sql)?;
        let values =
            select.query_map(params![kind, field, value, limit as i64], |row| row.get(0))?;
        for value in values {
            found.push(value?);
        }
    }
    Ok(found)
}

/// Reads one document more than asked for: that tells whether there is a next page.
pub(super) fn statement(kind: &str, page: &Page) -> (String, Vec<SqlValue>) {
    let after = page.after.map_or(Vec::new(), |id| id.as_bytes().to_vec());
    let mut values = vec![
        SqlValue::Text(kind.to_owned()),
        SqlValue::Blob(after),
        SqlValue::Integer(page.size as i64 + 1),
    ];
    let which = match &page.filter {
        Filter::None => "documents AS d WHERE d.kind = ?1 AND d.id > ?2".to_owned(),
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
            "\"references\" AS r JOIN documents AS d ON d.kind = r.kind AND d.id = r.id
             WHERE r.to_kind = ?4 AND r.to_id = ?5 AND r.kind = ?1 AND r.field = ?6 AND r.id > ?2"
                .to_owned()
        }
        Filter::AllTags(tags) | Filter::AnyTag(tags) if tags.is_empty() => {
            "documents AS d WHERE 0 AND ?1 AND ?2".to_owned()
        }
        Filter::AllTags(tags) => {
            values.extend(
                tags.iter()
                    .map(|tag| SqlValue::Blob(tag.as_bytes().to_vec())),
            );
            all_tags(tags.len())
        }
        Filter::AnyTag(tags) => {
            values.extend(
                tags.iter()
                    .map(|tag| SqlValue::Blob(tag.as_bytes().to_vec())),
            );
            any_tag(tags.len())
        }
    };
    (
        format!("SELECT d.id, d.revision, d.payload FROM {which} ORDER BY d.id LIMIT ?3"),
        values,
    )
}

/// Walks the documents with the first tag and asks each for the others. Tags are the parameters from 4 on.
fn all_tags(count: usize) -> String {
    let others: String = (5..4 + count)
        .map(|place| {
            format!(
                " AND EXISTS (SELECT 1 FROM \"references\" AS o WHERE o.kind = r.kind AND o.id = r.id
                   AND o.field = '{TAGS}' AND o.to_kind = '{TAGS}' AND o.to_id = ?{place})"
            )
        })
        .collect();
    format!(
        "\"references\" AS r JOIN documents AS d ON d.kind = r.kind AND d.id = r.id
         WHERE r.to_kind = '{TAGS}' AND r.to_id = ?4 AND r.kind = ?1 AND r.field = '{TAGS}' AND r.id > ?2{others}"
    )
}

/// A page's worth of ids for each tag, and of those a page.
fn any_tag(count: usize) -> String {
    let each: Vec<String> = (4..4 + count)
        .map(|place| {
            format!(
                "SELECT id FROM (SELECT id FROM \"references\" WHERE to_kind = '{TAGS}' AND to_id = ?{place}
                   AND kind = ?1 AND field = '{TAGS}' AND id > ?2 ORDER BY id LIMIT ?3)"
            )
        })
        .collect();
    format!(
        "documents AS d WHERE d.kind = ?1 AND d.id IN ({})",
        each.join(" UNION ")
    )
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

/// Up to `limit` documents whose end of life has come, with the revision that they are of.
pub(super) fn expired(
    connection: &Connection,
    now: u64,
    limit: usize,
) -> rusqlite::Result<Vec<(String, Uuid, u64)>> {
    connection
        .prepare_cached(
            "SELECT d.kind, d.id, d.revision FROM \"references\" AS r
             JOIN documents AS d ON d.kind = r.kind AND d.id = r.id
             WHERE r.to_kind = ?1 AND r.to_id <= ?2 ORDER BY r.to_id LIMIT ?3",
        )?
        .query_map(params![EXPIRY, now.to_be_bytes(), limit as i64], |row| {
            Ok((
                row.get(0)?,
                Uuid::from_bytes(row.get(1)?),
                row.get::<_, i64>(2)? as u64,
            ))
        })?
        .collect()
}

/// The documents of a kind that refer by `field` to one of these: an index look-up for each.
pub(super) fn referring(
    connection: &Connection,
    kind: &str,
    field: &str,
    to_kind: &str,
    to_ids: &[Uuid],
) -> rusqlite::Result<Vec<Stored>> {
    let mut select = connection.prepare_cached(
        "SELECT d.id, d.revision, d.payload FROM \"references\" AS r
         JOIN documents AS d ON d.kind = r.kind AND d.id = r.id
         WHERE r.to_kind = ?1 AND r.to_id = ?2 AND r.kind = ?3 AND r.field = ?4 ORDER BY d.id",
    )?;
    let mut found = Vec::new();
    for to_id in to_ids {
        let rows = select.query_map(params![to_kind, to_id.as_bytes(), kind, field], stored)?;
        for row in rows {
            found.push(row?);
        }
    }
    Ok(found)
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
