//! How a machine becomes a node of a cluster, and stays one: join with a token once, renew the certificate in time.

use std::time::Duration;

use shared::settings::Endpoint;
use shared::sync::proto::enroll_client::EnrollClient;
use shared::sync::proto::identities_client::IdentitiesClient;
use shared::sync::proto::{JoinRequest, RenewRequest};
use shared::sync::token;
use tokio::time::timeout;
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::connect::{ConnectError, Resolver, connect, pinned};
use super::identity::{Identity, IdentityError, Request};

/// What one call may take.
const CALL_WITHIN: Duration = Duration::from_secs(10);

/// Why this machine is not a node.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The control plane said no; trying again with this token is of no use.
    #[error("the control plane refuses the join token: {0}")]
    Refused(String),
    /// Nobody said anything final.
    #[error("cannot join the control plane: {0}")]
    Unreachable(String),
    /// The answer cannot be used or stored.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

impl JoinError {
    /// Whether another try with the same token may succeed.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }
}

impl From<ConnectError> for JoinError {
    fn from(error: ConnectError) -> Self {
        Self::Unreachable(error.to_string())
    }
}

/// Sends a key's request with the token, as it was pasted, to the enrolment port of the control plane's host. Sent again
/// after an answer that was lost, the same request gets the same node and spends no further use of the token.
pub(super) async fn join(
    request: &Request,
    endpoint: &Endpoint,
    word: &str,
    token: &token::Token,
    hostname: &str,
    software: &str,
    resolver: &mut Resolver,
) -> Result<Identity, JoinError> {
    let at = Endpoint {
        host: endpoint.host.clone(),
        port: token.enroll_port,
    };
    let channel = connect(&at, pinned(token.ca_key), resolver).await?;
    let message = JoinRequest {
        token: word.trim().to_owned(),
        csr: request.csr.clone(),
        hostname: hostname.to_owned(),
        software: software.to_owned(),
    };
    let mut client = EnrollClient::new(channel);
    let answer = timeout(CALL_WITHIN, client.join(message)).await;
    let answer = answer.map_err(|_| JoinError::Unreachable("no answer within 10 s".to_owned()))?;
    let identity = answer.map_err(refused)?.into_inner();
    Ok(request.answered(identity, Some(token.ca_key))?)
}

/// Asks for a new certificate, over a new key, on a connection that the old one opened.
pub(super) async fn renew(channel: Channel) -> Result<Identity, JoinError> {
    let request = Request::new()?;
    let message = RenewRequest {
        csr: request.csr.clone(),
    };
    let mut client = IdentitiesClient::new(channel);
    let answer = timeout(CALL_WITHIN, client.renew(message)).await;
    let answer = answer.map_err(|_| JoinError::Unreachable("no answer within 10 s".to_owned()))?;
    let identity = answer.map_err(refused)?.into_inner();
    Ok(request.answered(identity, None)?)
}

/// What a status means for another try.
fn refused(status: Status) -> JoinError {
    let message = match status.message() {
        "" => format!("{:?}", status.code()),
        message => message.to_owned(),
    };
    match status.code() {
        Code::Unauthenticated
        | Code::PermissionDenied
        | Code::InvalidArgument
        | Code::NotFound
        | Code::FailedPrecondition
        | Code::AlreadyExists => JoinError::Refused(message),
        _ => JoinError::Unreachable(message),
    }
}
