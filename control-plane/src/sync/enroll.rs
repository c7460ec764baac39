//! How a machine becomes a node: tokens, joins, renewals.

use super::Labels;
use super::nodes::{Joined, Nodes};
use super::pki::Authority;
use super::record;
use crate::store::{Author, Rejection, Store, StoreError, Write, WriteError};
use serde::{Deserialize, Serialize};
use shared::sync::proto;
use shared::sync::token::{self, Token};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tonic::{Request, Response, Status};
use uuid::Uuid;

/// The kind of the records of tokens.
const TOKENS: &str = "cp/tokens";
/// Used-up and expired tokens stay visible that long, in seconds.
const KEPT: u64 = 24 * 3600;

/// What a new token may be used for.
#[derive(Clone, Debug)]
pub struct NewToken {
    pub ttl: Duration,
    pub uses: u32,
    pub labels: Labels,
}

/// A token without its secret.
#[derive(Clone, Debug, Serialize)]
pub struct TokenStatus {
    pub id: Uuid,
    /// Unix seconds.
    pub created_at: u64,
    /// Unix seconds.
    pub expires_at: u64,
    pub uses: u32,
    pub used: u32,
    pub labels: Labels,
}

/// Why no token was made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("nodes cannot join: enroll_listen is off")]
    Off,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A token as it is stored.
#[derive(Serialize, Deserialize)]
struct Record {
    id: Uuid,
    /// BLAKE3 of the secret in hexadecimal. The secret is 256 random bits: no slow hash is needed.
    secret_hash: String,
    created_at: u64,
    expires_at: u64,
    uses: u32,
    used: u32,
    labels: Labels,
}

/// Makes a token and stores all of it but its secret.
pub(super) async fn create_token(
    store: &Store,
    authority: &Authority,
    enroll_port: u16,
    new: NewToken,
    author: Author,
) -> Result<String, StoreError> {
    let mut secret = [0; 32];
    aws_lc_rs::rand::fill(&mut secret)
        .map_err(|_| StoreError::Storage("no randomness for a token".to_owned()))?;
    let (id, now) = (Uuid::new_v4(), record::now());
    let stored = Record {
        id,
        secret_hash: hash(&secret),
        created_at: now,
        expires_at: now.saturating_add(new.ttl.as_secs()),
        uses: new.uses,
        used: 0,
        labels: new.labels,
    };
    let mut writes = forget_old(store, now).await?;
    writes.push(Write::Insert {
        kind: TOKENS,
        document: record::document(&stored),
    });
    store.write(writes, author).await.map_err(record::storage)?;
    Ok(token::render(&Token {
        id,
        secret,
        ca_key: authority.key_hash(),
        enroll_port,
    }))
}

/// Every token that is or lately was good.
pub(super) async fn tokens(store: &Store) -> Result<Vec<TokenStatus>, StoreError> {
    let records = record::all::<Record>(store, TOKENS).await?;
    Ok(records
        .into_iter()
        .map(|(record, _)| status(record))
        .collect())
}

fn status(record: Record) -> TokenStatus {
    let Record {
        id,
        created_at,
        expires_at,
        uses,
        used,
        labels,
        ..
    } = record;
    TokenStatus {
        id,
        created_at,
        expires_at,
        uses,
        used,
        labels,
    }
}

async fn forget_old(store: &Store, now: u64) -> Result<Vec<Write>, StoreError> {
    let records = record::all::<Record>(store, TOKENS).await?;
    let old = records
        .into_iter()
        .filter(|(record, _)| record.expires_at.saturating_add(KEPT) < now);
    Ok(old
        .map(|(record, _)| Write::Delete {
            kind: TOKENS,
            id: record.id,
        })
        .collect())
}

fn hash(secret: &[u8; 32]) -> String {
    blake3::hash(secret).to_hex().to_string()
}

