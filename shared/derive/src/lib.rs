//! The procedural macros: a struct becomes a `Schema` or a list of settings, so that each is declared once.
//!
//! `Entity`, `PluginConfig` and `Record` read the same field attributes (`attributes`) and the same `#[check(…)]`
//! (`checks`), and differ in what they wrap around the fields. `Word` is for closed lists of words. What is generated
//! is builder calls on `shared::schema::Field`; nothing is decided here that a schema made at run time could not say.

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

mod attributes;
mod checks;
mod entity;
mod fields;
mod plugin;
mod record;
mod settings;
mod word;

/// A struct becomes an entity: `#[entity(kind = "services", path = "services", lookup = "name")]`.
#[proc_macro_derive(Entity, attributes(entity, schema, check))]
pub fn entity(input: TokenStream) -> TokenStream {
    expand(parse_macro_input!(input), entity::expand)
}

/// A struct becomes what a plugin may be told: `#[plugin(name = "key-auth", priority = 1250)]`.
#[proc_macro_derive(PluginConfig, attributes(plugin, schema, check))]
pub fn plugin_config(input: TokenStream) -> TokenStream {
    expand(parse_macro_input!(input), plugin::expand)
}

/// A struct becomes a record inside another.
#[proc_macro_derive(Record, attributes(schema, check))]
pub fn record(input: TokenStream) -> TokenStream {
    expand(parse_macro_input!(input), record::expand)
}

/// An enum without fields becomes a closed list of words: `Https` is `https`, `TlsPassthrough` is `tls_passthrough`,
/// `#[word("…")]` says otherwise.
#[proc_macro_derive(Word, attributes(word))]
pub fn word(input: TokenStream) -> TokenStream {
    expand(parse_macro_input!(input), word::expand)
}

/// Makes each field of a struct one setting: `#[setting(default = "…")]`, and `#[setting(section = "…")]` on the struct.
#[proc_macro_derive(Settings, attributes(setting))]
pub fn settings(input: TokenStream) -> TokenStream {
    expand(parse_macro_input!(input), settings::derive)
}

fn expand(
    input: DeriveInput,
    with: fn(DeriveInput) -> syn::Result<proc_macro2::TokenStream>,
) -> TokenStream {
    with(input)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

#[cfg(test)]
mod tests;
