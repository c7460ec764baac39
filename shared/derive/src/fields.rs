//! The fields of a struct, as a `Schema`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::{Data, DeriveInput, Fields};

use crate::{attributes, checks};

/// An expression of type `Schema` for the struct, under this name.
pub(crate) fn schema(input: &DeriveInput, name: &str) -> syn::Result<TokenStream> {
    let Data::Struct(data) = &input.data else {
        return Err(syn::Error::new_spanned(
            &input.ident,
            "expected a struct with named fields",
        ));
    };
    let Fields::Named(named) = &data.fields else {
        return Err(syn::Error::new_spanned(
            &input.ident,
            "expected a struct with named fields",
        ));
    };
    let mut fields = Vec::new();
    for field in &named.named {
        let said = attributes::read(&field.attrs)?;
        if said.skip {
            continue;
        }
        let ident = field.ident.as_ref().expect("a named field has a name");
        let name = attributes::renamed(&field.attrs)?.unwrap_or_else(|| ident.unraw().to_string());
        let description = attributes::description(&field.attrs);
        let (kind, calls) = (&field.ty, said.calls);
        fields.push(quote! {
            <#kind as ::shared::schema::Described>::field().named(#name).describe(#description) #calls
        });
    }
    let description = attributes::description(&input.attrs);
    let checks = checks::read(&input.attrs)?;
    Ok(quote! {
        ::shared::schema::Schema::new(#name, vec![#(#fields),*]).describe(#description) #(.check(#checks))*
    })
}
