//! Tokens of the Admin API: made once, shown once, stored as a hash.
//!
//! `hga1_` and then base64url (no padding) of id\[16\] ‖ secret\[32\]. The id follows from the name, so that the store
//! itself keeps two tokens from having one name.

use super::Role;
use crate::admin::error::Failure;
use crate::store::{self, Author, Rejection, Store, StoreError, Write, WriteError};
use crate::sync::record;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;
use std::time::Duration;
use uuid::Uuid;

/// The kind of the records.
pub const KIND: &str = "cp/admin-tokens";
/// Every token begins with this; the digit is the version of what follows.
const TAG: &str = "hga1_";
const BYTES: usize = 16 + 32;
/// Ids are made of names below this one.
const NAMES: Uuid = Uuid::from_u128(0x68ea_d6a7_e5ad_4d1e_9a5f_70ce_0a11_ce55);

/// The token of commands on the control plane's own machine. Whoever may read the folder may do anything there, so the
/// word lies in it, new with each start.
const LOCAL: Uuid = Uuid::nil();
const LOCAL_NAME: &str = "local";
const LOCAL_FILE: &str = "admin.token";

/// What a new token may do.
#[derive(Clone, Debug)]
pub struct NewAdminToken {
    pub name: String,
    pub role: Role,
    /// How long it is good; `None`: until it is revoked.
    pub expires: Option<Duration>,
}

/// A token without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenStatus {
    pub id: Uuid,
    pub name: String,
    pub role: Role,
    /// Unix seconds.
    pub created_at: u64,
    pub created_by: String,
    /// Unix seconds; `None`: never.
    pub expires_at: Option<u64>,
}

/// A token as it is stored.
#[derive(Serialize, Deserialize)]
struct Record {
    #[serde(flatten)]
    status: TokenStatus,
    /// BLAKE3 of the secret in hexadecimal. The secret is 256 random bits: no slow hash is needed.
    secret_hash: String,
}

/// Why no token was made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    #[error("a token named '{0}' exists already (revoke it first, or choose another name)")]
    Taken(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a token does not let anybody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    Unknown,
    Expired,
}

impl TokenStatus {
    /// What the audit calls whoever sends it.
    pub fn caller(&self) -> String {
        match self.id == LOCAL {
            true => LOCAL_NAME.to_owned(),
            false => format!("token:{}", self.name),
        }
    }

