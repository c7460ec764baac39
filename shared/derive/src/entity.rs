//! `#[derive(Entity)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::punctuated::Punctuated;
use syn::{DeriveInput, LitStr, Path, Token};

use crate::fields;

#[derive(Default)]
struct EntityAttributes {
    kind: Option<LitStr>,
    path: Option<LitStr>,
    nested_path: Option<LitStr>,
    lookup: Option<LitStr>,
    composite: Vec<Vec<LitStr>>,
    identity: Vec<LitStr>,
    ttl: bool,
    nested_only: bool,
    with: Option<Path>,
}

pub(crate) fn expand(input: DeriveInput) -> syn::Result<TokenStream> {
    let said = read(&input)?;
    let kind = said
        .kind
        .ok_or_else(|| syn::Error::new_spanned(&input.ident, "#[entity(kind = …)] is missing"))?;
    let path = said.path.unwrap_or_else(|| kind.clone());
    let nested_path = said.nested_path.unwrap_or_else(|| path.clone());
    let lookup = match said.lookup {
        Some(field) => quote!(::core::option::Option::Some(#field)),
        None => quote!(::core::option::Option::None),
    };
    let composite = said.composite.iter().map(|fields| quote!(&[#(#fields),*]));
    let (ttl, nested_only, ident) = (said.ttl, said.nested_only, &input.ident);
    let identity = &said.identity;
    let schema = fields::schema(&input, &kind.value())?;
    let with = said
        .with
        .map(|function| quote!(let entity = #function(entity);));
    Ok(quote! {
        impl ::shared::types::Referenced for #ident {
            const KIND: &'static str = #kind;
        }

        impl ::shared::entities::Declared for #ident {
            fn entity() -> ::shared::entities::Entity {
                let schema = #schema;
                let entity = ::shared::entities::Entity {
                    kind: #kind,
                    path: #path,
                    nested_path: ::core::option::Option::Some(#nested_path),
                    lookup: #lookup,
                    composite: &[#(#composite),*],
                    identity: &[#(#identity),*],
                    upgrades: ::std::vec::Vec::new(),
                    has_updated_at: schema.field("updated_at").is_some(),
                    has_ttl: #ttl,
                    nested_only: #nested_only,
                    no_addresses: false,
                    no_way_up: false,
                    name_list: ::core::option::Option::None,
                    mentions: &[],
                    own_check: ::core::option::Option::None,
                    computed: ::core::option::Option::None,
                    transformations: ::std::vec::Vec::new(),
                    schema,
                };
                #with
                entity
            }
        }
    })
}

fn read(input: &DeriveInput) -> syn::Result<EntityAttributes> {
    let mut out = EntityAttributes::default();
    for attribute in input
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("entity"))
    {
        attribute.parse_nested_meta(|meta| {
            let name = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
            match name.as_str() {
                "kind" => out.kind = Some(meta.value()?.parse()?),
                "path" => out.path = Some(meta.value()?.parse()?),
                "nested_path" => out.nested_path = Some(meta.value()?.parse()?),
                "lookup" => out.lookup = Some(meta.value()?.parse()?),
                "with" => out.with = Some(meta.value()?.parse()?),
                "ttl" => out.ttl = true,
                "nested_only" => out.nested_only = true,
                "composite" => out.composite.push(names(&meta)?),
                "identity" => out.identity = names(&meta)?,
                _ => {
                    return Err(meta.error(format!(
                        "unknown entity attribute '{name}', expected one of: composite, identity, kind, lookup, \
                         nested_only, nested_path, path, ttl, with"
                    )));
                }
            }
            Ok(())
        })?;
    }
    Ok(out)
}

/// `("a", "b")`
fn names(meta: &ParseNestedMeta<'_>) -> syn::Result<Vec<LitStr>> {
    let content;
    syn::parenthesized!(content in meta.input);
    let fields: Punctuated<LitStr, Token![,]> =
        content.parse_terminated(|input| input.parse(), Token![,])?;
    Ok(fields.into_iter().collect())
}
