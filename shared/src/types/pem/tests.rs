use super::*;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

/// A certificate and its key, of one kind.
fn made(algorithm: &'static rcgen::SignatureAlgorithm) -> (String, String) {
    let key = KeyPair::generate_for(algorithm).expect("a key");
    let params = CertificateParams::new(["a.test".to_owned()]).expect("a name");
    let certificate = params.self_signed(&key).expect("a certificate");
    (certificate.pem(), key.serialize_pem())
}

fn authority(params: impl FnOnce(&mut CertificateParams)) -> AuthorityCertificate {
    let key = KeyPair::generate().expect("a key");
    let mut made = CertificateParams::new(Vec::new()).expect("no names");
    params(&mut made);
    let certificate = made.self_signed(&key).expect("a certificate");
    AuthorityCertificate::parse(&certificate.pem()).expect("valid")
}

#[test]
fn a_key_is_recognised_as_that_of_its_certificate() {
    let kinds = [
        (&rcgen::PKCS_RSA_SHA256, KeyKind::Rsa),
        (&rcgen::PKCS_ECDSA_P256_SHA256, KeyKind::Ec),
        (&rcgen::PKCS_ECDSA_P384_SHA384, KeyKind::Ec),
        (&rcgen::PKCS_ECDSA_P521_SHA512, KeyKind::Ec),
        (&rcgen::PKCS_ED25519, KeyKind::Ed25519),
    ];
    for (algorithm, kind) in kinds {
        let (certificate, key) = made(algorithm);
        let (other, _) = made(algorithm);
        let chain = CertificateChain::parse(&certificate).expect("valid");
        let key = PrivateKey::parse(&key).expect("valid");
        assert_eq!(key.public().kind, kind);
        assert_eq!(chain.key(), Some(key.public()));
        let other = CertificateChain::parse(&other).expect("valid");
        assert_ne!(other.key(), Some(key.public()));
    }
}

#[test]
fn a_chain_keeps_its_order_and_whatever_stands_between_is_passed_over() {
    let (leaf, _) = made(&rcgen::PKCS_ECDSA_P256_SHA256);
    let (issuer, _) = made(&rcgen::PKCS_ED25519);
    let text = format!("subject=a.test\n{leaf}\nissuer\n{issuer}");
    let chain = CertificateChain::parse(&text).expect("valid");
    assert_eq!(chain.der().len(), 2);
    let alone = CertificateChain::parse(&leaf).expect("valid");
    assert_eq!(chain.der()[0], alone.der()[0]);
    assert_eq!(chain.key(), alone.key());
}

#[test]
fn what_is_no_certificate_or_key_is_said_without_quoting_it() {
    let (certificate, key) = made(&rcgen::PKCS_ECDSA_P256_SHA256);
    let cut = certificate.replacen("MII", "AAA", 1);
    for text in ["x", &key, &cut] {
        let error = CertificateChain::parse(text).expect_err("no certificate");
        assert!(
            error.starts_with("invalid certificate: x509.new: "),
            "{error}"
        );
        assert!(error.ends_with(":1:"), "{error}");
        assert!(!error.contains("MI"), "{error}");
    }
    let broken = key.replacen("M", "A", 1);
    for text in ["y", &certificate, &broken] {
        let error = PrivateKey::parse(text).expect_err("no key");
        assert!(error.starts_with("invalid key: pkey.new: "), "{error}");
        assert!(!error.contains("MI"), "{error}");
    }
    let parsed = PrivateKey::parse(&key).expect("valid");
    assert_eq!(format!("{parsed:?}"), "******");
}

#[test]
fn the_public_half_alone_can_be_read() {
    let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
    let public = PublicPem::parse(&key.public_key_pem()).expect("valid");
    let private = PrivateKey::parse(&key.serialize_pem()).expect("valid");
    assert_eq!(public.bits(), private.public());
    let error = PublicPem::parse(&key.serialize_pem()).expect_err("the private half");
    assert_eq!(error, "invalid key: expected a PEM block 'PUBLIC KEY'");
}

#[test]
fn an_authority_says_that_it_is_one_and_until_when() {
    let authority_made = authority(|params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_after = rcgen::date_time_ymd(2031, 1, 1);
    });
    assert!(authority_made.is_authority());
    assert_eq!(authority_made.not_after(), Some(1_924_992_000));
    assert_eq!(authority_made.digest().len(), 64);
    assert!(!authority(|_| ()).is_authority());
}