/// Why somebody did not become a node.
#[derive(Debug, thiserror::Error)]
pub(super) enum JoinError {
    #[error("{0}")]
    Malformed(String),
    #[error("the token is not known here (was it made on another control plane?)")]
    Unknown,
    #[error("the token has expired (make a new one with `headgate-cp token create`)")]
    Expired,
    #[error("the token has been used up (make a new one with `headgate-cp token create`)")]
    UsedUp,
    #[error(transparent)]
    Storage(#[from] StoreError),
}

impl From<JoinError> for Status {
    fn from(error: JoinError) -> Status {
        let text = error.to_string();
        match error {
            JoinError::Malformed(_) => Status::invalid_argument(text),
            JoinError::Unknown | JoinError::Expired | JoinError::UsedUp => {
                Status::permission_denied(text)
            }
            JoinError::Storage(_) => Status::unavailable(text),
        }
    }
}

/// The services that hand out identities.
#[derive(Clone)]
pub(super) struct Enrolment {
    pub(super) store: Store,
    pub(super) authority: Arc<Authority>,
    pub(super) nodes: Arc<Nodes>,
}

impl Enrolment {
    /// Signs the request and records the node; the use is counted in the transaction that records it.
    pub(super) async fn join(
        &self,
        request: proto::JoinRequest,
        from: Option<IpAddr>,
    ) -> Result<proto::Identity, JoinError> {
        let token = token::parse(&request.token)
            .map_err(|error| JoinError::Malformed(error.to_string()))?;
        // The same request is the same node: when the answer was lost, asking again spends no further use.
        let node = Uuid::new_v5(&token.id, &request.csr);
        let signed = self
            .authority
            .node(&request.csr, node)
            .map_err(|error| JoinError::Malformed(error.to_string()))?;
        loop {
            let usable = self.usable(&token).await;
            let again = matches!(usable, Ok(_) | Err(JoinError::UsedUp));
            if again && self.nodes.came_with(node, token.id) {
                break;
            }
            let (mut record, revision) = usable?;
            record.used += 1;
            let joined = Joined {
                id: node,
                labels: record.labels.clone(),
                hostname: request.hostname.clone(),
                software: request.software.clone(),
                certificate_expires: signed.expires,
                token: record.id,
            };
            let count = Write::Update {
                kind: TOKENS,
                document: record::document(&record),
                expected: Some(revision),
            };
            let author = Author::new(format!("node:{node}")).at(from).doing("join");
            match self.nodes.join(joined, count, author).await {
                Ok(()) => break,
                // Somebody else used it meanwhile: look again whether a use is left.
                Err(WriteError::Rejected {
                    reason: Rejection::Changed { .. } | Rejection::NotFound { .. },
                    ..
                }) => {}
                Err(error) => return Err(record::storage(error).into()),
            }
        }
        tracing::info!(%node, token = %token.id, hostname = %request.hostname, "node joined");
        Ok(self.identity(node, signed.certificate.to_vec()))
    }

    async fn usable(&self, token: &Token) -> Result<(Record, u64), JoinError> {
        let (record, revision) = record::get::<Record>(&self.store, TOKENS, token.id)
            .await?
            .ok_or(JoinError::Unknown)?;
        // `Hash` compares in constant time.
        let same = blake3::Hash::from_hex(&record.secret_hash)
            .is_ok_and(|known| known == blake3::hash(&token.secret));
        match record {
            _ if !same => Err(JoinError::Unknown),
            _ if record.expires_at <= record::now() => Err(JoinError::Expired),
            _ if record.used >= record.uses => Err(JoinError::UsedUp),
            record => Ok((record, revision)),
        }
    }

    fn identity(&self, node: Uuid, certificate: Vec<u8>) -> proto::Identity {
        let authority = self.authority.certificate().to_vec();
        proto::Identity {
            node_id: node.to_string(),
            chain: vec![certificate],
            cas: vec![authority],
        }
    }
}

#[tonic::async_trait]
impl proto::enroll_server::Enroll for Enrolment {
    async fn join(
        &self,
        request: Request<proto::JoinRequest>,
    ) -> Result<Response<proto::Identity>, Status> {
        let address = super::caller(&request).map(|caller| caller.address);
        let from = address.map(|address| address.ip());
        match Enrolment::join(self, request.into_inner(), from).await {
            Ok(identity) => Ok(Response::new(identity)),
            Err(error) => {
                tracing::warn!(?address, %error, "join refused");
                Err(error.into())
            }
        }
    }
}

#[tonic::async_trait]
impl proto::identities_server::Identities for Enrolment {
    async fn renew(
        &self,
        request: Request<proto::RenewRequest>,
    ) -> Result<Response<proto::Identity>, Status> {
        let node = super::caller(&request)
            .and_then(|caller| caller.peer.as_ref())
            .and_then(|peer| Uuid::parse_str(&peer.name).ok())
            .ok_or_else(|| Status::unauthenticated("the certificate names no node"))?;
        self.nodes
            .admit(node)
            .map_err(|refusal| Status::permission_denied(refusal.to_string()))?;
        let signed = self
            .authority
            .node(&request.get_ref().csr, node)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        self.nodes.renewed(node, signed.expires);
        tracing::info!(%node, expires = signed.expires, "certificate renewed");
        Ok(Response::new(
            self.identity(node, signed.certificate.to_vec()),
        ))
    }
}
