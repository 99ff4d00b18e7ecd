//! Text of certificates and keys (PEM, RFC 7468).

use rustls::{
    RootCertStore,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{Error, PemObject as _},
    },
};

/// `der` as PEM with `label`, such as `CERTIFICATE` or `PRIVATE KEY`, in lines that end
/// with LF.
pub fn encode(label: &str, der: &[u8]) -> String {
    pem::encode_config(
        &pem::Pem::new(label, der),
        pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF),
    )
}

/// The certificates in `text`, at least one. An error contains no part of `text`.
pub(crate) fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let all = all.map_err(|why| reason(&why))?;
    if all.is_empty() {
        return Err("it contains no certificate");
    }
    Ok(all)
}

/// The first private key in `text` (PKCS #8, PKCS #1 or SEC 1). An error contains no part
/// of `text`.
pub(crate) fn private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, &'static str> {
    PrivateKeyDer::from_pem_slice(text).map_err(|why| match why {
        Error::NoItemsFound => "it contains no private key (PEM, not encrypted)",
        why => reason(&why),
    })
}

/// What is wrong with a text. The library's own words quote the line of a damaged section
/// start, and where a line break is missing, that line contains the key.
const fn reason(why: &Error) -> &'static str {
    match why {
        Error::MissingSectionEnd { .. } => "not PEM: a section has no END line",
        Error::IllegalSectionStart { .. } => "not PEM: the BEGIN line of a section is damaged",
        Error::Base64Decode(_) => "not PEM: a section is not base64",
        Error::SectionTooLarge => "not PEM: a section is too large",
        _ => "not PEM",
    }
}

/// The certificates of authorities in `text`: at least one, each usable as a root.
pub(crate) fn authorities(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all = certificates(text)?;
    let mut roots = RootCertStore::empty();
    for one in &all {
        let added = roots.add(one.clone());
        added.map_err(|why| format!("it contains an unusable certificate: {why}"))?;
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    /// A key without the line break after its BEGIN line: the library's error quotes it.
    #[test]
    fn a_damaged_begin_line_shows_no_part_of_the_key() {
        let text = super::encode("PRIVATE KEY", &[7; 60]);
        let secret = text.lines().nth(1).unwrap();
        for damaged in [
            text.replace("-----\nB", "B"),
            text.replace("KEY-----\n", "KEY----"),
            text.replace("-----END", "----END"),
        ] {
            assert!(damaged.contains(secret));
            for error in [
                super::private_key(damaged.as_bytes()).unwrap_err(),
                super::certificates(damaged.as_bytes()).unwrap_err(),
            ] {
                assert!(!error.contains(secret) && error.len() < 80, "{error}");
            }
        }
    }

    #[test]
    fn rfc7468_3_lines_have_64_characters() {
        let text = super::encode("CERTIFICATE", &[0; 60]);
        let lines: Vec<_> = text.split_terminator('\n').collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert_eq!(lines[0], "-----BEGIN CERTIFICATE-----");
        assert_eq!(lines[1], "A".repeat(64));
        assert_eq!(lines[2], "A".repeat(16));
        assert_eq!(lines[3], "-----END CERTIFICATE-----");
    }
}
