//! Where the rollout stands: events become what sessions follow, and what must outlive a restart is stored.

use super::publish::Publisher;
use super::rollout::{Event, Halt, Rollout};
use super::target::Target;
use super::{Shared, lock, record};
use crate::store::{Store, StoreError, Write};
use serde::{Deserialize, Serialize};
use shared::sync::Version;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use uuid::Uuid;

/// How often the rollout looks at the clock.
const TICK: Duration = Duration::from_millis(500);

/// What nodes get until something new is published.
pub(super) struct Begin {
    pub(super) released: Option<Arc<Target>>,
    pub(super) halt: Option<Halt>,
    /// The version that was tried at start.
    pub(super) tried: Version,
}

/// What must be remembered for the next start where the newest revision is not the released one.
#[derive(Serialize, Deserialize)]
struct Standing {
    id: Uuid,
    released: u64,
    /// The revision that a probe halted, and why.
    halted: Option<u64>,
    reason: String,
}

/// The kind of its one record.
const ROLLOUT: &str = "cp/rollout";

/// Tries the newest state; if it fails, or a probe halted it before, finds what was released.
pub(super) async fn first_target(
    store: &Store,
    publisher: &mut Publisher,
) -> Result<Begin, StoreError> {
    let tried = store.version();
    let standing = record::get::<Standing>(store, ROLLOUT, Uuid::nil())
        .await?
        .map(|(standing, _)| standing);
    let halted = standing
        .as_ref()
        .filter(|standing| standing.halted == Some(tried.revision));
    let halt = halted.map(|standing| Halt {
        version: tried,
        reason: standing.reason.clone(),
    });
    let mut released = if halt.is_some() {
        None
    } else {
        publisher.newest().await
    };
    if released.is_none()
        && let Some(standing) = &standing
    {
        released = publisher.older(standing.released).await?;
    }
    Ok(Begin {
        released,
        halt,
        tried,
    })
}

/// Turns events into stages until the hub ends.
pub(super) async fn follow(
    shared: Arc<Shared>,
    mut rollout: Rollout,
    mut events: mpsc::UnboundedReceiver<Event>,
) {
    let mut tick = tokio::time::interval(TICK);
    let mut blocked = shared.blocked.clone();
    loop {
        let event = tokio::select! {
            () = shared.shutdown.cancelled() => return,
            event = events.recv() => match event {
                Some(event) => event,
                None => return,
            },
            Ok(()) = blocked.changed() => {
                shared.nodes.bump();
                remember(&shared, &rollout).await;
                Event::Tick
            }
            _ = tick.tick() => Event::Tick,
        };
        rollout.handle(event, Instant::now());
        show(&shared, &rollout).await;
    }
}

async fn show(shared: &Shared, rollout: &Rollout) {
    shared.stage.send_if_modified(|stage| {
        let modified = !stage.is(&rollout.stage);
        if modified {
            *stage = rollout.stage.clone();
        }
        modified
    });
    if let Some(released) = &rollout.stage.released {
        shared.store.keep_log_from(released.version.revision);
    }
    let halted = {
        let mut halt = lock(&shared.halt);
        let changed = *halt != rollout.halt;
        halt.clone_from(&rollout.halt);
        rollout.halt.as_ref().filter(|_| changed)
    };
    if let Some(halt) = halted {
        tracing::error!(revision = halt.version.revision, reason = %halt.reason, "rollout halted");
        shared.nodes.bump();
        remember(shared, rollout).await;
    }
}

async fn remember(shared: &Shared, rollout: &Rollout) {
    let Some(released) = rollout.stage.released.as_ref() else {
        return;
    };
    let halt = lock(&shared.halt).clone();
    let standing = Standing {
        id: Uuid::nil(),
        released: released.version.revision,
        halted: halt.as_ref().map(|halt| halt.version.revision),
        reason: halt.map(|halt| halt.reason).unwrap_or_default(),
    };
    let write = Write::Upsert {
        kind: ROLLOUT,
        document: record::document(&standing),
    };
    if let Err(error) = shared.store.write(vec![write], "rollout").await {
        tracing::error!(%error, "cannot store where the rollout stands");
    }
}
