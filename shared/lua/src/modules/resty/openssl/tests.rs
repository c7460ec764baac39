//! Keys and certificates that OpenSSL made, read and written.

use super::certificate::{Certificate, rfc2253};
use crate::modules::tests::state;
use crate::tests::answer;

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("fixtures/", $name))
    };
}

/// Runs Lua that has `ca`, `leaf` and the texts of keys.
fn said(body: &str) -> String {
    let texts = [
        ("ca_text", fixture!("ca.crt")),
        ("leaf_text", fixture!("leaf.crt")),
        ("ec_key", fixture!("ca.key")),
        ("ec_pkcs8", fixture!("ca.pkcs8")),
        ("ec_pub", fixture!("ca.pub")),
        ("rsa_key", fixture!("leaf.key")),
        ("rsa_pkcs8", fixture!("leaf.pkcs8")),
        ("rsa_pub", fixture!("leaf.pub")),
        ("ed_key", fixture!("ed.key")),
        ("ed_pub", fixture!("ed.pub")),
    ];
    let mut source = String::new();
    for (name, text) in texts {
        source.push_str(&format!("local {name} = [[\n{text}]]\n"));
    }
    source.push_str(
        "local x509, pkey = require('resty.openssl.x509'), require('resty.openssl.pkey')
         local digest, bn = require('resty.openssl.digest'), require('resty.openssl.bn')
         local hex = require('resty.string').to_hex
         local function show(...)
           local texts = {}
           for i = 1, select('#', ...) do texts[i] = tostring((select(i, ...))) end
           return table.concat(texts, ' ')
         end
         local ca, leaf = assert(x509.new(ca_text)), assert(x509.new(leaf_text, 'PEM'))\n",
    );
    source.push_str(&format!("return show({body})"));
    answer(&state(), &source).unwrap_or_else(|error| format!("error: {error}"))
}

