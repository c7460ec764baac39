//! What a certificate says, in the words of OpenSSL: for `resty.openssl.x509`, and for what nginx tells of a client's.

use std::borrow::Cow;
use std::net::IpAddr;

use aws_lc_rs::signature::{self as of, ParsedPublicKey, VerificationAlgorithm};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::asn1_rs::Oid;
use x509_parser::extensions::{DistributionPointName, GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::X509Name;

use super::der;

/// One member of a distinguished name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// `2.5.4.3`
    pub id: String,
    /// OpenSSL's number for it; 0 for what it has none.
    pub number: u16,
    /// `CN`; the id where there is no short name.
    pub short: String,
    /// `commonName`
    pub long: String,
    /// Its text, as it was encoded.
    pub value: Vec<u8>,
}

/// One extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// `2.5.29.15`
    pub id: String,
    /// `keyUsage`, if it is a common one.
    pub short: Option<&'static str>,
    /// `X509v3 Key Usage`
    pub long: Option<&'static str>,
    /// Whether who does not know it must refuse the certificate.
    pub critical: bool,
    /// As OpenSSL prints it; bytes in hexadecimal for what is not common.
    pub text: String,
    /// Its value.
    pub der: Vec<u8>,
}

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// All of it.
    pub der: Vec<u8>,
    /// 3, most often.
    pub version: u32,
    /// Its serial number, without a sign and zeros in front.
    pub serial: Vec<u8>,
    /// Seconds since 1970.
    pub not_before: i64,
    /// Seconds since 1970.
    pub not_after: i64,
    /// Whose it is.
    pub subject: Vec<Attribute>,
    /// Who signed it.
    pub issuer: Vec<Attribute>,
    /// The key: `SubjectPublicKeyInfo`.
    pub public: Vec<u8>,
    /// `sha256WithRSAEncryption`, or an id.
    pub signature: String,
    /// The alternative names of its subject: `DNS` and the like, and the name.
    pub names: Vec<(&'static str, String)>,
    /// Where revoked certificates are listed.
    pub crl: Vec<String>,
    /// Who is asked whether it was revoked.
    pub ocsp: Vec<String>,
    /// Where its issuer's is found.
    pub issuers: Vec<String>,
    /// Whether it is an authority's, and how many others may be below.
    pub constraints: Option<(bool, Option<u32>)>,
    /// All extensions.
    pub extensions: Vec<Extension>,
}

/// Members of names: id, OpenSSL's number, short and long name.
#[rustfmt::skip]
static ATTRIBUTES: &[(&str, u16, &str, &str)] = &[
    ("2.5.4.3", 13, "CN", "commonName"),
    ("2.5.4.4", 100, "SN", "surname"),
    ("2.5.4.5", 105, "serialNumber", "serialNumber"),
    ("2.5.4.6", 14, "C", "countryName"),
    ("2.5.4.7", 15, "L", "localityName"),
    ("2.5.4.8", 16, "ST", "stateOrProvinceName"),
    ("2.5.4.9", 660, "street", "streetAddress"),
    ("2.5.4.10", 17, "O", "organizationName"),
    ("2.5.4.11", 18, "OU", "organizationalUnitName"),
    ("2.5.4.12", 106, "title", "title"),
    ("2.5.4.13", 107, "description", "description"),
    ("2.5.4.15", 860, "businessCategory", "businessCategory"),
    ("2.5.4.17", 661, "postalCode", "postalCode"),
    ("2.5.4.42", 99, "GN", "givenName"),
    ("2.5.4.43", 101, "initials", "initials"),
    ("2.5.4.46", 174, "dnQualifier", "dnQualifier"),
    ("2.5.4.97", 1089, "organizationIdentifier", "organizationIdentifier"),
    ("0.9.2342.19200300.100.1.1", 458, "UID", "userId"),
    ("0.9.2342.19200300.100.1.25", 391, "DC", "domainComponent"),
    ("1.2.840.113549.1.9.1", 48, "emailAddress", "emailAddress"),
    ("1.3.6.1.4.1.311.60.2.1.1", 955, "jurisdictionL", "jurisdictionLocalityName"),
    ("1.3.6.1.4.1.311.60.2.1.2", 956, "jurisdictionST", "jurisdictionStateOrProvinceName"),
    ("1.3.6.1.4.1.311.60.2.1.3", 957, "jurisdictionC", "jurisdictionCountryName"),
];

