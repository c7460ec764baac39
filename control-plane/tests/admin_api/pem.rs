//! Certificates made for one test.

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, SignatureAlgorithm};

/// A certificate for `a.test` and its key.
pub struct Pair {
    pub cert: String,
    pub key: String,
}

/// One of ECDSA.
pub fn pair() -> Pair {
    pair_of(&rcgen::PKCS_ECDSA_P256_SHA256)
}

pub fn pair_of(algorithm: &'static SignatureAlgorithm) -> Pair {
    let key = KeyPair::generate_for(algorithm).expect("a key");
    let params = CertificateParams::new(["a.test".to_owned()]).expect("a name");
    let cert = params.self_signed(&key).expect("a certificate").pem();
    Pair {
        cert,
        key: key.serialize_pem(),
    }
}

/// The certificate of an authority that is good until that year.
pub fn authority(until: i32) -> String {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = rcgen::date_time_ymd(2001, 1, 1);
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    params.self_signed(&key).expect("a certificate").pem()
}
