//! Two planes apart: kills, restarts, changes under traffic (sync-protocol.md 14 and 15).