/// Common extensions: id, short and long name.
#[rustfmt::skip]
static EXTENSIONS: &[(&str, &str, &str)] = &[
    ("2.5.29.14", "subjectKeyIdentifier", "X509v3 Subject Key Identifier"),
    ("2.5.29.15", "keyUsage", "X509v3 Key Usage"),
    ("2.5.29.17", "subjectAltName", "X509v3 Subject Alternative Name"),
    ("2.5.29.18", "issuerAltName", "X509v3 Issuer Alternative Name"),
    ("2.5.29.19", "basicConstraints", "X509v3 Basic Constraints"),
    ("2.5.29.30", "nameConstraints", "X509v3 Name Constraints"),
    ("2.5.29.31", "crlDistributionPoints", "X509v3 CRL Distribution Points"),
    ("2.5.29.32", "certificatePolicies", "X509v3 Certificate Policies"),
    ("2.5.29.35", "authorityKeyIdentifier", "X509v3 Authority Key Identifier"),
    ("2.5.29.37", "extendedKeyUsage", "X509v3 Extended Key Usage"),
    ("1.3.6.1.5.5.7.1.1", "authorityInfoAccess", "Authority Information Access"),
    ("1.3.6.1.4.1.11129.2.4.2", "ct_precert_scts", "CT Precertificate SCTs"),
];

/// What a key may be used for.
#[rustfmt::skip]
static USAGES: &[(&str, &str)] = &[
    ("2.5.29.37.0", "Any Extended Key Usage"),
    ("1.3.6.1.5.5.7.3.1", "TLS Web Server Authentication"),
    ("1.3.6.1.5.5.7.3.2", "TLS Web Client Authentication"),
    ("1.3.6.1.5.5.7.3.3", "Code Signing"),
    ("1.3.6.1.5.5.7.3.4", "E-mail Protection"),
    ("1.3.6.1.5.5.7.3.8", "Time Stamping"),
    ("1.3.6.1.5.5.7.3.9", "OCSP Signing"),
];

/// How certificates are signed: id, OpenSSL's name, and what verifies it.
#[rustfmt::skip]
static SIGNATURES: &[(&str, &str, &[&dyn VerificationAlgorithm])] = &[
    ("1.2.840.113549.1.1.5", "sha1WithRSAEncryption", &[&of::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY]),
    ("1.2.840.113549.1.1.11", "sha256WithRSAEncryption", &[&of::RSA_PKCS1_2048_8192_SHA256]),
    ("1.2.840.113549.1.1.12", "sha384WithRSAEncryption", &[&of::RSA_PKCS1_2048_8192_SHA384]),
    ("1.2.840.113549.1.1.13", "sha512WithRSAEncryption", &[&of::RSA_PKCS1_2048_8192_SHA512]),
    ("1.2.840.113549.1.1.10", "rsassaPss", &[&of::RSA_PSS_2048_8192_SHA256, &of::RSA_PSS_2048_8192_SHA384, &of::RSA_PSS_2048_8192_SHA512]),
    ("1.2.840.10045.4.3.2", "ecdsa-with-SHA256", &[&of::ECDSA_P256_SHA256_ASN1, &of::ECDSA_P384_SHA256_ASN1, &of::ECDSA_P521_SHA256_ASN1]),
    ("1.2.840.10045.4.3.3", "ecdsa-with-SHA384", &[&of::ECDSA_P256_SHA384_ASN1, &of::ECDSA_P384_SHA384_ASN1, &of::ECDSA_P521_SHA384_ASN1]),
    ("1.2.840.10045.4.3.4", "ecdsa-with-SHA512", &[&of::ECDSA_P256_SHA512_ASN1, &of::ECDSA_P384_SHA512_ASN1, &of::ECDSA_P521_SHA512_ASN1]),
    ("1.3.101.112", "ED25519", &[&of::ED25519]),
];

impl Certificate {
    /// The first of a text; `format` is `PEM`, `DER`, or `*` for whichever it is. `None`: it cannot be read.
    pub fn read(text: &[u8], format: &str) -> Option<Self> {
        let section = || CertificateDer::from_pem_slice(text).ok();
        match format {
            "PEM" => Self::of_der(&section()?),
            "DER" => Self::of_der(text),
            "*" => match section() {
                Some(der) => Self::of_der(&der),
                None => Self::of_der(text),
            },
            _ => None,
        }
    }

