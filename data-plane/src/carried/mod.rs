//! What outlives a swap of the runtime: connections to upstreams and what they trust, deadlines, DNS answers, what is
//! known of targets.

pub mod connect;
pub mod deadline;
pub mod dns;
pub mod http1;
pub mod outgoing;
pub mod pool;
pub mod standing;
pub mod trust;
pub mod turns;
