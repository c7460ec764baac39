pub mod config;
pub mod router;

pub use config::Config;