#[test]
fn what_certificates_say() {
    let cases = [
        (
            "leaf:get_subject_name():tostring()",
            "C=DE/CN=client.example/O=Rock, Paper/OU=Two/emailAddress=me@client.example",
        ),
        (
            "tostring(leaf:get_issuer_name())",
            "C=DE/CN=Test CA/O=Headgate Tests",
        ),
        (
            "leaf:get_subject_name():find('CN').blob, leaf:get_subject_name():find('commonName').sn",
            "client.example CN",
        ),
        (
            "(function() local n = leaf:get_subject_name() local one, at = n:find('OU') local two = n:find('OU', at) return one.blob .. at .. tostring(two) .. tostring(n:find('L')) end)()",
            "Two3nilnil",
        ),
        (
            "(function() local all = {} for k, v in pairs(leaf:get_subject_name()) do all[#all + 1] = k .. v.nid .. v.id end return table.concat(all, ' ', 1, 2) end)()",
            "C142.5.4.6 O172.5.4.10",
        ),
        (
            "#leaf:get_subject_name(), leaf:get_subject_name():count(), leaf:get_subject_name()[1][1], leaf:get_subject_name():all().CN.ln",
            "5 5 C commonName",
        ),
        (
            "leaf:get_serial_number():to_hex(), leaf:get_serial_number():to_dec(), ca:get_serial_number():to_number()",
            "FEDCBA98765432100123456789 20192265560968774111035004381065 1",
        ),
        (
            "leaf:get_not_before(), leaf:get_not_after(), leaf:get_lifetime()",
            "1795349987 4948949987 1795349987 4948949987",
        ),
        ("leaf:get_version()", "3"),
        (
            "hex(leaf:digest()), hex(leaf:digest('sha256'))",
            "7c6ee9d743eb03d2ffdfa8ea9cc7fdcb98c5bd47 bd1df8681040da8b4a785d4f0d12bad44dbd7f6e25fe91f07a563c8d059848c2",
        ),
        (
            "hex(leaf:pubkey_digest())",
            "8be9e2fd87f8d13e7fd7e30350620d569997cbd4",
        ),
        (
            "leaf:to_PEM() == leaf_text, tostring(leaf) == leaf_text, leaf:tostring('DER') == x509.new(leaf:tostring('DER'), 'DER'):tostring('DER')",
            "true true true",
        ),
        (
            "leaf:get_pubkey():to_PEM() == rsa_pub, ca:get_pubkey():tostring() == ec_pub",
            "true true",
        ),
        (
            "leaf:verify(ca:get_pubkey()), leaf:verify(leaf:get_pubkey()), ca:verify(pkey.new(ec_key))",
            "true false true",
        ),
        ("leaf:check_private_key(pkey.new(rsa_key))", "true"),
        (
            "leaf:check_private_key(pkey.new(ec_key))",
            "false x509:check_private_key: key values mismatch",
        ),
        (
            "leaf:check_private_key(pkey.new(rsa_pub))",
            "false x509:check_private_key: not a private key",
        ),
        (
            "leaf:get_signature_name(), leaf:get_signature_digest_name()",
            "ecdsa-with-SHA256 SHA256",
        ),
        (
            "tostring(leaf:get_subject_alt_name())",
            "DNS=client.example/DNS=*.client.example/IP=10.1.2.3/IP=fd00::1/URI=spiffe://x/y/email=me@client.example",
        ),
        (
            "(function() local all = {} for kind, name in pairs(leaf:get_subject_alt_name()) do all[#all + 1] = kind end return table.concat(all, ' ') end)()",
            "DNS DNS IP IP URI email",
        ),
        ("ca:get_subject_alt_name()", "nil"),
        (
            "ca:get_basic_constraints('CA'), ca:get_basic_constraints().pathlen, leaf:get_basic_constraints('ca')",
            "true 1 false",
        ),
        (
            "leaf:get_crl_url(), #leaf:get_crl_url(true), leaf:get_ocsp_url(), leaf:get_ca_issuers_url(), ca:get_crl_url()",
            "http://crl.example/1 2 http://ocsp.example http://ca.example/ca.crt nil",
        ),
        (
            "leaf:get_extension('keyUsage')",
            "Digital Signature, Key Encipherment 2",
        ),
        (
            "leaf:get_extension('extendedKeyUsage'):text()",
            "TLS Web Client Authentication, TLS Web Server Authentication",
        ),
        (
            "ca:get_extension('basicConstraints'):text(), ca:get_extension('2.5.29.19'):get_critical(), leaf:get_extension_critical('keyUsage')",
            "CA:TRUE, pathlen:1 true false",
        ),
        (
            "leaf:get_extension('subjectAltName'):text()",
            "DNS:client.example, DNS:*.client.example, IP Address:10.1.2.3, IP Address:FD00:0:0:0:0:0:0:1, URI:spiffe://x/y, email:me@client.example",
        ),
        (
            "leaf:get_extension('authorityKeyIdentifier'):text()",
            "7A:D0:1B:47:0C:EB:CB:E2:89:BB:19:34:F2:63:CE:C1:E3:14:EC:E6",
        ),
        (
            "leaf:get_extension('nothing'), #leaf:get_extensions()",
            "nil 8",
        ),
        (
            "x509.new('nonsense')",
            "nil x509.new: the certificate cannot be read",
        ),
        (
            "x509.new(leaf_text, 'DER')",
            "nil x509.new: the certificate cannot be read",
        ),
        (
            "x509.new(leaf_text, 'XML')",
            "nil x509.new: unknown format: XML",
        ),
        ("x509.new({})", "nil x509.new: expect nil or a string at #1"),
        (
            "x509.istype(leaf), x509.istype({}), x509.istype(pkey.new(ec_key))",
            "true false false",
        ),
        (
            "pcall(leaf.set_version, leaf, 3)",
            "false resty.openssl.x509: certificates are not made here",
        ),
        (
            "leaf:verify({})",
            "nil x509:verify: expect a pkey instance at #1",
        ),
    ];
    for (body, expected) in cases {
        assert_eq!(said(body), expected, "{body}");
    }
}

