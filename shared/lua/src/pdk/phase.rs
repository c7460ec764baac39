//! In which phase Lua is called, and where a function may be.

use std::cell::Cell;
use std::fmt;

/// When a piece of Lua runs (custom-plugins.md 1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The body of a module, before there is any request.
    Init,
    /// `init_worker`.
    InitWorker,
    /// `configure`.
    Configure,
    /// `certificate`.
    Certificate,
    /// `rewrite`.
    Rewrite,
    /// `access`.
    Access,
    /// While a target is chosen.
    Balancer,
    /// `response`.
    Response,
    /// `header_filter`.
    HeaderFilter,
    /// `body_filter`.
    BodyFilter,
    /// `log`.
    Log,
    /// `preread`.
    Preread,
    /// A callback of a timer.
    Timer,
}

/// All of them, in the order in which they run.
const ALL: [Phase; 13] = [
    Phase::Init,
    Phase::InitWorker,
    Phase::Configure,
    Phase::Certificate,
    Phase::Rewrite,
    Phase::Access,
    Phase::Balancer,
    Phase::Response,
    Phase::HeaderFilter,
    Phase::BodyFilter,
    Phase::Log,
    Phase::Preread,
    Phase::Timer,
];

impl Phase {
    /// All of them, in the order in which they run: each has its number as its place.
    pub const ALL: [Phase; 13] = ALL;

    /// As Kong names it; a handler's method has the same name.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Init => "init",
            Phase::InitWorker => "init_worker",
            Phase::Configure => "configure",
            Phase::Certificate => "certificate",
            Phase::Rewrite => "rewrite",
            Phase::Access => "access",
            Phase::Balancer => "balancer",
            Phase::Response => "response",
            Phase::HeaderFilter => "header_filter",
            Phase::BodyFilter => "body_filter",
            Phase::Log => "log",
            Phase::Preread => "preread",
            Phase::Timer => "timer",
        }
    }

    /// As OpenResty names the context: `API disabled in the context of log_by_lua*`.
    pub fn context(self) -> &'static str {
        match self {
            Phase::Init => "init_by_lua*",
            Phase::InitWorker | Phase::Configure => "init_worker_by_lua*",
            Phase::Certificate => "ssl_certificate_by_lua*",
            Phase::Rewrite => "rewrite_by_lua*",
            Phase::Access => "access_by_lua*",
            Phase::Balancer => "balancer_by_lua*",
            Phase::Response => "content_by_lua*",
            Phase::HeaderFilter => "header_filter_by_lua*",
            Phase::BodyFilter => "body_filter_by_lua*",
            Phase::Log => "log_by_lua*",
            Phase::Preread => "preread_by_lua*",
            Phase::Timer => "ngx.timer",
        }
    }

    /// Whether code of this phase may wait.
    pub fn waits(self) -> bool {
        !WAITLESS.has(self)
    }
}

/// A set of phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phases(u16);

/// Phases that may not wait (2.3).
const WAITLESS: Phases = Phases::of(&[
    Phase::Init,
    Phase::Balancer,
    Phase::HeaderFilter,
    Phase::BodyFilter,
    Phase::Log,
]);

impl Phases {
    /// These.
    pub const fn of(phases: &[Phase]) -> Self {
        let (mut set, mut at) = (0, 0);
        while at < phases.len() {
            set |= 1 << phases[at] as u16;
            at += 1;
        }
        Self(set)
    }

    /// By the letters of the design page, section 3: `i c w a b r h f l p`, and `t` for timers. `i` is what runs without
    /// a request: module bodies, `init_worker`, `configure`.
    pub const fn letters(letters: &str) -> Self {
        let (letters, mut set, mut at) = (letters.as_bytes(), 0, 0);
        while at < letters.len() {
            set |= match letters[at] {
                b'i' => Self::of(&[Phase::Init, Phase::InitWorker, Phase::Configure]).0,
                b'c' => 1 << Phase::Certificate as u16,
                b'w' => 1 << Phase::Rewrite as u16,
                b'a' => 1 << Phase::Access as u16,
                b'b' => 1 << Phase::Balancer as u16,
                b'r' => 1 << Phase::Response as u16,
                b'h' => 1 << Phase::HeaderFilter as u16,
                b'f' => 1 << Phase::BodyFilter as u16,
                b'l' => 1 << Phase::Log as u16,
                b'p' => 1 << Phase::Preread as u16,
                b't' => 1 << Phase::Timer as u16,
                _ => panic!("no phase has this letter"),
            };
            at += 1;
        }
        Self(set)
    }

    /// Whether it holds a phase.
    pub const fn has(self, phase: Phase) -> bool {
        self.0 & (1 << phase as u16) != 0
    }
}

/// Their names, between commas.
impl fmt::Display for Phases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = ALL.iter().filter(|phase| self.has(**phase));
        for (place, phase) in held.enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            write!(f, "{comma}{}", phase.name())?;
        }
        Ok(())
    }
}

thread_local! {
    static CURRENT: Cell<Phase> = const { Cell::new(Phase::Init) };
}

/// The phase that this thread's Lua runs in.
pub fn phase() -> Phase {
    CURRENT.get()
}

/// Runs something in a phase.
pub fn within_phase<T>(phase: Phase, run: impl FnOnce() -> T) -> T {
    struct Back(Phase);
    impl Drop for Back {
        fn drop(&mut self) {
            CURRENT.set(self.0);
        }
    }
    let _back = Back(CURRENT.replace(phase));
    run()
}
