//! `#[derive(PluginConfig)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::punctuated::Punctuated;
use syn::{DeriveInput, Expr, LitStr, Token};

use crate::fields;

#[derive(Default)]
struct PluginAttributes {
    name: Option<LitStr>,
    priority: Option<Expr>,
    no_consumer: bool,
    no_service: bool,
    no_route: bool,
    protocols: Option<Vec<LitStr>>,
}

pub(crate) fn expand(input: DeriveInput) -> syn::Result<TokenStream> {
    let said = read(&input)?;
    let missing =
        |what| syn::Error::new_spanned(&input.ident, format!("#[plugin({what} = …)] is missing"));
    let name = said.name.ok_or_else(|| missing("name"))?;
    let priority = said.priority.ok_or_else(|| missing("priority"))?;
    let (no_consumer, no_service, no_route) = (said.no_consumer, said.no_service, said.no_route);
    let protocols = match said.protocols {
        Some(words) => quote!(::core::option::Option::Some(&[#(#words),*])),
        None => quote!(::core::option::Option::None),
    };
    let ident = &input.ident;
    let schema = fields::schema(&input, &name.value())?;
    Ok(quote! {
        impl ::shared::plugins::PluginConfig for #ident {
            const NAME: &'static str = #name;
            const PRIORITY: i32 = #priority;
            const SCOPES: ::shared::plugins::Scopes = ::shared::plugins::Scopes {
                consumer: !#no_consumer,
                service: !#no_service,
                route: !#no_route,
            };
            const PROTOCOLS: ::core::option::Option<&'static [&'static str]> = #protocols;

            fn schema() -> ::shared::schema::Schema {
                #schema
            }
        }
    })
}

fn read(input: &DeriveInput) -> syn::Result<PluginAttributes> {
    let mut out = PluginAttributes::default();
    for attribute in input
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("plugin"))
    {
        attribute.parse_nested_meta(|meta| {
            let name = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
            match name.as_str() {
                "name" => out.name = Some(meta.value()?.parse()?),
                "priority" => out.priority = Some(meta.value()?.parse()?),
                "no_consumer" => out.no_consumer = true,
                "no_service" => out.no_service = true,
                "no_route" => out.no_route = true,
                "protocols" => {
                    let content;
                    syn::parenthesized!(content in meta.input);
                    let words: Punctuated<LitStr, Token![,]> =
                        content.parse_terminated(|input| input.parse(), Token![,])?;
                    out.protocols = Some(words.into_iter().collect());
                }
                _ => {
                    return Err(meta.error(format!(
                        "unknown plugin attribute '{name}', expected one of: name, priority, no_consumer, no_route, \
                         no_service, protocols"
                    )));
                }
            }
            Ok(())
        })?;
    }
    Ok(out)
}
