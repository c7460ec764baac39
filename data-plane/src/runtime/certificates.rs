//! The certificates of one revision, and which one a client is shown (proxy-and-routing.md 8.6).

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use shared::entities::Certificate;
use shared::model::Model;
use shared::types::{CertificateChain, OrVault, PrivateKey, Text, Wildcard, parse_text};
use uuid::Uuid;

use super::vaults::Vaults;

/// A certificate with its key, and perhaps one of another kind.
#[derive(Clone, Debug)]
pub struct Pair {
    /// `cert` and `key`.
    pub first: Arc<CertifiedKey>,
    /// `cert_alt` and `key_alt`.
    pub second: Option<Arc<CertifiedKey>>,
}

/// A pair and the document that it was made of.
struct Made {
    document: Arc<Certificate>,
    pair: Pair,
}

/// Every certificate of one revision, ready for handshakes.
#[derive(Default)]
pub struct Certificates {
    by_id: HashMap<Uuid, Made, RandomState>,
    /// By the names of the SNIs: `a.test`, `*.test`, `a.*`, `*`.
    by_name: HashMap<Box<str>, Pair, RandomState>,
}

impl Certificates {
    /// Makes the certificates of a model; one whose document did not change is kept, unless it lies in a vault and vaults
    /// have changed (not `sealed`). One that cannot be made, since its vault does not hold it, is left out with a warning:
    /// its names are then shown the default.
    pub fn build(
        model: &Model,
        previous: Option<&Certificates>,
        vaults: &Vaults,
        sealed: bool,
    ) -> Self {
        let mut by_id: HashMap<Uuid, Made, RandomState> = HashMap::default();
        for (id, document) in model.certificates.iter() {
            let kept = previous.and_then(|previous| previous.by_id.get(id));
            let kept = kept.filter(|made| Arc::ptr_eq(&made.document, document));
            let kept = kept.filter(|_| sealed || !refers(document));
            let pair = match kept {
                Some(made) => Ok(made.pair.clone()),
                None => pair(document, vaults),
            };
            match pair {
                Ok(pair) => {
                    let document = document.clone();
                    by_id.insert(*id, Made { document, pair });
                }
                Err(reason) => {
                    tracing::warn!(certificate = %id, reason, "a certificate cannot be used");
                }
            }
        }
        let by_name = by_name(model, &by_id);
        Self { by_id, by_name }
    }

    /// What a client is shown that asks for a name in lower case; `None`: the node's default.
    pub fn find(&self, name: &str) -> Option<&Pair> {
        if self.by_name.is_empty() {
            return None;
        }
        let exact = self.by_name.get(name);
        exact
            .or_else(|| self.by_first_label(name))
            .or_else(|| self.by_last_label(name))
            .or_else(|| self.by_name.get("*"))
    }

    /// The pair of a certificate's document.
    pub fn of(&self, id: &Uuid) -> Option<&Pair> {
        self.by_id.get(id).map(|made| &made.pair)
    }

    /// `*.b.test` for `a.b.test`: one label is replaced, and two must be left.
    fn by_first_label(&self, name: &str) -> Option<&Pair> {
        let (_, rest) = name.split_once('.')?;
        let key = format!("*.{rest}");
        rest.contains('.').then(|| self.by_name.get(key.as_str()))?
    }

    /// `a.b.*` for `a.b.test`.
    fn by_last_label(&self, name: &str) -> Option<&Pair> {
        let (rest, _) = name.rsplit_once('.')?;
        self.by_name.get(format!("{rest}.*").as_str())
    }
}

fn by_name(
    model: &Model,
    by_id: &HashMap<Uuid, Made, RandomState>,
) -> HashMap<Box<str>, Pair, RandomState> {
    let mut snis: Vec<_> = model.snis.iter().collect();
    // Names that differ in case only are one name here: on every node the same one wins.
    snis.sort_by(|(a, _), (b, _)| b.cmp(a));
    let named = snis.into_iter().filter_map(|(_, sni)| {
        let made = by_id.get(&sni.certificate.uuid())?;
        Some((text(&sni.name.0).into(), made.pair.clone()))
    });
    named.collect()
}

fn text(name: &Wildcard) -> String {
    match name {
        Wildcard::Exact(text) => text.clone(),
        Wildcard::Suffix(text) => format!("*{text}"),
        Wildcard::Prefix(text) => format!("{text}*"),
    }
}

/// Whether a vault holds any of it.
fn refers(document: &Certificate) -> bool {
    let chains = [Some(&document.cert), document.cert_alt.as_ref()];
    let keys = [Some(&document.key), document.key_alt.as_ref()];
    let in_vault = |chain: &OrVault<CertificateChain>| matches!(chain, OrVault::Vault(_));
    let key_in_vault = |key: &OrVault<PrivateKey>| matches!(key, OrVault::Vault(_));
    chains.into_iter().flatten().any(in_vault) || keys.into_iter().flatten().any(key_in_vault)
}

fn pair(document: &Certificate, vaults: &Vaults) -> Result<Pair, String> {
    let first = certified(&document.cert, &document.key, vaults)?;
    let second = match (&document.cert_alt, &document.key_alt) {
        (Some(chain), Some(key)) => Some(certified(chain, key, vaults)?),
        _ => None,
    };
    Ok(Pair { first, second })
}

fn certified(
    chain: &OrVault<CertificateChain>,
    key: &OrVault<PrivateKey>,
    vaults: &Vaults,
) -> Result<Arc<CertifiedKey>, String> {
    let chain = resolved(chain, vaults)?;
    let key = resolved(key, vaults)?;
    let signs = any_supported_type(key.der()).map_err(|error| error.to_string())?;
    let certified = CertifiedKey::new(chain.der().to_vec(), signs);
    certified.keys_match().map_err(|error| error.to_string())?;
    Ok(Arc::new(certified))
}

fn resolved<T: Text + Clone>(value: &OrVault<T>, vaults: &Vaults) -> Result<T, String> {
    match value {
        OrVault::Here(value) => Ok(value.clone()),
        OrVault::Vault(reference) => {
            let text = vaults.find(reference).map_err(|error| error.to_string())?;
            parse_text(&text).map_err(|why| format!("{}: {why}", reference.as_str()))
        }
    }
}

#[cfg(test)]
mod tests;
