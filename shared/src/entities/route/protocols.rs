//! What a route may and must say, by what it speaks (admin-api.md 8.2).

use crate::entities::Entity;
use crate::schema::{Check, Condition, Field, Rules, Selector, Variant};

/// Protocols that cannot be mixed.
pub(super) fn exclusive(field: Field) -> Field {
    field.exclusive(&[
        &["http", "https"],
        &["tcp", "tls", "udp"],
        &["tls_passthrough"],
        &["grpc", "grpcs"],
    ])
}

/// A server name is only known where TLS is.
pub(super) fn snis_need_tls() -> Check {
    let tls = ["grpcs", "https", "tls", "tls_passthrough"];
    Check::Conditional {
        if_field: "protocols".into(),
        if_match: Box::new(Rules {
            elements: Some(Box::new(Rules {
                not_one_of: Some(tls.into_iter().map(Into::into).collect()),
                ..Rules::default()
            })),
            ..Rules::default()
        }),
        then_field: "snis".into(),
        then_match: Box::new(Rules { len_eq: Some(0), ..Rules::default() }),
        then_err: Some("'snis' can only be set when 'protocols' is 'grpcs', 'https', 'tls' or 'tls_passthrough'".into()),
    }
}

/// The first protocol that is known decides which criteria there are.
pub(super) fn by_protocol(mut entity: Entity) -> Entity {
    let variants = vec![
        (&["http", "https"][..], http(&entity)),
        (&["tcp", "tls", "udp"][..], stream(&entity)),
        (&["tls_passthrough"][..], passthrough(&entity)),
        (&["grpc", "grpcs"][..], grpc(&entity)),
    ];
    entity.schema.selector = Selector::Words {
        field: "protocols",
        variants,
    };
    entity
}

fn http(entity: &Entity) -> Variant {
    let https = condition(
        "https",
        &["methods", "hosts", "headers", "paths", "snis"],
        "must set one of %s when 'protocols' is 'https'",
    );
    let http = condition(
        "http",
        &["methods", "hosts", "headers", "paths"],
        "must set one of %s when 'protocols' is 'http'",
    );
    Variant {
        fields: refused(entity, &["sources", "destinations"], "'http' or 'https'"),
        checks: vec![one_needed(vec![https, http])],
    }
}

fn grpc(entity: &Entity) -> Variant {
    let grpcs = condition(
        "grpcs",
        &["hosts", "headers", "paths", "snis"],
        "must set one of %s when 'protocols' is 'grpcs'",
    );
    let grpc = condition(
        "grpc",
        &["hosts", "headers", "paths"],
        "must set one of %s when 'protocols' is 'grpc'",
    );
    let protocols = "'grpc' or 'grpcs'";
    let mut fields = refused(entity, &["methods", "sources", "destinations"], protocols);
    fields.extend(entity.schema.field("strip_path").cloned().map(|field| {
        let field = field.default_value(false.into()).ne_value(true.into());
        field.err(format!(
            "cannot set 'strip_path' when 'protocols' is {protocols}"
        ))
    }));
    Variant {
        fields,
        checks: vec![one_needed(vec![grpcs, grpc])],
    }
}

fn stream(entity: &Entity) -> Variant {
    let any = Condition {
        if_match: Rules::default(),
        fields: vec!["sources".into(), "destinations".into(), "snis".into()],
        err: "must set one of %s when 'protocols' is 'tcp', 'tls' or 'udp'".into(),
    };
    Variant {
        fields: no_http(entity),
        checks: vec![one_needed(vec![any])],
    }
}

fn passthrough(entity: &Entity) -> Variant {
    let any = Condition {
        if_match: Rules::default(),
        fields: vec!["snis".into()],
        err: "must set snis when 'protocols' is 'tls_passthrough'".into(),
    };
    Variant {
        fields: no_http(entity),
        checks: vec![one_needed(vec![any])],
    }
}

fn no_http(entity: &Entity) -> Vec<Field> {
    refused(
        entity,
        &["methods", "hosts", "paths", "headers"],
        "'tcp', 'tls', 'tls_passthrough' or 'udp'",
    )
}

/// These fields must be null.
fn refused(entity: &Entity, names: &[&str], protocols: &str) -> Vec<Field> {
    let fields = names.iter().filter_map(|name| entity.schema.field(name));
    fields
        .cloned()
        .map(|field| {
            let text = format!(
                "cannot set '{}' when 'protocols' is {protocols}",
                field.name
            );
            field.eq_value(serde_json::Value::Null).err(text)
        })
        .collect()
}

fn condition(protocol: &str, fields: &[&'static str], err: &'static str) -> Condition {
    Condition {
        if_match: Rules {
            contains: Some(protocol.into()),
            ..Rules::default()
        },
        fields: fields.iter().map(|field| (*field).into()).collect(),
        err: err.into(),
    }
}

fn one_needed(conditions: Vec<Condition>) -> Check {
    Check::ConditionalAtLeastOneOf {
        if_field: "protocols".into(),
        conditions,
    }
}
