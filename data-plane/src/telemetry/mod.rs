//! What a node tells about itself: access log, metrics, status.

pub mod access_log;
pub mod logs;
pub mod metrics;
pub mod status;