    /// Of its bytes alone.
    pub fn of_der(der: &[u8]) -> Option<Self> {
        let (rest, certificate) = X509Certificate::from_der(der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let signature = certificate.signature_algorithm.algorithm.to_id_string();
        let known = SIGNATURES.iter().find(|(id, ..)| *id == signature);
        let mut read = Self {
            der: der.to_vec(),
            version: certificate.version().0 + 1,
            serial: der::unpadded(certificate.raw_serial()).to_vec(),
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
            subject: name(certificate.subject()),
            issuer: name(certificate.issuer()),
            public: certificate.public_key().raw.to_vec(),
            signature: known.map_or(signature.clone(), |(_, name, _)| (*name).to_owned()),
            names: Vec::new(),
            crl: Vec::new(),
            ocsp: Vec::new(),
            issuers: Vec::new(),
            constraints: None,
            extensions: Vec::new(),
        };
        for extension in certificate.extensions() {
            read.take(extension.parsed_extension());
            let id = extension.oid.to_id_string();
            let known = EXTENSIONS.iter().find(|(of, ..)| *of == id);
            read.extensions.push(Extension {
                short: known.map(|(_, short, _)| *short),
                long: known.map(|(.., long)| *long),
                critical: extension.critical,
                text: text_of(extension.parsed_extension(), extension.value)
                    .unwrap_or_else(|| colons(extension.value)),
                der: extension.value.to_vec(),
                id,
            });
        }
        Some(read)
    }

    fn take(&mut self, extension: &ParsedExtension<'_>) {
        match extension {
            ParsedExtension::SubjectAlternativeName(names) => {
                self.names = names.general_names.iter().filter_map(general).collect();
            }
            ParsedExtension::BasicConstraints(constraints) => {
                self.constraints = Some((constraints.ca, constraints.path_len_constraint));
            }
            ParsedExtension::CRLDistributionPoints(points) => {
                for point in points.iter() {
                    if let Some(DistributionPointName::FullName(names)) = &point.distribution_point
                    {
                        self.crl.extend(names.iter().filter_map(uri));
                    }
                }
            }
            ParsedExtension::AuthorityInfoAccess(access) => {
                for one in access.iter() {
                    let list = match one.access_method.to_id_string().as_str() {
                        "1.3.6.1.5.5.7.48.1" => &mut self.ocsp,
                        "1.3.6.1.5.5.7.48.2" => &mut self.issuers,
                        _ => continue,
                    };
                    list.extend(uri(&one.access_location));
                }
            }
            _ => {}
        }
    }

    /// As PEM.
    pub fn pem(&self) -> String {
        pem(&self.der)
    }
}

/// A certificate's bytes as PEM.
pub fn pem(der: &[u8]) -> String {
    der::pem("CERTIFICATE", der)
}

/// A name as RFC 2253 writes it, the last member first: `CN=me,O=mine`.
pub fn rfc2253(name: &[Attribute]) -> String {
    let member = |attribute: &Attribute| {
        let text = String::from_utf8_lossy(&attribute.value);
        let mut out = format!("{}=", attribute.short);
        let last = text.chars().count().saturating_sub(1);
        for (at, c) in text.chars().enumerate() {
            let at_edge = c == ' ' && (at == 0 || at == last) || c == '#' && at == 0;
            if at_edge || ",+\"\\<>;".contains(c) {
                out.push('\\');
            }
            match c {
                // OpenSSL escapes what is not printable, byte by byte.
                '\0'..='\x1f' | '\x7f'.. => {
                    let mut room = [0; 4];
                    for byte in c.encode_utf8(&mut room).bytes() {
                        out.push_str(&format!("\\{byte:02X}"));
                    }
                }
                _ => out.push(c),
            }
        }
        out
    };
    let members: Vec<_> = name.iter().rev().map(member).collect();
    members.join(",")
}

/// Whether the key, a `SubjectPublicKeyInfo`, signed the certificate.
pub(super) fn is_signed_by(der: &[u8], public: &[u8]) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else {
        return false;
    };
    let id = certificate.signature_algorithm.algorithm.to_id_string();
    let known = SIGNATURES.iter().find(|(of, ..)| *of == id);
    let (text, signature) = (
        certificate.tbs_certificate.as_ref(),
        &certificate.signature_value.data,
    );
    known.is_some_and(|(.., algorithms)| {
        algorithms.iter().any(|algorithm| {
            let key = ParsedPublicKey::new(*algorithm, public);
            key.is_ok_and(|key| key.verify_sig(text, signature).is_ok())
        })
    })
}

