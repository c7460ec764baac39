//! What outlives a swap of the runtime: connections to upstreams, deadlines, DNS answers.

pub mod connect;
pub mod deadline;
pub mod dns;
pub mod outgoing;
pub mod pool;
