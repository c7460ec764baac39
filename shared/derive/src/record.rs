//! `#[derive(Record)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::DeriveInput;

use crate::fields;

pub(crate) fn expand(input: DeriveInput) -> syn::Result<TokenStream> {
    let ident = &input.ident;
    let schema = fields::schema(&input, "")?;
    Ok(quote! {
        impl ::shared::schema::Described for #ident {
            fn field() -> ::shared::schema::Field {
                ::shared::schema::Field::record(#schema)
            }
        }
    })
}
