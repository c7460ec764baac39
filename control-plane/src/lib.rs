pub mod store;
pub mod sync;
