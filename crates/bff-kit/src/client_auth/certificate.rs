//! A client's TLS certificate (RFC 8705), and the ports that ask for it.

use kit::net::Trust;
use oidc_http::Backchannel;
use token_verify::Issuer;

/// The app's client with a certificate, and the mTLS ports where it presents it.
#[derive(Clone, Debug)]
pub struct MtlsPeers {
    /// Who vouches for the ports, and the certificate that they get.
    pub trust: Trust,
    /// API-1's mTLS port, without a path.
    pub api1_url: String,
    /// The provider, as its metadata names it.
    pub issuer: Issuer,
    /// The address at which this service reaches the provider's mTLS port; without it, the
    /// provider's metadata says where it is.
    pub idp_url: Option<String>,
}

/// A client that authenticates by its certificate (RFC 8705 §2): the connection brings it.
#[derive(Clone, Debug)]
pub struct CertificateAuth {
    backchannel: Backchannel,
    idp_url: Option<String>,
}

impl MtlsPeers {
    /// The client, as the provider sees it.
    pub(crate) fn client(&self) -> CertificateAuth {
        let issuer = self.issuer.clone().trusting(self.trust.clone());
        CertificateAuth {
            backchannel: Backchannel::new(issuer),
            idp_url: self.idp_url.clone(),
        }
    }
}

impl CertificateAuth {
    /// The way to the provider, with the certificate.
    pub(crate) const fn backchannel(&self) -> &Backchannel {
        &self.backchannel
    }

    /// Where this service reaches the endpoint `alias` of `mtls_endpoint_aliases` (RFC 8705
    /// §5). `None` if that is no https address: another one could not ask for the
    /// certificate.
    pub(crate) fn reach(&self, alias: &str) -> Option<String> {
        let url = url::Url::parse(alias).ok()?;
        if url.scheme() != "https" {
            return None;
        }
        Some(match &self.idp_url {
            Some(base) => format!("{}{}", base.trim_end_matches('/'), url.path()),
            None => alias.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auth(idp_url: Option<&str>) -> CertificateAuth {
        let peers = MtlsPeers {
            trust: Trust::default(),
            api1_url: "https://api1.test:8484".to_owned(),
            issuer: Issuer::new("https://idp.test", "http://idp.cluster:8081"),
            idp_url: idp_url.map(str::to_owned),
        };
        peers.client()
    }

    #[test]
    fn rfc8705_5_the_alias_is_used_at_its_own_address_or_at_the_internal_one() {
        let alias = "https://idp.test:8481/token";
        assert_eq!(auth(None).reach(alias).as_deref(), Some(alias));
        let inside = auth(Some("https://idp.cluster:8481/")).reach(alias);
        assert_eq!(inside.as_deref(), Some("https://idp.cluster:8481/token"));
        for wrong in ["http://idp.test:8481/token", "/token", ""] {
            assert_eq!(auth(None).reach(wrong), None, "{wrong:?}");
        }
    }
}
