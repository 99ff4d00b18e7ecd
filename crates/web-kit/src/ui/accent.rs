//! Whose page it is.

use kit::config::Site;

/// A service's identity on its pages and in diagrams. The colours themselves
/// are custom properties in `assets/colours.css`, under the same labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Accent {
    /// The start page.
    Lab,
    /// The OpenID Provider.
    Idp,
    /// The first app.
    App1,
    /// The second app.
    App2,
    /// Orders.
    Api1,
    /// Inventory.
    Api2,
    /// The single-page app.
    Spa,
    /// The attacker's site.
    Evil,
}

impl Accent {
    /// The stations of the line in every page's band, in its order.
    pub const LINE: &'static [Self] = &[
        Self::Lab,
        Self::Idp,
        Self::App1,
        Self::App2,
        Self::Api1,
        Self::Api2,
        Self::Spa,
        Self::Evil,
    ];

    /// The name of its CSS custom property (`--idp`) and class (`of-idp`).
    pub const fn label(self) -> &'static str {
        match self {
            Self::Lab => "lab",
            Self::Idp => "idp",
            Self::App1 => "app1",
            Self::App2 => "app2",
            Self::Api1 => "api-1",
            Self::Api2 => "api-2",
            Self::Spa => "spa",
            Self::Evil => "evil",
        }
    }

    /// Its name in words.
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

    /// What it does in the lab.
    pub const fn role(self) -> &'static str {
        match self {
            Self::Lab => "Start page",
            Self::Idp => "Knows who you are, issues tokens",
            Self::App1 | Self::App2 => "Backend for frontend, keeps the tokens",
            Self::Api1 => "API-1, resource server",
            Self::Api2 => "API-2, resource server",
            Self::Spa => "Public client, tokens in the browser",
            Self::Evil => "Another site, which wishes no good",
        }
    }
}

impl Accent {
    /// The site that has it.
    pub const fn site(self) -> Site {
        match self {
            Self::Lab => Site::Lab,
            Self::Idp => Site::Idp,
            Self::App1 => Site::App1,
            Self::App2 => Site::App2,
            Self::Api1 => Site::Api1,
            Self::Api2 => Site::Api2,
            Self::Spa => Site::Spa,
            Self::Evil => Site::Evil,
        }
    }
}

impl From<Site> for Accent {
    fn from(site: Site) -> Self {
        match site {
            Site::Lab => Self::Lab,
            Site::Idp => Self::Idp,
            Site::App1 => Self::App1,
            Site::App2 => Self::App2,
            Site::Api1 => Self::Api1,
            Site::Api2 => Self::Api2,
            Site::Spa => Self::Spa,
            Site::Evil => Self::Evil,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const CSS: &str = include_str!("../../assets/colours.css");

    type Rgb = [f64; 3];

    /// The two blocks of custom properties: light, then dark.
    fn schemes() -> [BTreeMap<&'static str, Rgb>; 2] {
        hex_schemes().map(|scheme| {
            scheme
                .into_iter()
                .map(|(name, hex)| (name, rgb(hex)))
                .collect()
        })
    }

    fn hex_schemes() -> [BTreeMap<&'static str, &'static str>; 2] {
        let (light, dark) = CSS
            .split_once("@media (prefers-color-scheme: dark)")
            .unwrap();
        [light, dark].map(|block| {
            let properties = block
                .lines()
                .filter_map(|line| line.trim().strip_prefix("--"));
            properties
                .filter_map(|line| line.split_once(": #"))
                .collect()
        })
    }

    fn rgb(hex: &str) -> Rgb {
        [0, 2, 4].map(|at| f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0)
    }

    /// Relative luminance (WCAG 2.2).
    fn luminance(colour: Rgb) -> f64 {
        let [r, g, b] = colour.map(|c| {
            if c <= 0.04045 {
                c / 12.92
            } else {
                ((c + 0.055) / 1.055).powf(2.4)
            }
        });
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    fn contrast(a: Rgb, b: Rgb) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn the_measure_is_wcags() {
        assert!((contrast(rgb("ffffff"), rgb("000000")) - 21.0).abs() < 1e-9);
        assert!((contrast(rgb("777777"), rgb("ffffff")) - 4.48).abs() < 0.01);
    }

    #[test]
    fn every_accent_reads_as_text_and_carries_text_in_both_schemes() {
        for label in Accent::LINE.iter().map(|accent| accent.label()) {
            for scheme in schemes() {
                for ground in ["paper", "sheet", "on-accent"] {
                    let ratio = contrast(scheme[label], scheme[ground]);
                    assert!(ratio >= 4.5, "--{label} on --{ground}: {ratio:.2}");
                }
            }
        }
    }

    #[test]
    fn all_other_text_reads_in_both_schemes() {
        for scheme in schemes() {
            for text in ["ink", "muted", "bad", "good"] {
                for ground in ["paper", "sheet", "well"] {
                    let ratio = contrast(scheme[text], scheme[ground]);
                    assert!(ratio >= 4.5, "--{text} on --{ground}: {ratio:.2}");
                }
            }
        }
    }

    #[test]
    fn no_two_accents_share_a_colour() {
        let labels: Vec<_> = Accent::LINE.iter().map(|a| a.label()).collect();
        for scheme in hex_schemes() {
            for (i, a) in labels.iter().enumerate() {
                assert!(
                    labels[i + 1..].iter().all(|b| scheme[a] != scheme[b]),
                    "{a}"
                );
            }
        }
    }

    #[test]
    fn each_label_has_a_class() {
        for accent in Accent::LINE {
            let label = accent.label();
            assert!(
                CSS.contains(&format!(".of-{label} {{ --accent: var(--{label}); }}")),
                "{label}"
            );
        }
    }
}
