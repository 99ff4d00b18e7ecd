//! Defences that a lab can switch off, to show the attack that each one stops. They are
//! refused outside a lab. The module of a defence asks `Weaknesses::has`.

use std::sync::OnceLock;

/// Those of this process.
static OF_PROCESS: OnceLock<Weaknesses> = OnceLock::new();

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
    /// The APIs accept tokens for other audiences.
    AnyAudience,
    /// The APIs accept tokens of any type.
    AnyTokenType,
    /// The APIs accept unsigned tokens.
    AlgNone,
    /// A code is redeemed with any verifier.
    NoPkceCheck,
    /// A code without a challenge is redeemed with a verifier.
    PkceOptional,
    /// An app accepts an `id_token` with another nonce.
    NoNonceCheck,
    /// An app ignores `iss` of a callback (RFC 9207).
    NoIssuerCheck,
    /// A rotated refresh token is accepted again.
    RefreshReuse,
    /// A session id survives a sign-in.
    KeepSessionId,
}

impl Weakness {
    /// All weaknesses.
    pub const ALL: [Self; 21] = [
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
        Self::AnyAudience,
        Self::AnyTokenType,
        Self::AlgNone,
        Self::NoPkceCheck,
        Self::PkceOptional,
        Self::NoNonceCheck,
        Self::NoIssuerCheck,
        Self::RefreshReuse,
        Self::KeepSessionId,
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
            Self::AnyAudience => "any-audience",
            Self::AnyTokenType => "any-token-type",
            Self::AlgNone => "alg-none",
            Self::NoPkceCheck => "no-pkce-check",
            Self::PkceOptional => "pkce-optional",
            Self::NoNonceCheck => "no-nonce-check",
            Self::NoIssuerCheck => "no-issuer-check",
            Self::RefreshReuse => "refresh-reuse",
            Self::KeepSessionId => "keep-session-id",
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
            Self::AnyAudience => {
                "The APIs accept an access token that was issued for another audience."
            }
            Self::AnyTokenType => {
                "The APIs do not check the type of a token (typ), so they accept an id_token."
            }
            Self::AlgNone => {
                "The APIs accept a token without a signature whose header says alg: none."
            }
            Self::NoPkceCheck => {
                "The provider does not compare the code_verifier with the code_challenge of the code."
            }
            Self::PkceOptional => {
                "The provider neither requires a code_challenge nor refuses a code_verifier for a code without one."
            }
            Self::NoNonceCheck => {
                "The apps do not compare the nonce of an id_token with that of their login."
            }
            Self::NoIssuerCheck => {
                "The apps do not check the iss parameter of a callback, and take the answer of one provider for that of another."
            }
            Self::RefreshReuse => {
                "The provider accepts a refresh token that was used before, and ends nothing."
            }
            Self::KeepSessionId => {
                "The apps keep the session id that a browser brings to its sign-in."
            }
        }
    }

    /// Whether the lab can switch it on for one journey. The others concern requests without
    /// the journey's cookie (a preflight), or the connection (a proxy).
    pub const fn fits_a_journey(self) -> bool {
        !matches!(
            self,
            Self::CorsAnyOrigin | Self::TrustAnyProxy | Self::HostDecides
        )
    }

    /// The weakness with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    const fn bit(self) -> u32 {
        1 << self as u32
    }

    /// The text of `--help`.
    pub(crate) fn help() -> String {
        let line = |one: Self| format!("- {}: {}", one.name(), one.sentence());
        format!(
            "Switches off a defence, to show the attack that it stops; \
             may be given many times, and only with --lab:\n{}",
            Self::ALL.map(line).join("\n")
        )
    }
}

/// The defences that are switched off in a process or for a journey; none by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weaknesses(u32);

impl Weaknesses {
    /// Whether this defence is one of these.
    pub const fn contains(self, weakness: Weakness) -> bool {
        self.0 & weakness.bit() != 0
    }

    /// These and `others`.
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// All that are switched off.
    pub fn iter(self) -> impl Iterator<Item = Weakness> {
        let all = Weakness::ALL.into_iter();
        all.filter(move |one| self.contains(*one))
    }

    /// As a number, in which each weakness is a bit.
    pub(crate) const fn to_bits(self) -> u32 {
        self.0
    }

    /// From such a number.
    pub(crate) const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// Those that this process was started with, for its pages.
    pub fn of_process() -> Self {
        OF_PROCESS.get().copied().unwrap_or_default()
    }

    /// Lets each page of this process say what is off, and logs a warning for each, so that
    /// none stays off by oversight.
    pub fn announce(self) {
        // A process is started once.
        let _ = OF_PROCESS.set(self);
        for weakness in self.iter() {
            tracing::warn!(
                weakness = weakness.name(),
                "weakened for a lab: {}",
                weakness.sentence()
            );
        }
    }
}

impl FromIterator<Weakness> for Weaknesses {
    fn from_iter<I: IntoIterator<Item = Weakness>>(weaknesses: I) -> Self {
        let bits = weaknesses.into_iter().map(Weakness::bit);
        Self(bits.fold(0, |all, bit| all | bit))
    }
}