#[test]
fn keys_are_read_and_written_as_openssl_does() {
    let cases = [
        (
            "pkey.new(rsa_key):to_PEM('private') == rsa_pkcs8, pkey.new(rsa_pkcs8):to_PEM() == rsa_pub, pkey.new(rsa_pub):tostring() == rsa_pub",
            "true true true",
        ),
        (
            "pkey.new(ec_key):to_PEM('private') == ec_pkcs8, pkey.new(ec_pkcs8):to_PEM() == ec_pub",
            "true true",
        ),
        (
            "pkey.new(ed_key):to_PEM('private') == ed_key, pkey.new(ed_key):to_PEM() == ed_pub",
            "true true",
        ),
        ("pkey.new(leaf_text):to_PEM() == rsa_pub", "true"),
        (
            "(function() for _, text in ipairs({ rsa_key, ec_key, ed_key }) do
               local key = pkey.new(text)
               for _, format in ipairs({ 'PEM', 'DER', 'JWK' }) do
                 for _, which in ipairs({ 'private', 'public' }) do
                   local again = assert(pkey.new(key:tostring(which, format), { format = format }))
                   assert(again:to_PEM() == key:to_PEM(), format .. which)
                   assert(again:is_private() == (which == 'private'), format .. which)
                 end
               end
             end return 'all' end)()",
            "all",
        ),
        (
            "pkey.new(rsa_key):get_key_type().sn, pkey.new(ec_key):get_key_type(true), pkey.new(ed_key):get_key_type().ln",
            "rsaEncryption 408 ED25519",
        ),
        (
            "pkey.new(rsa_key):get_size(), pkey.new(ec_key):get_size(), pkey.new(ed_key):get_size()",
            "256 72 64",
        ),
        (
            "pkey.new(rsa_pub):get_parameters().e:to_number(), #pkey.new(rsa_pub):get_parameters().n:to_hex(), pkey.new(rsa_pub):get_parameters().d",
            "65537 512 nil",
        ),
        (
            "pkey.new(ec_key):get_parameters().x:to_hex(), pkey.new(ec_key):get_parameters().group",
            "4818BE180D44753C3EA322F40B188DC5503F2C9C8A475962846A0814D43AEC4A 415",
        ),
        (
            "pkey.new(ec_key):get_parameters().private:to_hex()",
            "758C494D0E6A4238B5F891CEF5D683689069852D7AF34DA90764550A1809E4B0",
        ),
        (
            "pkey.new(rsa_pub, { type = 'pr' })",
            "nil pkey.new: the key is not a private one",
        ),
        ("pkey.new(rsa_key, { type = 'pu' }):is_private()", "false"),
        (
            "pkey.new('nonsense')",
            "nil pkey.new: the key cannot be read",
        ),
        (
            "pkey.new(rsa_key, { format = 'XML' })",
            "nil pkey.new: unknown format: XML",
        ),
        (
            "pkey.new('{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}', { format = 'JWK' })",
            "nil pkey.new: the key cannot be read",
        ),
        ("pkey.new(1)", "nil pkey.new: unexpected type number at #1"),
        (
            "pkey.new(rsa_pub):tostring('private')",
            "nil pkey:tostring: the key is not a private one",
        ),
        (
            "pkey.new(rsa_pub):tostring('public', 'XML')",
            "nil pkey:tostring: unknown format: XML",
        ),
        (
            "pkey.new({ type = 'EC', curve = 'secp384r1' }):get_parameters().group, pkey.new({ type = 'Ed25519' }):is_private()",
            "715 true",
        ),
        (
            "pkey.new({ type = 'EC', curve = 'x' })",
            "nil pkey.new: unknown curve: x",
        ),
        (
            "pkey.new({ bits = 512 })",
            "nil pkey.new: expected 2048, 3072 or 4096 bits, got 512",
        ),
        (
            "pkey.new({ type = 'DSA' })",
            "nil pkey.new: unsupported type DSA",
        ),
        (
            "pkey.istype(pkey.new(ec_key)), pkey.istype({})",
            "true false",
        ),
        (
            "pcall(pkey.new(ec_key).derive)",
            "false resty.openssl.pkey: derive is not supported",
        ),
    ];
    for (body, expected) in cases {
        assert_eq!(said(body), expected, "{body}");
    }
}