    fn is_over(&self, now: u64) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

/// The id of a token of that name.
pub fn id_of(name: &str) -> Uuid {
    Uuid::new_v5(&NAMES, name.as_bytes())
}

/// A word for a new token, and the writes that make it good. A name is free again once its token has expired.
///
/// # Errors
/// If a token of that name is good, or the store fails.
pub async fn prepare(
    store: &Store,
    new: NewAdminToken,
    created_by: &str,
) -> Result<(String, TokenStatus, Vec<Write>), CreateError> {
    let (id, now) = (id_of(&new.name), record::now());
    let known = record::get::<Record>(store, KIND, id).await?;
    let replaced = match known {
        Some((known, _)) if !known.status.is_over(now) => {
            return Err(CreateError::Taken(new.name));
        }
        Some((_, revision)) => Some(revision),
        None => None,
    };
    let mut secret = [0; 32];
    aws_lc_rs::rand::fill(&mut secret)
        .map_err(|_| StoreError::Storage("no randomness for a token".to_owned()))?;
    let status = TokenStatus {
        id,
        name: new.name,
        role: new.role,
        created_at: now,
        created_by: created_by.to_owned(),
        expires_at: new.expires.map(|life| now.saturating_add(life.as_secs())),
    };
    let record = Record {
        status: status.clone(),
        secret_hash: blake3::hash(&secret).to_hex().to_string(),
    };
    let document = record::document(&record);
    let write = match replaced {
        None => Write::Insert {
            kind: KIND,
            document,
        },
        expected => Write::Update {
            kind: KIND,
            document,
            expected,
        },
    };
    Ok((word(id, &secret), status, vec![write]))
}

/// What a lost race for a name is.
pub fn failed(name: &str, error: WriteError) -> CreateError {
    match error {
        WriteError::Rejected {
            reason: Rejection::PrimaryKey { .. } | Rejection::Changed { .. },
            ..
        } => CreateError::Taken(name.to_owned()),
        error => CreateError::Store(record::storage(error)),
    }
}

/// Makes a token in a store that no control plane serves.
///
/// # Errors
/// As [`prepare`].
pub async fn create(
    store: &Store,
    new: NewAdminToken,
    author: Author,
) -> Result<String, CreateError> {
    let (word, status, writes) = prepare(store, new, &author.name).await?;
    let written = store.write(writes, author).await;
    written.map_err(|error| failed(&status.name, error))?;
    Ok(word)
}

/// Leaves a fresh word in `data_dir` by which commands on this machine are let in where others need a token.
///
/// # Errors
/// If the store or the file cannot be written.
pub async fn welcome_commands(store: &Store, data_dir: &Path) -> Result<(), StoreError> {
    let mut secret = [0; 32];
    aws_lc_rs::rand::fill(&mut secret)
        .map_err(|_| StoreError::Storage("no randomness for a token".to_owned()))?;
    let status = TokenStatus {
        id: LOCAL,
        name: LOCAL_NAME.to_owned(),
        role: Role::Admin,
        created_at: record::now(),
        created_by: LOCAL_NAME.to_owned(),
        expires_at: None,
    };
    let record = Record {
        status,
        secret_hash: blake3::hash(&secret).to_hex().to_string(),
    };
    let write = Write::Upsert {
        kind: KIND,
        document: record::document(&record),
    };
    let written = store.write(vec![write], "control-plane").await;
    written.map_err(record::storage)?;
    let path = data_dir.join(LOCAL_FILE);
    let saved = store::write_private(&path, word(LOCAL, &secret).as_bytes());
    saved.map_err(|error: io::Error| StoreError::Open {
        path: path.display().to_string(),
        reason: error.to_string(),
    })
}

/// The word that the control plane of that folder left for commands, if this user may read it.
pub fn local_word(data_dir: &Path) -> Option<String> {
    std::fs::read_to_string(data_dir.join(LOCAL_FILE)).ok()
}

/// Every token, by name.
///
/// # Errors
/// If the store fails.
pub async fn list(store: &Store) -> Result<Vec<TokenStatus>, StoreError> {
    let records = record::all::<Record>(store, KIND).await?;
    let mut found: Vec<TokenStatus> = records
        .into_iter()
        .map(|(record, _)| record.status)
        .filter(|status| status.id != LOCAL)
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// The token of that name or id.
///
/// # Errors
/// If the store fails.
pub async fn find(store: &Store, name: &str) -> Result<Option<TokenStatus>, StoreError> {
    let id = Uuid::parse_str(name).unwrap_or_else(|_| id_of(name));
    let found = record::get::<Record>(store, KIND, id).await?;
    let found = found.map(|(record, _)| record.status);
    Ok(found.filter(|status| status.id != LOCAL))
}

/// Makes the token of that name or id good for nothing; false: there is none.
///
/// # Errors
/// If the store fails.
pub async fn revoke(store: &Store, name: &str, author: Author) -> Result<bool, StoreError> {
    let Some(known) = find(store, name).await? else {
        return Ok(false);
    };
    let gone = Write::Delete {
        kind: KIND,
        id: known.id,
    };
    let written = store.write(vec![gone], author).await;
    written.map(|_| true).map_err(record::storage)
}

/// The good token that this word is.
///
/// # Errors
/// 401 for any other word.
pub async fn verify(store: &Store, word: &str) -> Result<TokenStatus, Failure> {
    let (id, secret) = parse(word).ok_or_else(|| refused(Refusal::Unknown))?;
    let known = record::get::<Record>(store, KIND, id).await?;
    let (record, _) = known.ok_or_else(|| refused(Refusal::Unknown))?;
    check(record, &secret, record::now()).map_err(refused)
}

fn check(record: Record, secret: &[u8; 32], now: u64) -> Result<TokenStatus, Refusal> {
    // `Hash` compares in constant time.
    let same = blake3::Hash::from_hex(&record.secret_hash)
        .is_ok_and(|known| known == blake3::hash(secret));
    match record.status {
        _ if !same => Err(Refusal::Unknown),
        status if status.is_over(now) => Err(Refusal::Expired),
        status => Ok(status),
    }
}

fn refused(refusal: Refusal) -> Failure {
    Failure::unauthorized(match refusal {
        Refusal::Unknown => "the token is not valid (is it whole, and has it not been revoked?)",
        Refusal::Expired => "the token has expired",
    })
}

fn word(id: Uuid, secret: &[u8; 32]) -> String {
    let mut bytes = Vec::with_capacity(BYTES);
    bytes.extend_from_slice(id.as_bytes());
    bytes.extend_from_slice(secret);
    format!("{TAG}{}", URL_SAFE_NO_PAD.encode(bytes))
}

fn parse(word: &str) -> Option<(Uuid, [u8; 32])> {
    let bytes = URL_SAFE_NO_PAD.decode(word.strip_prefix(TAG)?).ok()?;
    let bytes: [u8; BYTES] = bytes.try_into().ok()?;
    let (id, secret) = bytes.split_at(16);
    Some((Uuid::from_slice(id).ok()?, secret.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(secret: &[u8; 32], expires_at: Option<u64>) -> Record {
        let status = TokenStatus {
            id: id_of("ci"),
            name: "ci".to_owned(),
            role: Role::Write,
            created_at: 1,
            created_by: "test".to_owned(),
            expires_at,
        };
        Record {
            status,
            secret_hash: blake3::hash(secret).to_hex().to_string(),
        }
    }

    #[test]
    fn a_word_reads_back_and_nothing_else_does() {
        let word = word(id_of("ci"), &[7; 32]);
        assert_eq!(parse(&word), Some((id_of("ci"), [7; 32])));
        for bad in [
            "",
            "hga1_",
            "hgj1_AAAA",
            &word[..word.len() - 1],
            &word[1..],
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_the_secret_and_only_in_its_time_is_good() {
        let good = check(record(&[7; 32], Some(10)), &[7; 32], 9).expect("good");
        assert_eq!((good.name.as_str(), good.role), ("ci", Role::Write));
        let wrong = check(record(&[7; 32], None), &[8; 32], 9);
        assert_eq!(wrong, Err(Refusal::Unknown));
        let late = check(record(&[7; 32], Some(10)), &[7; 32], 10);
        assert_eq!(late, Err(Refusal::Expired));
        let wrong_and_late = check(record(&[7; 32], Some(10)), &[8; 32], 10);
        assert_eq!(wrong_and_late, Err(Refusal::Unknown));
    }

    #[test]
    fn what_is_stored_does_not_hold_the_secret() {
        let secret = *b"0123456789abcdef0123456789abcdef";
        let stored = serde_json::Value::Object(record::document(&self::record(&secret, None)));
        let text = stored.to_string();
        assert!(!text.contains("0123456789abcdef"), "{text}");
        assert!(!text.contains(&word(id_of("ci"), &secret)), "{text}");
        assert_eq!(stored["name"], "ci");
    }
}
