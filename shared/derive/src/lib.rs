//! The one procedural macro: a struct becomes a `Schema` or a list of settings, so that each is declared once.

mod settings;

use proc_macro::TokenStream;

/// Makes each field of a struct one setting: `#[setting(default = "…")]`, and `#[setting(section = "…")]` on the struct.
#[proc_macro_derive(Settings, attributes(setting))]
pub fn settings(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    settings::derive(input)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
