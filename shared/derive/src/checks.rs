//! `#[check(…)]` on a struct.

use proc_macro2::TokenStream;
use quote::quote;
use syn::punctuated::Punctuated;
use syn::{Attribute, LitStr, Path, Token};

const LISTS: &[(&str, &str)] = &[
    ("at_least_one_of", "AtLeastOneOf"),
    ("only_one_of", "OnlyOneOf"),
    ("mutually_exclusive", "MutuallyExclusive"),
    ("mutually_required", "MutuallyRequired"),
    ("distinct", "Distinct"),
];

/// Every check, as expressions of type `Check`.
pub(crate) fn read(attributes: &[Attribute]) -> syn::Result<Vec<TokenStream>> {
    let mut checks = Vec::new();
    for attribute in attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("check"))
    {
        attribute.parse_nested_meta(|meta| {
            let content;
            syn::parenthesized!(content in meta.input);
            let name = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
            if name == "with" {
                let function: Path = content.parse()?;
                checks.push(quote!(#function()));
                return Ok(());
            }
            let Some((_, variant)) = LISTS.iter().find(|(known, _)| *known == name) else {
                let known: Vec<_> = LISTS.iter().map(|(known, _)| *known).collect();
                return Err(meta.error(format!("unknown check '{name}', expected with or one of: {}", known.join(", "))));
            };
            let variant = syn::Ident::new(variant, proc_macro2::Span::call_site());
            let fields: Punctuated<LitStr, Token![,]> =
                content.parse_terminated(|input| input.parse(), Token![,])?;
            let fields = fields.iter();
            checks.push(quote!(::shared::schema::Check::#variant(vec![#(::std::borrow::Cow::Borrowed(#fields)),*])));
            Ok(())
        })?;
    }
    Ok(checks)
}
