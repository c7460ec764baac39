//! One declaration per setting: file key, variable, flag, default and page follow from a struct's field.
//!
//! `#[derive(Settings)]` turns a struct into a list of [`Spec`]s and a reader; [`load()`] decides which text applies
//! (flag, variable, file, default) and keeps where it came from; [`flags`] makes the command line's flags of the list.
//! The types that a setting can have implement [`SettingValue`] and speak Kong's syntax.

mod command;
mod error;
mod exit;
mod file;
mod http;
mod listen;
mod load;
mod network;
mod page;
mod spec;
mod suggest;
mod value;
mod words;

#[cfg(test)]
mod tests;

pub use command::{flags, how_to_change, inputs, matches, read, say};
pub use error::{SettingError, SettingErrors, Violation};
pub use exit::Exit;
pub use http::{AccessLog, HeaderTokens, Origins, TrustedCertificates, UpstreamTokens};
pub use listen::{Addresses, Listen, Listeners};
pub use load::{Inputs, Loaded, Origin, Values, load};
pub use network::{Endpoint, Endpoints, NameServers, Networks, PortMaps};
pub use page::{page, report};
pub use spec::Spec;
pub use suggest::{did_you_mean, nearest};
pub use value::{Seconds, Secret, SettingValue, Size, Words, Workers};
pub use words::{EgressRule, ErrorType, LogLevel, LuaJit, RouterFlavor, UntrustedLua};

/// A struct whose fields are settings; the derive writes this.
pub trait Settings: Sized {
    /// Its settings, in the order of declaration.
    fn specs() -> Vec<Spec>;

    /// Reads it from the texts that apply.
    fn read(values: &Values) -> Result<Self, SettingErrors>;
}
