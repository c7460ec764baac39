//! Who wrote what: one row for each write, in the transaction of the write, never with the content of a document.

use super::Author;
use super::transaction::Changed;
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Documents that a row lists; the change log has all of them.
const LISTED: usize = 50;
/// Rows that are kept.
const KEPT_ROWS: i64 = 200_000;
/// How long they are kept, in milliseconds.
const KEPT_MS: i64 = 366 * 24 * 3600 * 1000;
/// Rows that one step of the trimming removes at most.
const STEP: i64 = 2_000;
/// Members that change with every write.
const ALWAYS: &str = "updated_at";

/// One write.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AuditRow {
    /// Ascending in the order of the writes.
    pub seq: u64,
    /// Unix milliseconds.
    pub at: i64,
    pub who: String,
    /// The address the request came from; `None`: the control plane itself.
    pub from: Option<String>,
    /// What was asked; `None`: nobody asked for it.
    pub action: Option<String>,
    /// The newest revision after the write.
    pub revision: u64,
    /// How many documents changed.
    pub changed: u64,
    /// The first of them.
    pub changes: Vec<AuditChange>,
}

/// What happened to one document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditChange {
    pub kind: String,
    pub id: Uuid,
    pub operation: Operation,
    /// The members that an update changed, without their values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    Create,
    Update,
    Delete,
}

/// Which rows are asked for, newest first.
#[derive(Clone, Debug, Default)]
pub struct AuditPage {
    /// Only rows before this one.
    pub before: Option<u64>,
    pub size: usize,
    pub who: Option<String>,
    /// Only writes that changed a document of this kind.
    pub kind: Option<String>,
    /// Only writes at this time or later, in Unix milliseconds.
    pub since: Option<i64>,
}

/// Notes a write.
pub(super) fn note(
    connection: &Connection,
    author: &Author,
    revision: u64,
    changed: &[Changed],
    at: i64,
) -> rusqlite::Result<()> {
    let listed: Vec<AuditChange> = changed.iter().take(LISTED).map(told).collect();
    let listed = serde_json::to_vec(&listed).expect("names and ids are always written");
    connection
        .prepare_cached(
            "INSERT INTO audit (at, actor, address, action, revision, kinds, changed, changes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            at,
            author.name,
            author.from.map(|address| address.to_string()),
            author.action,
            revision as i64,
            kinds(changed),
            changed.len() as i64,
            listed,
        ])?;
    Ok(())
}

fn told(change: &Changed) -> AuditChange {
    let (operation, fields) = match (&change.before, &change.after) {
        (Some(before), Some(after)) => (Operation::Update, differing(before, after)),
        (None, _) => (Operation::Create, Vec::new()),
        (Some(_), None) => (Operation::Delete, Vec::new()),
    };
    AuditChange {
        kind: change.kind.clone(),
        id: change.id,
        operation,
        fields,
    }
}

/// The members whose values differ.
fn differing(before: &[u8], after: &[u8]) -> Vec<String> {
    type Members<'a> = BTreeMap<String, &'a RawValue>;
    let read = |bytes| serde_json::from_slice::<Members<'_>>(bytes).unwrap_or_default();
    let (before, after) = (read(before), read(after));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let text = |members: &Members<'_>, name| members.get(name).map(|value| value.get().to_owned());
    names
        .into_iter()
        .filter(|name| *name != ALWAYS && text(&before, *name) != text(&after, *name))
        .cloned()
        .collect()
}

fn kinds(changed: &[Changed]) -> String {
    let kinds: BTreeSet<&str> = changed.iter().map(|change| change.kind.as_str()).collect();
    kinds
        .into_iter()
        .fold(" ".to_owned(), |text, kind| text + kind + " ")
}

/// Up to `size` rows, newest first.
pub(super) fn list(connection: &Connection, page: &AuditPage) -> rusqlite::Result<Vec<AuditRow>> {
    connection
        .prepare_cached(
            "SELECT seq, at, actor, address, action, revision, changed, changes FROM audit
             WHERE seq < ifnull(?1, 9223372036854775807) AND at >= ifnull(?2, at)
             AND actor = ifnull(?3, actor) AND (?4 IS NULL OR instr(kinds, ' ' || ?4 || ' ') > 0)
             ORDER BY seq DESC LIMIT ?5",
        )?
        .query_map(
            params![
                page.before.map(|seq| seq as i64),
                page.since,
                page.who,
                page.kind,
                page.size as i64
            ],
            |row| {
                Ok(AuditRow {
                    seq: row.get::<_, i64>(0)? as u64,
                    at: row.get(1)?,
                    who: row.get(2)?,
                    from: row.get(3)?,
                    action: row.get(4)?,
                    revision: row.get::<_, i64>(5)? as u64,
                    changed: row.get::<_, i64>(6)? as u64,
                    changes: serde_json::from_slice(&row.get::<_, Vec<u8>>(7)?).unwrap_or_default(),
                })
            },
        )?
        .collect()
}

/// Removes some of the rows that are beyond what is kept.
pub(super) fn trim(connection: &Connection, now_ms: i64) -> rusqlite::Result<usize> {
    trim_to(connection, KEPT_ROWS, now_ms - KEPT_MS)
}

/// Removes up to [`STEP`] rows, oldest first, that are not among the newest `rows` or were made before `since`.
fn trim_to(connection: &Connection, rows: i64, since: i64) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "DELETE FROM audit WHERE seq IN (
               SELECT seq FROM audit
               WHERE seq <= (SELECT max(seq) FROM audit) - ?1 OR at < ?2 ORDER BY seq LIMIT ?3)",
        )?
        .execute(params![rows, since, STEP])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(connection: &Connection) -> Vec<u64> {
        let page = AuditPage {
            size: 100,
            ..AuditPage::default()
        };
        let rows = list(connection, &page).expect("readable");
        rows.into_iter().map(|row| row.seq).collect()
    }

    #[test]
    fn old_rows_go_by_number_and_by_age() {
        let connection = Connection::open_in_memory().expect("memory");
        connection
            .execute_batch(include_str!("migrations/0002_audit.sql"))
            .expect("the table");
        for at in 1..=6 {
            note(&connection, &"test".into(), 1, &[], at * 10).expect("a row");
        }
        assert_eq!(trim_to(&connection, 6, 0).expect("trimmed"), 0);
        assert_eq!(trim_to(&connection, 4, 0).expect("trimmed"), 2);
        assert_eq!(rows(&connection), [6, 5, 4, 3]);
        assert_eq!(trim_to(&connection, 4, 50).expect("trimmed"), 2);
        assert_eq!(rows(&connection), [6, 5]);
        // Numbers go on where they were, so that a page's end stays its end.
        note(&connection, &"test".into(), 1, &[], 70).expect("a row");
        assert_eq!(rows(&connection), [7, 6, 5]);
    }

    #[test]
    fn an_update_tells_the_members_that_differ() {
        let before = br#"{"a":1,"b":{"c":2},"gone":1,"same":"x","updated_at":1}"#;
        let after = br#"{"a":1.0,"b":{"c":3},"new":null,"same":"x","updated_at":2}"#;
        assert_eq!(differing(before, after), ["a", "b", "gone", "new"]);
    }
}
