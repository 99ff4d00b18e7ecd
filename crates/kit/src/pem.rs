//! Text of certificates and keys (PEM, RFC 7468).

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

/// `der` as PEM with `label`, such as `CERTIFICATE` or `PRIVATE KEY`, in lines that end
/// with LF.
pub fn encode(label: &str, der: &[u8]) -> String {
    pem::encode_config(
        &pem::Pem::new(label, der),
        pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF),
    )
}

/// The certificates of authorities in `text`: at least one, each usable as a root.
pub(crate) fn authorities(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let all = all.map_err(|why| format!("not PEM: {why}"))?;
    if all.is_empty() {
        return Err("it contains no certificate".to_owned());
    }
    let mut roots = RootCertStore::empty();
    for one in &all {
        let added = roots.add(one.clone());
        added.map_err(|why| format!("it contains an unusable certificate: {why}"))?;
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
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
