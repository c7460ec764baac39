//! Waiting for what must come true: never `sleep` and hope.

use std::time::Duration;

use tokio::time::Instant;

/// How long a condition may take on a loaded machine.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Waits until `probe` gives true; panics with `what` after [`DEADLINE`].
#[track_caller]
pub fn eventually<F: Future<Output = bool>>(
    what: &str,
    probe: impl FnMut() -> F,
) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    let what = what.to_owned();
    let mut probe = probe;
    async move {
        let shown = eventually_some(DEADLINE, async || probe().await.then_some(())).await;
        assert!(
            shown.is_some(),
            "not within {DEADLINE:?}: {what} (awaited at {caller})"
        );
    }
}

/// Waits until `probe` gives a value; `None` if the deadline passes first.
pub async fn eventually_some<T>(
    deadline: Duration,
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> Option<T> {
    let end = Instant::now() + deadline;
    let mut pause = Duration::from_millis(2);
    loop {
        if let Some(value) = probe().await {
            return Some(value);
        }
        if Instant::now() >= end {
            return None;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}
