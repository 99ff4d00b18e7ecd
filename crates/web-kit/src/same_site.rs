//! `SameSite` of the session cookies.

use actix_web::cookie::SameSite;
use kit::config::{Weakness, Weaknesses};

/// `SameSite` of a session cookie: `Lax`, unless a lab has weakened it. It is
/// written although Lax is the default: without it, Chromium sends a cookie with
/// cross-site POSTs in its first two minutes.
pub fn same_site(weaknesses: Weaknesses) -> Option<SameSite> {
    if weaknesses.has(Weakness::SameSiteNone) {
        Some(SameSite::None)
    } else if weaknesses.has(Weakness::SameSiteUnset) {
        None
    } else {
        Some(SameSite::Lax)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lax_unless_weakened() {
        let of = |weaknesses: &[Weakness]| same_site(weaknesses.iter().copied().collect());
        assert_eq!(of(&[]), Some(SameSite::Lax));
        assert_eq!(of(&[Weakness::Framable]), Some(SameSite::Lax));
        assert_eq!(of(&[Weakness::SameSiteNone]), Some(SameSite::None));
        assert_eq!(of(&[Weakness::SameSiteUnset]), None);
    }
}
