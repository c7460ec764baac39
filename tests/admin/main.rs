//! The Admin API and the commands, where the recorded vectors do not reach.
