//! Two planes apart: kills, restarts, changes under traffic (sync-protocol.md 14 and 15).

mod cache;
mod change_under_traffic;
mod identity;
mod kill_rounds;
mod takeover;
