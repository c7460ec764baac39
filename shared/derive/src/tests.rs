//! Tests of what the derives write, and of what they say to whoever gets it wrong.

use proc_macro2::TokenStream;
use syn::{DeriveInput, parse_quote};

use crate::{entity, plugin, record, word};

/// Without blanks, so that a case can be read.
fn written(tokens: TokenStream) -> String {
    tokens.to_string().split_whitespace().collect()
}

fn fault(result: syn::Result<TokenStream>) -> String {
    result.expect_err("this should not compile").to_string()
}

fn field(attributes: TokenStream) -> DeriveInput {
    parse_quote! { struct Record { #attributes it: u16 } }
}

#[test]
fn attributes_become_builder_calls() {
    for (attributes, expected) in [
        (parse_quote!(#[schema(unique, auto)]), ".unique().auto()"),
        (
            parse_quote!(#[schema(between(0, 9), default = 5)]),
            ".between(0,9).default_value(::shared::schema::json!(5))",
        ),
        (
            parse_quote!(#[schema(default = ["a"])]),
            ".default_value(::shared::schema::json!([\"a\"]))",
        ),
        (
            parse_quote!(#[schema(one_of("a", "b"), len_min = 1)]),
            ".one_of([\"a\",\"b\"]).len_min(1)",
        ),
        (
            parse_quote!(#[schema(elements(matching = "^a", err = "no"))]),
            ".elements(|field|field.matching(\"^a\").err(\"no\"))",
        ),
        (
            parse_quote!(#[schema(cascade)]),
            ".on_delete(::shared::schema::OnDelete::Cascade)",
        ),
        (
            parse_quote!(#[schema(with = some::path)]),
            ".with(some::path)",
        ),
        (parse_quote!(#[serde(rename = "type")]), ".named(\"type\")"),
        (
            parse_quote!(#[doc = " Two"] #[doc = " lines."]),
            ".describe(\"Twolines.\")",
        ),
    ] {
        let got = written(record::expand(field(attributes)).expect("good attributes"));
        assert!(got.contains(expected), "{expected} is not in {got}");
    }
    let skipped =
        written(record::expand(field(parse_quote!(#[schema(skip)]))).expect("good attributes"));
    assert!(!skipped.contains("u16"), "{skipped}");
}

#[test]
fn checks_become_values() {
    let input = parse_quote! { #[check(at_least_one_of("a", "b"))] #[check(with(own))] struct Record { a: u8 } };
    let got = written(record::expand(input).expect("good attributes"));
    assert!(
        got.contains("Check::AtLeastOneOf(vec![") && got.contains(".check(own())"),
        "{got}"
    );
}

#[test]
fn mistakes_are_told_with_what_is_known() {
    for (attributes, expected) in [
        (
            parse_quote!(#[schema(uniqe)]),
            "unknown schema rule 'uniqe', expected one of: auto, between, cascade, ",
        ),
        (
            parse_quote!(#[schema(between(1))]),
            "expected two bounds: between(low, high)",
        ),
        (parse_quote!(#[schema(default)]), "expected `=`"),
    ] {
        let got = fault(record::expand(field(attributes)));
        assert!(got.starts_with(expected), "{got}");
    }
    let input = parse_quote! { #[check(one_of("a"))] struct Record { a: u8 } };
    assert!(
        fault(record::expand(input))
            .starts_with("unknown check 'one_of', expected with or one of: at_least_one_of")
    );
    assert_eq!(
        fault(record::expand(parse_quote!(
            enum Record {
                A,
            }
        ))),
        "expected a struct with named fields"
    );
    assert_eq!(
        fault(record::expand(parse_quote!(
            struct Record(u8);
        ))),
        "expected a struct with named fields"
    );
    assert_eq!(
        fault(word::expand(parse_quote!(
            enum Word {
                A(u8),
            }
        ))),
        "expected a variant without fields"
    );
    assert_eq!(
        fault(entity::expand(parse_quote!(
            struct Orders {
                a: u8,
            }
        ))),
        "#[entity(kind = …)] is missing"
    );
    let input = parse_quote! { #[plugin(name = "x")] struct X { a: u8 } };
    assert_eq!(
        fault(plugin::expand(input)),
        "#[plugin(priority = …)] is missing"
    );
    let input = parse_quote! { #[plugin(nam = "x")] struct X { a: u8 } };
    assert!(
        fault(plugin::expand(input))
            .starts_with("unknown plugin attribute 'nam', expected one of: name, ")
    );
    let input = parse_quote! { #[entity(kid = "x")] struct X { a: u8 } };
    assert!(
        fault(entity::expand(input)).starts_with(
            "unknown entity attribute 'kid', expected one of: composite, identity, kind"
        )
    );
}

#[test]
fn words_are_spelled_in_snake_case_unless_told() {
    let input = parse_quote! { enum Word { TlsPassthrough, #[word("uuid#counter")] Counter } };
    let got = word::expand(input).expect("a good enum").to_string();
    assert!(
        got.contains("\"expected one of: tls_passthrough, uuid#counter\""),
        "{got}"
    );
}
