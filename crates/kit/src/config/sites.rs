//! The sites of a deployment.

use std::str::FromStr;

/// A service with its own host name: to a browser, a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Site {
    /// The start page.
    Lab,
    /// The OpenID Provider; its second port speaks gRPC, its third one mTLS.
    Idp,
    /// The first app.
    App1,
    /// The second app.
    App2,
    /// Orders; its second port speaks mTLS.
    Api1,
    /// Inventory; its second port speaks gRPC.
    Api2,
    /// The single-page app: a public client of the provider.
    Spa,
    /// The attacker's site.
    Evil,
}

impl Site {
    /// All sites, in the order of their ports.
    pub const ALL: [Self; 8] = [
        Self::Lab,
        Self::Idp,
        Self::App1,
        Self::App2,
        Self::Api1,
        Self::Api2,
        Self::Spa,
        Self::Evil,
    ];

    /// The first label of the host name.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Lab => "lab",
            Self::Idp => "idp",
            Self::App1 => "app1",
            Self::App2 => "app2",
            Self::Api1 => "api1",
            Self::Api2 => "api2",
            Self::Spa => "spa",
            Self::Evil => "evil",
        }
    }

    /// The name on pages, in diagrams and in style sheets (`of-idp`, `--idp`).
    pub const fn short_name(self) -> &'static str {
        match self {
            Self::Api1 => "api-1",
            Self::Api2 => "api-2",
            other => other.label(),
        }
    }

    /// The name in words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lab => "The lab",
            Self::Idp => "Identity provider",
            Self::App1 => "First app",
            Self::App2 => "Second app",
            Self::Api1 => "Orders",
            Self::Api2 => "Inventory",
            Self::Spa => "Single-page app",
            Self::Evil => "The attacker",
        }
    }

    /// What the site does.
    pub const fn role(self) -> &'static str {
        match self {
            Self::Lab => "Start page",
            Self::Idp => "Knows who you are, issues tokens",
            Self::App1 | Self::App2 => "BFF, tokens in the backend",
            Self::Api1 => "API-1, resource server",
            Self::Api2 => "API-2, resource server",
            Self::Spa => "Public client, tokens in the browser",
            Self::Evil => "Another site, with attacks",
        }
    }

    /// How far the port is from the port of `other`.
    pub(crate) const fn distance(self, other: Self) -> u16 {
        self.default_port().saturating_sub(other.default_port())
    }

    pub(super) const fn default_port(self) -> u16 {
        8080 + self as u16
    }

    pub(super) const fn default_grpc_port(self) -> Option<u16> {
        match self {
            Self::Idp => Some(9081),
            Self::Api2 => Some(9085),
            _ => None,
        }
    }

    pub(super) const fn default_mtls_port(self) -> Option<u16> {
        match self {
            Self::Idp => Some(8481),
            Self::Api1 => Some(8484),
            _ => None,
        }
    }
}

/// The sites that a deployment has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sites(u8);

impl Sites {
    /// The labels of all sites, as `SITES` lists them.
    pub const LABELS: &'static str = "lab,idp,app1,app2,api1,api2,spa,evil";

    /// Whether the deployment has `site`.
    pub const fn has(self, site: Site) -> bool {
        self.0 & (1 << site as u8) != 0
    }

    /// The same sites, with `site`.
    #[must_use]
    pub const fn and(self, site: Site) -> Self {
        Self(self.0 | (1 << site as u8))
    }

    /// The same sites, without `site`.
    #[must_use]
    pub const fn without(self, site: Site) -> Self {
        Self(self.0 & !(1 << site as u8))
    }
}

impl Default for Sites {
    /// All sites.
    fn default() -> Self {
        Self(u8::MAX)
    }
}

impl FromStr for Sites {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut sites = Self(0);
        for label in text.split(',').map(str::trim) {
            let site = Site::ALL.into_iter().find(|site| site.label() == label);
            let known = || format!("{label:?} is none of {}", Self::LABELS);
            sites = sites.and(site.ok_or_else(known)?);
        }
        Ok(sites)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_are_read_from_their_labels() {
        assert_eq!(Sites::LABELS.parse(), Ok(Sites::default()));
        for site in Site::ALL {
            assert!(Sites::default().has(site) && !Sites::default().without(site).has(site));
        }
        for wrong in ["", "idp,", "idp app1", "IDP", "all"] {
            assert!(wrong.parse::<Sites>().is_err(), "{wrong:?}");
        }
    }
}
