//! Epochs: which history of the store this is, and where it began.

use super::{Author, audit};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use shared::sync::Version;
use uuid::Uuid;

/// The kind of the one record that says where the present epoch began. A first epoch has none: it began at 0.
const KIND: &str = "cp/epoch";

#[derive(Serialize, Deserialize)]
struct Beginning {
    epoch: Uuid,
    revision: u64,
}

/// The revision at which that epoch began.
pub(super) fn start(connection: &Connection, epoch: Uuid) -> rusqlite::Result<u64> {
    let payload: Option<Vec<u8>> = connection
        .query_row(
            "SELECT payload FROM documents WHERE kind = ?1",
            [KIND],
            |row| row.get(0),
        )
        .optional()?;
    let beginning = payload.and_then(|payload| serde_json::from_slice::<Beginning>(&payload).ok());
    Ok(beginning
        .filter(|beginning| beginning.epoch == epoch)
        .map_or(0, |beginning| beginning.revision))
}

/// Opens a new epoch: later than the present one even if the clock stands before it. That it was opened is audited.
pub(super) fn open(
    connection: &mut Connection,
    present: Version,
    author: &Author,
) -> rusqlite::Result<Version> {
    let version = Version {
        epoch: after(present.epoch),
        ..present
    };
    let beginning = Beginning {
        epoch: version.epoch,
        revision: version.revision,
    };
    let payload =
        serde_json::to_vec(&beginning).expect("a struct of plain values is always written");
    let transaction = connection.transaction()?;
    transaction.execute("UPDATE meta SET epoch = ?1", [version.epoch.as_bytes()])?;
    transaction.execute(
        "INSERT OR REPLACE INTO documents (kind, id, revision, payload) VALUES (?1, ?2, 1, ?3)",
        params![KIND, Uuid::nil().as_bytes(), payload],
    )?;
    let at = super::now_ms();
    audit::note(&transaction, author, version.revision, &[], at)?;
    transaction.commit()?;
    Ok(version)
}

/// A UUIDv7 of `max(now, present + 1 ms)`: epochs order by their bytes.
fn after(present: Uuid) -> Uuid {
    let fresh = Uuid::now_v7();
    if milliseconds(fresh) > milliseconds(present) {
        return fresh;
    }
    let mut bytes = *fresh.as_bytes();
    bytes[..6].copy_from_slice(&(milliseconds(present) + 1).to_be_bytes()[2..]);
    Uuid::from_bytes(bytes)
}

/// The first 48 bits of a UUIDv7.
fn milliseconds(epoch: Uuid) -> u64 {
    (epoch.as_u128() >> 80) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_follows_one_from_the_future() {
        let future = Uuid::from_u128((0xffff_ffff_0000 << 80) | (7 << 76) | (2 << 62));
        let next = after(future);
        assert!(next > future);
        assert_eq!(milliseconds(next), milliseconds(future) + 1);
        assert!(after(next) > next);
    }
}