#[test]
fn signatures_of_openssl_are_verified() {
    const EC: &str = "MEQCIDTBYQwCHyVk4Zg+fxA4zfLbxDZkGip1KIkCvyYLOWFXAiBhec4isInDrtpmx8wSyG6MgTs6kXN+acpyn0ny5yYXsA==";
    const RSA: &str = "MS2Pmo6DtI+pihTO+gXwbsdW7Wg4fhFPtoNLnbJHxSR29KzEaoYv5tROfOQRmmefzxqoe1ZEz3/PxI9RDQC1ABuBxpj3LaIFQpsEnGyd/WRNF8eFXSB0PJR+hxQoclVQFwH5QHwCZOBrv0kGXcbMlM3uN9U5NJAbOhiZiC903BhsJLwv432tAm4N9Z6GYwQuyVZn9fS+4mYQMSKRP3O8nigOJwkVprSWOS+npG7VkEzhEvaOVcWr/xb8cgWXhldPirW3H94AjiO7L18ZLLdSajqZMOr6eiGQt8VWVu8hPs8q8f3rp97XEx9sESXK9gc+x066nyAOQviXUw4uHcI/mQ==";
    let cases = [
        (format!("pkey.new(ec_pub):verify(ngx.decode_base64('{EC}'), 'text', 'sha256')"), "true"),
        (format!("pkey.new(ec_pub):verify(ngx.decode_base64('{EC}'), 'other', 'sha256')"), "false"),
        (format!("pkey.new(rsa_pub):verify(ngx.decode_base64('{RSA}'), 'text', 'sha512')"), "true"),
        (format!("pkey.new(rsa_pub):verify(ngx.decode_base64('{RSA}'), 'text', 'sha256')"), "false"),
        (
            "(function() local d = digest.new('sha512') d:update('te', 'xt') local key = pkey.new(rsa_key)
              local s = key:sign(d) return key:verify(s, d), key:verify(s, 'text', 'sha512'), #s end)()".to_owned(),
            "true true 256",
        ),
        (
            "(function() local key = pkey.new(ec_key) local s = key:sign('text', 'sha256', nil, { ecdsa_use_raw = true })
              return #s, key:verify(s, 'text', 'sha256', nil, { ecdsa_use_raw = true }) end)()".to_owned(),
            "64 true",
        ),
        ("pkey.new(ed_pub):verify(pkey.new(ed_key):sign('text'), 'text')".to_owned(), "true"),
        ("pkey.new(rsa_pub):sign('text')".to_owned(), "nil pkey:sign: the key is not a private one"),
        ("pkey.new(rsa_key):sign()".to_owned(), "nil pkey:sign: expect a digest instance or a string at #1"),
        ("pkey.new(rsa_key):verify('x')".to_owned(), "nil pkey:verify: expect strings at #1 and #2"),
    ];
    for (body, expected) in cases {
        assert_eq!(said(&body), expected, "{body}");
    }
}

#[test]
fn numbers() {
    let cases = [
        (
            "bn.new(258):to_hex(), bn.from_hex('0102') == bn.new(258), bn.new(0):to_dec(), bn.new(0):is_zero()",
            "0102 true 0 true",
        ),
        (
            "bn.from_binary(('\\255'):rep(16)):to_dec()",
            "340282366920938463463374607431768211455",
        ),
        (
            "#bn.new(1):to_binary(4), bn.new(258):num_bits(), bn.new(1) < bn.new(258)",
            "4 9 true",
        ),
        (
            "bn.from_hex('xyz')",
            "nil bn.from_hex: expect hexadecimal digits at #1",
        ),
        (
            "bn.new(-1)",
            "nil bn.new: expect a whole number that is not negative at #1",
        ),
    ];
    for (body, expected) in cases {
        assert_eq!(said(body), expected, "{body}");
    }
}

#[test]
fn names_are_written_backwards() {
    let leaf = Certificate::read(fixture!("leaf.crt").as_bytes(), "PEM").expect("a certificate");
    assert_eq!(
        rfc2253(&leaf.subject),
        "emailAddress=me@client.example,CN=client.example,OU=Two,O=Rock\\, Paper,C=DE"
    );
    let mut odd = leaf.subject[..1].to_vec();
    odd[0].value = " #a;ü\u{1}b ".as_bytes().to_vec();
    assert_eq!(rfc2253(&odd), "C=\\ #a\\;\\C3\\BC\\01b\\ ");
}