fn name(name: &X509Name<'_>) -> Vec<Attribute> {
    let attribute = |attribute: &x509_parser::x509::AttributeTypeAndValue<'_>| {
        let id = attribute.attr_type().to_id_string();
        let known = ATTRIBUTES.iter().find(|(of, ..)| *of == id);
        let (number, short, long) = match known {
            Some((_, number, short, long)) => (*number, *short, *long),
            None => (0, id.as_str(), id.as_str()),
        };
        Attribute {
            number,
            short: short.to_owned(),
            long: long.to_owned(),
            value: attribute.as_slice().to_vec(),
            id,
        }
    };
    name.iter_attributes().map(attribute).collect()
}

fn uri(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::URI(uri) => Some((*uri).to_owned()),
        _ => None,
    }
}

/// Kind and name, as `resty.openssl.x509.altname` tells them.
fn general(name: &GeneralName<'_>) -> Option<(&'static str, String)> {
    Some(match name {
        GeneralName::DNSName(name) => ("DNS", (*name).to_owned()),
        GeneralName::RFC822Name(name) => ("email", (*name).to_owned()),
        GeneralName::URI(name) => ("URI", (*name).to_owned()),
        GeneralName::IPAddress(bytes) => ("IP", address(bytes)?.to_string()),
        GeneralName::DirectoryName(of) => ("DirName", rfc2253(&self::name(of))),
        GeneralName::RegisteredID(id) => ("RID", id.to_id_string()),
        _ => return None,
    })
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

/// All groups of an IPv6 address, as OpenSSL prints them.
fn printed(address: &str) -> String {
    match address.parse() {
        Ok(IpAddr::V6(v6)) => {
            let groups = v6.segments().map(|group| format!("{group:X}"));
            groups.join(":")
        }
        _ => address.to_owned(),
    }
}

/// `0A:FF`
fn colons(bytes: &[u8]) -> String {
    let pairs: Vec<_> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

/// As OpenSSL prints it, for those that are read most.
fn text_of(extension: &ParsedExtension<'_>, value: &[u8]) -> Option<String> {
    let list = |pairs: &[(bool, &'static str)]| {
        let names = pairs.iter().filter(|(there, _)| *there);
        names.map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
    };
    Some(match extension {
        ParsedExtension::BasicConstraints(of) => {
            let ca = if of.ca { "CA:TRUE" } else { "CA:FALSE" };
            match of.path_len_constraint {
                Some(depth) => format!("{ca}, pathlen:{depth}"),
                None => ca.to_owned(),
            }
        }
        ParsedExtension::KeyUsage(of) => list(&[
            (of.digital_signature(), "Digital Signature"),
            (of.non_repudiation(), "Non Repudiation"),
            (of.key_encipherment(), "Key Encipherment"),
            (of.data_encipherment(), "Data Encipherment"),
            (of.key_agreement(), "Key Agreement"),
            (of.key_cert_sign(), "Certificate Sign"),
            (of.crl_sign(), "CRL Sign"),
            (of.encipher_only(), "Encipher Only"),
            (of.decipher_only(), "Decipher Only"),
        ]),
        ParsedExtension::ExtendedKeyUsage(_) => {
            let ids = der::inside(value)?;
            let usage = |(_, id): &(u8, &[u8])| {
                let id = Oid::new(Cow::from(*id)).to_id_string();
                let known = USAGES.iter().find(|(of, _)| *of == id);
                known.map_or(id.clone(), |(_, name)| (*name).to_owned())
            };
            ids.iter().map(usage).collect::<Vec<_>>().join(", ")
        }
        ParsedExtension::SubjectAlternativeName(of) => {
            let shown = |(kind, name): (&str, String)| match kind {
                "IP" => format!("IP Address:{}", printed(&name)),
                kind => format!("{kind}:{name}"),
            };
            let names = of.general_names.iter().filter_map(general).map(shown);
            names.collect::<Vec<_>>().join(", ")
        }
        ParsedExtension::SubjectKeyIdentifier(id) => colons(id.0),
        ParsedExtension::AuthorityKeyIdentifier(of) => colons(of.key_identifier.as_ref()?.0),
        _ => return None,
    })
}
