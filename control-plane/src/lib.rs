pub mod config;
pub mod store;
pub mod sync;

pub use config::Config;
