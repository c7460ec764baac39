//! `#[derive(Settings)]`: each field of a struct becomes one setting.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{
    Attribute, Data, DeriveInput, Error, Expr, ExprLit, Field, Fields, Lit, LitStr, Meta, Path,
};

/// Writes `impl Settings` and `impl Default` for the struct.
pub(crate) fn derive(input: DeriveInput) -> syn::Result<TokenStream> {
    let name = &input.ident;
    let of_struct = OfStruct::read(&input)?;
    let section = &of_struct.section;
    let fields = fields(&input)?;
    let idents: Vec<_> = fields.iter().map(|field| &field.ident).collect();
    let types: Vec<_> = fields.iter().map(|field| &field.ty).collect();
    let specs = fields
        .iter()
        .map(|field| spec(section, field))
        .collect::<syn::Result<Vec<_>>>()?;
    let check = of_struct.check.map(|check| {
        quote! {
            let value = value?;
            values.contradictions(#section, #check(&value)).or(|| value)
        }
    });
    let check = check.unwrap_or_else(|| quote!(value));
    Ok(quote! {
        impl ::shared::settings::Settings for #name {
            fn specs() -> Vec<::shared::settings::Spec> {
                vec![#(#specs),*]
            }

            fn read(
                values: &::shared::settings::Values,
            ) -> Result<Self, ::shared::settings::SettingErrors> {
                let mut errors = ::shared::settings::SettingErrors::default();
                #(let #idents: Option<#types> = values.read(&#specs, &mut errors);)*
                let value = errors.or(|| Self {
                    #(#idents: #idents.expect("a setting that cannot be read is an error"),)*
                });
                #check
            }
        }

        impl #name {
            /// Every setting with its value, for people to read: secrets are hidden.
            pub fn shown(&self) -> ::shared::schema::Document {
                let mut shown = ::shared::schema::Document::new();
                #(shown.insert(
                    stringify!(#idents).to_owned(),
                    ::shared::settings::SettingValue::shown(&self.#idents),
                );)*
                shown
            }
        }

        impl Default for #name {
            /// What applies when nothing is given.
            fn default() -> Self {
                <Self as ::shared::settings::Settings>::read(&::shared::settings::Values::default())
                    .expect("the defaults are valid")
            }
        }
    })
}

fn fields(input: &DeriveInput) -> syn::Result<Vec<&Field>> {
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(named) => Ok(named.named.iter().collect()),
            _ => Err(Error::new_spanned(input, "settings are named fields")),
        },
        _ => Err(Error::new_spanned(input, "settings are fields of a struct")),
    }
}

fn spec(section: &LitStr, field: &Field) -> syn::Result<TokenStream> {
    let ident = field.ident.as_ref().expect("fields are named");
    let name = ident.to_string();
    let ty = &field.ty;
    let doc = doc(&field.attrs);
    if doc.is_empty() {
        return Err(Error::new_spanned(field, "a setting needs a doc comment"));
    }
    let (mut default, mut unbuilt) = (None, quote!(None));
    for attribute in of_settings(&field.attrs) {
        attribute.parse_nested_meta(|meta| {
            let text: LitStr = meta.value()?.parse()?;
            if meta.path.is_ident("default") {
                default = Some(text);
            } else if meta.path.is_ident("unbuilt") {
                unbuilt = quote!(Some(#text));
            } else {
                return Err(meta.error("expected `default` or `unbuilt`"));
            }
            Ok(())
        })?;
    }
    let default = default.ok_or_else(|| Error::new_spanned(field, "a setting needs a default"))?;
    Ok(quote!(::shared::settings::Spec::of::<#ty>(#section, #name, #doc, #default, #unbuilt)))
}

/// What is said about the struct.
struct OfStruct {
    section: LitStr,
    check: Option<Path>,
}

impl OfStruct {
    fn read(input: &DeriveInput) -> syn::Result<Self> {
        let (mut section, mut check) = (None, None);
        for attribute in of_settings(&input.attrs) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("section") {
                    section = Some(meta.value()?.parse()?);
                } else if meta.path.is_ident("check") {
                    check = Some(meta.value()?.parse()?);
                } else {
                    return Err(meta.error("expected `section` or `check`"));
                }
                Ok(())
            })?;
        }
        let section = section
            .ok_or_else(|| Error::new_spanned(input, "needs #[setting(section = \"…\")]"))?;
        Ok(Self { section, check })
    }
}

fn of_settings(attributes: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("setting"))
}

/// The doc comment, as one text.
fn doc(attributes: &[Attribute]) -> String {
    let line = |attribute: &Attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            }) => Some(text.value().trim().to_owned()),
            _ => None,
        },
        _ => None,
    };
    attributes
        .iter()
        .filter_map(line)
        .collect::<Vec<_>>()
        .join("\n")
}
