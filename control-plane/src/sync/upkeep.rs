//! What must be done now and then.

use super::tls::Tls;
use super::{HubError, Shared, record};
use std::sync::Arc;
use std::time::Duration;

/// Nodes' records are stored that often.
const FLUSH: Duration = Duration::from_secs(10);
/// Expired documents go that often, as Kong's do.
const PURGE: Duration = Duration::from_secs(5);
/// The change log is brought within its limits that often.
const TRIM: Duration = Duration::from_secs(60);
/// A third of the life of our leaf.
const RENEW: Duration = Duration::from_secs(10 * 24 * 3600);

/// Stores what nodes report, trims the log, renews our leaf.
pub(super) async fn run(shared: Arc<Shared>, tls: Arc<Tls>) {
    let later = |period| tokio::time::interval_at(tokio::time::Instant::now() + period, period);
    let (mut flush, mut trim, mut renew) = (later(FLUSH), later(TRIM), later(RENEW));
    let mut purge = later(PURGE);
    loop {
        let done: Result<(), HubError> = tokio::select! {
            () = shared.shutdown.cancelled() => break,
            _ = flush.tick() => shared.nodes.flush().await.map_err(HubError::from),
            _ = trim.tick() => shared.store.trim_log().await.map_err(HubError::from),
            _ = purge.tick() => shared.store.purge_expired().await.map(drop).map_err(|error| record::storage(error).into()),
            _ = renew.tick() => tls.renew(),
        };
        if let Err(error) = done {
            tracing::warn!(%error, "housekeeping failed, to be tried again");
        }
    }
    if let Err(error) = shared.nodes.flush().await {
        tracing::warn!(%error, "what nodes reported last is not stored");
    }
}
