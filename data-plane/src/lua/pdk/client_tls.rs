//! `kong.client.tls` (custom-plugins.md 3.2), and what nginx tells of a client's certificate (4, `ssl_client_*`).

use lua::Raise;
use lua::mlua::{self, MultiValue, Value};
use lua::modules::certificate::{Certificate, rfc2253};
use lua::pdk::Host;
use time::OffsetDateTime;
use time::macros::format_description;

use crate::lua::call;
use crate::plugins::Wants;
use crate::proxy::ctx::Ctx;

pub(super) fn bind(host: &mut Host<'_>) -> mlua::Result<()> {
    // Which authorities the client is told of is not ours to choose: it is told of none, and shows what it has.
    host.function(
        "kong.client.tls.request_client_certificate",
        |_, _: MultiValue| wish(|wants| wants.certificate = true),
    )?;
    host.function("kong.client.tls.disable_session_reuse", |_, ()| {
        wish(|wants| wants.fresh = true)
    })?;
    host.function(
        "kong.client.tls.get_full_client_certificate_chain",
        |_, ()| call::with_request(|ctx| Ok(ctx.conn.client.as_ref().map(|shown| shown.pem()))),
    )?;
    host.function("kong.client.tls.set_client_verify", |_, value: Value| {
        let text = match &value {
            Value::String(text) => text.to_string_lossy(),
            _ => String::new(),
        };
        if text != "SUCCESS" && text != "NONE" && !text.starts_with("FAILED:") {
            return Err("value must be 'SUCCESS', 'NONE' or begin with 'FAILED:'".into());
        }
        call::with_request(|ctx| {
            ctx.lua.get_or_insert_default().client_verify = Some(text);
            Ok(())
        })
    })
}

fn wish(change: impl FnOnce(&mut Wants)) -> Result<bool, Raise> {
    call::with(|call| {
        let hello = call.hello.as_ref().ok_or("no TLS handshake found")?;
        let mut wants = hello.wants.get();
        change(&mut wants);
        hello.wants.set(wants);
        Ok(true)
    })
}

/// What came of verifying the client's certificate, for logs: as a plugin says, else as nginx would.
pub(super) fn verified(ctx: &Ctx) -> String {
    let said = ctx.lua.as_ref().and_then(|kept| kept.client_verify.clone());
    said.unwrap_or_else(|| of_connection(ctx))
}

fn of_connection(ctx: &Ctx) -> String {
    match &ctx.conn.client {
        Some(shown) => shown.verified(),
        None => "NONE".to_owned(),
    }
}

/// `ssl_client_` and this; `None` is nil.
pub(in crate::lua) fn variable(ctx: &Ctx, name: &str) -> Option<String> {
    if name == "verify" {
        return ctx.conn.tls.then(|| of_connection(ctx));
    }
    let own = ctx.conn.client.as_ref()?.own()?;
    Some(match name {
        "cert" => own.pem().trim_end().replace('\n', "\n\t"),
        "raw_cert" => own.pem(),
        "escaped_cert" => escaped(&own.pem()),
        "s_dn" => rfc2253(&own.subject),
        "i_dn" => rfc2253(&own.issuer),
        "s_dn_legacy" => legacy(&own.subject),
        "i_dn_legacy" => legacy(&own.issuer),
        "serial" => hexadecimal(&own.serial).to_ascii_uppercase(),
        "fingerprint" => fingerprint(own),
        "v_start" => day(own.not_before)?,
        "v_end" => day(own.not_after)?,
        "v_remain" => {
            let left = own.not_after - OffsetDateTime::now_utc().unix_timestamp();
            (left.max(0) / (24 * 60 * 60)).to_string()
        }
        _ => return None,
    })
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-1, as nginx has it.
fn fingerprint(own: &Certificate) -> String {
    use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
    hexadecimal(digest(&SHA1_FOR_LEGACY_USE_ONLY, &own.der).as_ref())
}

/// `/C=DE/CN=me`
fn legacy(name: &[lua::modules::certificate::Attribute]) -> String {
    let member = |of: &lua::modules::certificate::Attribute| {
        format!("/{}={}", of.short, String::from_utf8_lossy(&of.value))
    };
    name.iter().map(member).collect()
}

/// `Nov  2 12:19:47 2026 GMT`
fn day(seconds: i64) -> Option<String> {
    let format = format_description!(
        "[month repr:short] [day padding:space] [hour]:[minute]:[second] [year] GMT"
    );
    let time = OffsetDateTime::from_unix_timestamp(seconds).ok()?;
    time.format(format).ok()
}

/// As nginx escapes what is part of a URI.
fn escaped(text: &str) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
    const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~');
    percent_encode(text.as_bytes(), PLAIN).to_string()
}
