//! Defences that a lab can switch off, to show the attack that each one stops. They are
//! refused outside a lab. The module of a defence asks [`Weaknesses::has`].

use super::Problems;

/// A defence that is switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weakness {
    /// Cookies are `SameSite=None`.
    SameSiteNone,
    /// Cookies have no `SameSite`.
    SameSiteUnset,
    /// `Origin` and `Sec-Fetch-Site` are not checked.
    NoOriginCheck,
    /// Neither `X-CSRF` nor a form's token is required.
    NoCsrfProof,
    /// A GET places an order.
    GetOrders,
    /// CORS allows every origin, with credentials.
    CorsAnyOrigin,
    /// A login is not bound to a browser.
    LoginUnbound,
    /// `return_to` may be any address.
    OpenReturnTo,
    /// Other sites may frame the provider's pages.
    Framable,
    /// The forwarding header is accepted from everybody.
    TrustAnyProxy,
    /// The app takes its own address from the request's `Host`.
    HostDecides,
    /// A parameter is shown unescaped.
    ReflectedHtml,
}

impl Weakness {
    /// All weaknesses.
    pub const ALL: [Self; 12] = [
        Self::SameSiteNone,
        Self::SameSiteUnset,
        Self::NoOriginCheck,
        Self::NoCsrfProof,
        Self::GetOrders,
        Self::CorsAnyOrigin,
        Self::LoginUnbound,
        Self::OpenReturnTo,
        Self::Framable,
        Self::TrustAnyProxy,
        Self::HostDecides,
        Self::ReflectedHtml,
    ];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SameSiteNone => "samesite-none",
            Self::SameSiteUnset => "samesite-unset",
            Self::NoOriginCheck => "no-origin-check",
            Self::NoCsrfProof => "no-csrf-proof",
            Self::GetOrders => "get-orders",
            Self::CorsAnyOrigin => "cors-any-origin",
            Self::LoginUnbound => "login-unbound",
            Self::OpenReturnTo => "open-return-to",
            Self::Framable => "framable",
            Self::TrustAnyProxy => "trust-any-proxy",
            Self::HostDecides => "host-decides",
            Self::ReflectedHtml => "reflected-html",
        }
    }

    /// The effect, in a sentence.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::SameSiteNone => {
                "The cookies of the apps and of the provider say SameSite=None, so they travel with every cross-site request."
            }
            Self::SameSiteUnset => {
                "Cookies have no SameSite attribute: Chromium sends them on a cross-site POST for their first two minutes."
            }
            Self::NoOriginCheck => {
                "The apps do not look at Origin and Sec-Fetch-Site, so a request may come from any site."
            }
            Self::NoCsrfProof => {
                "The apps require neither X-CSRF nor a form token for unsafe methods."
            }
            Self::GetOrders => "GET /api1/order?item=...&quantity=... of an app places an order.",
            Self::CorsAnyOrigin => {
                "The apps let the scripts of any origin send credentials and read the response."
            }
            Self::LoginUnbound => "An app's callback completes a login that another browser began.",
            Self::OpenReturnTo => "return_to of an app's login may be any address.",
            Self::Framable => "The provider's pages may be shown in another site's frame.",
            Self::TrustAnyProxy => {
                "X-Forwarded-For (or the header that FORWARDING_HEADER names) is accepted from anybody, so a client chooses its own address."
            }
            Self::HostDecides => {
                "The apps take their own address from the request's Host or X-Forwarded-Host."
            }
            Self::ReflectedHtml => {
                "The home pages of the apps and of the SPA show ?note=... unescaped, and their policy allows inline scripts."
            }
        }
    }

    const fn bit(self) -> u32 {
        1 << self as u32
    }

    /// The text of `--help`.
    pub(super) fn help() -> String {
        let line = |one: Self| format!("- {}: {}", one.name(), one.sentence());
        format!(
            "Switches off a defence, to show the attack that it stops; \
             may be given many times, and only with --lab:\n{}",
            Self::ALL.map(line).join("\n")
        )
    }
}

/// The defences that are switched off; none by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weaknesses(u32);

impl Weaknesses {
    /// Whether this defence is switched off.
    pub const fn has(self, weakness: Weakness) -> bool {
        self.0 & weakness.bit() != 0
    }

    /// All that are switched off.
    pub fn iter(self) -> impl Iterator<Item = Weakness> {
        Weakness::ALL.into_iter().filter(move |one| self.has(*one))
    }

    /// Logs a warning for each, so that none stays off by oversight.
    pub fn warn(self) {
        for weakness in self.iter() {
            tracing::warn!(
                weakness = weakness.name(),
                "weakened for a lab: {}",
                weakness.sentence()
            );
        }
    }

    /// Reads the names. Errors are added to `problems`.
    pub(super) fn read(names: &[String], lab: bool, problems: &mut Problems) -> Self {
        let mut read = Self::default();
        let names = names.iter().map(|name| name.trim());
        for name in names.filter(|name| !name.is_empty()) {
            let known = Weakness::ALL.into_iter().find(|one| one.name() == name);
            match known {
                Some(weakness) if lab => read.0 |= weakness.bit(),
                Some(_) => problems.add(
                    "WEAKEN",
                    format_args!("{name:?} is refused without --lab (LAB=1): it invites an attack"),
                ),
                None => problems.add(
                    "WEAKEN",
                    format_args!(
                        "{name:?} is no weakness; there are {}",
                        Weakness::ALL.map(Weakness::name).join(", ")
                    ),
                ),
            }
        }
        if read.has(Weakness::SameSiteNone) && read.has(Weakness::SameSiteUnset) {
            problems.add(
                "WEAKEN",
                "samesite-none and samesite-unset exclude each other",
            );
        }
        read
    }
}

impl FromIterator<Weakness> for Weaknesses {
    fn from_iter<I: IntoIterator<Item = Weakness>>(weaknesses: I) -> Self {
        let bits = weaknesses.into_iter().map(Weakness::bit);
        Self(bits.fold(0, |all, bit| all | bit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(names: &[&str], lab: bool) -> Result<Weaknesses, Vec<String>> {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut problems = Problems::new();
        let read = Weaknesses::read(&names, lab, &mut problems);
        if problems.is_empty() {
            Ok(read)
        } else {
            Err(problems.lines().to_vec())
        }
    }

    #[test]
    fn each_is_known_by_its_name_and_is_one_of_its_own() {
        for weakness in Weakness::ALL {
            let only = read(&[weakness.name()], true).unwrap();
            assert!(only.iter().eq([weakness]));
            assert_eq!(only, [weakness].into_iter().collect());
            assert!(weakness.sentence().ends_with('.'), "{weakness:?}");
            assert!(Weakness::help().contains(&format!("- {}: ", weakness.name())));
        }
    }

    #[test]
    fn none_without_being_asked_for() {
        assert_eq!(read(&[], true), Ok(Weaknesses::default()));
        assert_eq!(read(&["", " "], false), Ok(Weaknesses::default()));
        assert_eq!(Weaknesses::default().iter().count(), 0);
    }

    #[test]
    fn outside_a_lab_and_unknown_ones_are_refused_all_at_once() {
        let lines = read(&["framable", "nonsense", "get-orders"], false).unwrap_err();
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[0].contains("--lab") && lines[2].contains("--lab"));
        assert!(lines[1].contains("samesite-none, samesite-unset, no-origin-check"));
    }

    #[test]
    fn a_cookie_cannot_say_two_things() {
        assert!(read(&["samesite-none", "samesite-unset"], true).is_err());
    }
}
