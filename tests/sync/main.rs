//! Two planes apart: kills, restarts, changes under traffic (sync-protocol.md 14 and 15).

mod alone;
mod cache;
mod change_under_traffic;
mod custom_plugins;
mod hostile;
mod identity;
mod in_flight;
mod kill_rounds;
mod node_kills;
mod partition;
mod takeover;
