//! `#[schema(…)]` on a field, as builder calls.

use proc_macro2::TokenStream;
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Meta, Token};

/// What the attributes of a field say.
#[derive(Default)]
pub(crate) struct FieldAttributes {
    /// `.unique().between(…)`, in the order written.
    pub(crate) calls: TokenStream,
    /// Not part of the schema.
    pub(crate) skip: bool,
}

/// Without an argument.
const FLAGS: &[&str] = &[
    "unique",
    "auto",
    "immutable",
    "referenceable",
    "secret",
    "pairs",
    "set",
    "is_regex",
    "optional",
    "needed",
];
/// `name = expression`.
const VALUES: &[&str] = &[
    "gt",
    "len_min",
    "len_max",
    "len_eq",
    "starts_with",
    "matching",
    "err",
    "custom",
];
/// `name = anything that JSON can hold`.
const JSON: &[&str] = &["default", "eq", "ne"];
/// `name(a, b)`.
const LISTS: &[&str] = &["between", "one_of", "not_one_of"];

/// Reads every `#[schema(…)]`.
pub(crate) fn read(attributes: &[Attribute]) -> syn::Result<FieldAttributes> {
    let mut out = FieldAttributes::default();
    for attribute in attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("schema"))
    {
        attribute.parse_nested_meta(|meta| rule(meta, &mut out))?;
    }
    Ok(out)
}

fn rule(meta: ParseNestedMeta<'_>, out: &mut FieldAttributes) -> syn::Result<()> {
    let name = meta
        .path
        .get_ident()
        .map(ToString::to_string)
        .unwrap_or_default();
    let ident = &meta.path;
    let call = match name.as_str() {
        "skip" => {
            out.skip = true;
            return Ok(());
        }
        "cascade" => quote!(.on_delete(::shared::schema::OnDelete::Cascade)),
        "with" => {
            let change: Expr = meta.value()?.parse()?;
            quote!(.with(#change))
        }
        "elements" => {
            let mut inner = FieldAttributes::default();
            meta.parse_nested_meta(|meta| rule(meta, &mut inner))?;
            let calls = inner.calls;
            quote!(.elements(|field| field #calls))
        }
        flag if FLAGS.contains(&flag) => quote!(.#ident()),
        value if VALUES.contains(&value) => {
            let value: Expr = meta.value()?.parse()?;
            quote!(.#ident(#value))
        }
        json if JSON.contains(&json) => {
            let value: Expr = meta.value()?.parse()?;
            let method = quote::format_ident!("{name}_value");
            quote!(.#method(::shared::schema::json!(#value)))
        }
        "between" => {
            let bounds = list(&meta)?;
            if bounds.len() != 2 {
                return Err(meta.error("expected two bounds: between(low, high)"));
            }
            quote!(.between(#bounds))
        }
        values if LISTS.contains(&values) => {
            let values = list(&meta)?;
            quote!(.#ident([#values]))
        }
        _ => return Err(unknown(&meta, &name)),
    };
    out.calls.extend(call);
    Ok(())
}

fn list(meta: &ParseNestedMeta<'_>) -> syn::Result<Punctuated<Expr, Token![,]>> {
    let content;
    syn::parenthesized!(content in meta.input);
    content.parse_terminated(|input| input.parse(), Token![,])
}

fn unknown(meta: &ParseNestedMeta<'_>, name: &str) -> syn::Error {
    let mut known: Vec<&str> = [
        FLAGS,
        VALUES,
        JSON,
        LISTS,
        &["cascade", "elements", "skip", "with"],
    ]
    .concat();
    known.sort_unstable();
    meta.error(format!(
        "unknown schema rule '{name}', expected one of: {}",
        known.join(", ")
    ))
}

/// The doc comment as one line of text.
pub(crate) fn description(attributes: &[Attribute]) -> String {
    let lines = attributes
        .iter()
        .filter_map(|attribute| match &attribute.meta {
            Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
                Expr::Lit(ExprLit {
                    lit: Lit::Str(text),
                    ..
                }) => Some(text.value().trim().to_owned()),
                _ => None,
            },
            _ => None,
        });
    lines.collect::<Vec<_>>().join(" ").trim().to_owned()
}

/// The name that serde reads.
pub(crate) fn renamed(attributes: &[Attribute]) -> syn::Result<Option<String>> {
    let mut name = None;
    for attribute in attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("serde"))
    {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("rename") {
                name = Some(meta.value()?.parse::<LitStr>()?.value());
            } else if meta.input.peek(Token![=]) {
                let _: Expr = meta.value()?.parse()?;
            }
            Ok(())
        })?;
    }
    Ok(name)
}
