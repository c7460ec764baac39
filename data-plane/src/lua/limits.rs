//! What a call of Lua may use in each phase (custom-plugins.md 2.3): settings of the node.

use std::sync::OnceLock;
use std::time::Duration;

use lua::pdk::Phase;

/// What a call may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// CPU time of the thread.
    pub cpu: Duration,
    /// Time on the clock.
    pub wall: Duration,
}

/// What calls may use, by the kind of their phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByPhase {
    /// When a worker or a configuration is new: `init_worker`, `configure`.
    pub init: Limits,
    /// Where a request or a handshake may wait: `certificate`, `rewrite`, `access`, `response`.
    pub request: Limits,
    /// Where nothing may wait: `header_filter`, `body_filter` (each piece), `log`. Only CPU time counts.
    pub filter: Limits,
    /// Callbacks of timers.
    pub timer: Limits,
}

static LIMITS: OnceLock<ByPhase> = OnceLock::new();

/// Sets the limits of this process. The first ones stay.
pub fn set(limits: ByPhase) {
    let _ = LIMITS.set(limits);
}

impl Default for ByPhase {
    /// The defaults of the settings.
    fn default() -> Self {
        crate::config::Config::default().lua_limits()
    }
}

impl Limits {
    /// What a handler may use in a phase (2.3).
    pub fn of(phase: Phase) -> Self {
        let limits = LIMITS.get_or_init(ByPhase::default);
        match phase {
            Phase::Init | Phase::InitWorker | Phase::Configure => limits.init,
            Phase::Timer => limits.timer,
            Phase::HeaderFilter | Phase::BodyFilter | Phase::Log | Phase::Balancer => limits.filter,
            Phase::Certificate
            | Phase::Rewrite
            | Phase::Access
            | Phase::Response
            | Phase::Preread => limits.request,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_page() {
        let ms = Duration::from_millis;
        for (phase, cpu, wall) in [
            (Phase::InitWorker, 1_000, 5_000),
            (Phase::Configure, 1_000, 5_000),
            (Phase::Certificate, 100, 60_000),
            (Phase::Rewrite, 100, 60_000),
            (Phase::Access, 100, 60_000),
            (Phase::Response, 100, 60_000),
            (Phase::HeaderFilter, 50, 60_000),
            (Phase::BodyFilter, 50, 60_000),
            (Phase::Log, 50, 60_000),
            (Phase::Timer, 1_000, 60_000),
        ] {
            let expected = Limits {
                cpu: ms(cpu),
                wall: ms(wall),
            };
            assert_eq!(Limits::of(phase), expected, "{}", phase.name());
        }
    }
}
