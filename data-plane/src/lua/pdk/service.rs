//! `kong.service`: another way to the upstream than that of the service; `kong.router`: what was matched
//! (custom-plugins.md 3.1, 3.2).

use std::sync::Arc;
use std::time::Duration;

use lua::mlua::{self, Lua, Value};
use lua::pdk::Host;
use lua::{Raise, Stored};
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::documents;
use super::request::look;
use crate::lua::call;
use crate::lua::retry::Callback;
use crate::proxy::detour::Detour;
use crate::runtime::Overrides;

pub(super) fn bind(host: &mut Host<'_>) -> mlua::Result<()> {
    look(host, "kong.router.get_route", |lua, ctx| {
        let Some(entry) = ctx.entry(&ctx.runtime) else {
            return Ok(None);
        };
        documents::table(lua, &ctx.runtime, "routes", &entry.route.id.uuid())
    })?;
    look(host, "kong.router.get_service", |lua, ctx| {
        let entry = ctx.entry(&ctx.runtime);
        let Some(service) = entry.and_then(|entry| entry.service.as_ref()) else {
            return Ok(None);
        };
        documents::table(lua, &ctx.runtime, "services", &service.id.uuid())
    })?;
    ways(host)?;
    tls(host)
}

/// Changes where the request goes.
fn detour(change: impl FnOnce(&mut Detour)) -> Result<(), Raise> {
    call::with_request(|ctx| {
        change(ctx.upstream.detour());
        Ok(())
    })
}

fn ways(host: &mut Host<'_>) -> mlua::Result<()> {
    host.function("kong.service.set_upstream", |_, name: Value| {
        let Value::String(name) = name else {
            return Err("host must be a string".into());
        };
        let name = name.to_string_lossy();
        call::with_request(|ctx| {
            let Some(balancer) = ctx.runtime.balancers.get(&name).cloned() else {
                let reason = format!("could not find an Upstream named '{name}'");
                return Ok((None, Some(reason)));
            };
            ctx.upstream.detour().upstream = Some(balancer);
            Ok((Some(true), None))
        })
    })?;
    host.function(
        "kong.service.set_target",
        |_, (name, port): (Value, Value)| {
            let Value::String(name) = name else {
                return Err("host must be a string".into());
            };
            let port = whole(&port, "port", 0, 65_535)?;
            let port = u16::try_from(port).unwrap_or_default();
            detour(|detour| detour.target = Some((name.to_string_lossy().into(), port)))
        },
    )?;
    host.function("kong.service.set_retries", |_, retries: Value| {
        let retries = whole(&retries, "retries", 0, 32_767)?;
        detour(|detour| detour.retries = u16::try_from(retries).ok())
    })?;
    host.function(
        "kong.service.set_target_retry_callback",
        |lua: &Lua, callback: Value| {
            let Value::Function(function) = callback else {
                return Err("retry_callback must be a function".into());
            };
            let function = Stored::new(lua, function)?;
            call::with(|call| {
                let plugin = call.plugin.clone();
                let kept = call.request()?.lua.get_or_insert_default();
                kept.retry = Some(Callback { function, plugin });
                Ok(())
            })
        },
    )?;
    host.function(
        "kong.service.set_timeouts",
        |_, (connect, write, read): (Value, Value, Value)| {
            let ms = |value: &Value, name| {
                let ms = whole(value, name, 1, 2_147_483_646)?;
                Ok::<_, Raise>(Duration::from_millis(ms))
            };
            let timeouts = [
                ms(&connect, "connect_timeout")?,
                ms(&write, "write_timeout")?,
                ms(&read, "read_timeout")?,
            ];
            detour(|detour| detour.timeouts = Some(timeouts))
        },
    )
}

/// A whole number within bounds.
///
/// # Errors
/// `port must be an integer`, `port must be an integer between 0 and 65535: given 70000`
fn whole(value: &Value, name: &str, least: u64, most: u64) -> Result<u64, Raise> {
    let number = match value {
        Value::Integer(number) => *number as f64,
        Value::Number(number) => *number,
        _ => f64::NAN,
    };
    if number.floor() != number {
        return Err(format!("{name} must be an integer").into());
    }
    if number < least as f64 || number > most as f64 {
        let reason =
            format!("{name} must be an integer between {least} and {most}: given {number}");
        return Err(reason.into());
    }
    Ok(number as u64)
}

fn tls(host: &mut Host<'_>) -> mlua::Result<()> {
    host.function("kong.service.set_tls_verify", |_, on: Value| {
        let Value::Boolean(on) = on else {
            return Err("argument must be boolean".into());
        };
        terms(|terms| terms.verify = Some(on))
    })?;
    host.function("kong.service.set_tls_verify_depth", |_, depth: Value| {
        let (Value::Integer(_) | Value::Number(_)) = depth else {
            return Err("argument must be number".into());
        };
        let depth = whole(&depth, "depth", 0, 64)?;
        terms(|terms| terms.depth = u8::try_from(depth).ok())
    })?;
    // Kong takes objects of OpenSSL's here, which nothing in this gateway makes: certificates and keys are texts in PEM.
    host.function("kong.service.set_tls_verify_store", |_, store: Value| {
        let Value::String(pem) = store else {
            return Err("store must be a string (certificates in PEM)".into());
        };
        let pem = pem.to_string_lossy();
        let roots = match roots(&pem) {
            Ok(roots) => Arc::new(roots),
            Err(reason) => return Ok((None, Some(reason))),
        };
        terms(|terms| terms.authorities = Some((pem.into(), roots)))?;
        Ok((Some(true), None))
    })?;
    host.function(
        "kong.service.set_tls_cert_key",
        |_: &Lua, (chain, key): (Value, Value)| {
            let Value::String(chain) = chain else {
                return Err("chain must be a string (certificates in PEM)".into());
            };
            let Value::String(key) = key else {
                return Err("key must be a string (a private key in PEM)".into());
            };
            let (chain, key) = (chain.to_string_lossy(), key.to_string_lossy());
            let certified = match certified(&chain, &key) {
                Ok(certified) => Arc::new(certified),
                Err(reason) => return Ok((None, Some(reason))),
            };
            let text = format!("{chain}\n{key}");
            terms(|terms| terms.client = Some((text.into(), certified)))?;
            Ok((Some(true), None))
        },
    )
}

fn terms(change: impl FnOnce(&mut Overrides)) -> Result<(), Raise> {
    detour(|detour| change(detour.terms.get_or_insert_default()))
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
    let read = read.map_err(|error| format!("the certificates cannot be read: {error}"))?;
    if read.is_empty() {
        return Err("there is no certificate in the text".to_owned());
    }
    Ok(read)
}

fn roots(pem: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        let added = roots.add(certificate);
        added.map_err(|error| format!("a certificate cannot be trusted: {error}"))?;
    }
    Ok(roots)
}

fn certified(chain: &str, key: &str) -> Result<CertifiedKey, String> {
    let chain = certificates(chain)?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
        .map_err(|error| format!("the key cannot be read: {error}"))?;
    let key = any_supported_type(&key).map_err(|error| error.to_string())?;
    let certified = CertifiedKey::new(chain, key);
    certified.keys_match().map_err(|error| error.to_string())?;
    Ok(certified)
}
