pub mod config;
pub mod router;
pub mod sync;

pub use config::Config;
