//! The cookies that a browser has in each mode, explained for the app's page. Their
//! attributes are taken from the cookies that the app sets.

use std::time::Duration;

use actix_web::cookie::Cookie;

use crate::{
    audiences::Audience,
    cookies::{self, TooLarge},
    pages::HeldCookie,
    sessions::SessionMode,
};

/// A placeholder: values are never shown.
const ANY: &str = "x";

/// Those of `mode`.
pub(super) fn in_mode(mode: SessionMode) -> Vec<HeldCookie> {
    let mut held = vec![explained(
        &cookies::session(ANY),
        "A random id of 256 bits.".to_owned(),
    )];
    if mode.has_token_cookies() {
        held.extend(first_part(
            cookies::sealed(cookies::IDENTITY, ANY),
            "Who you are, sealed.".to_owned(),
        ));
    }
    if mode.is_in_cookies() {
        held.extend(first_part(
            cookies::sealed(cookies::RENEWAL, ANY),
            "The refresh token, sealed.".to_owned(),
        ));
    }
    if mode.has_token_cookies() {
        for audience in Audience::ALL {
            held.extend(first_part(
                cookies::access_token(audience, ANY, Duration::ZERO),
                format!("The access token for {}.", audience.uri),
            ));
        }
    }
    held
}

/// The first part stands for all parts of a value.
fn first_part(
    cookies: Result<Vec<Cookie<'static>>, TooLarge>,
    holds: String,
) -> Option<HeldCookie> {
    let first = cookies.ok()?.into_iter().next()?;
    Some(explained(&first, holds))
}

fn explained(cookie: &Cookie<'_>, holds: String) -> HeldCookie {
    let mut cookie = cookie.clone();
    // Max-Age differs with each token.
    cookie.set_max_age(None);
    let written = cookie.to_string();
    let (_, attributes) = written.split_once("; ").unwrap_or_default();
    HeldCookie {
        name: cookie.name().to_owned(),
        attributes: attributes.to_owned(),
        holds,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(mode: SessionMode) -> Vec<String> {
        in_mode(mode).into_iter().map(|held| held.name).collect()
    }

    #[test]
    fn each_mode_has_its_cookies() {
        assert_eq!(names(SessionMode::Stateful), ["__Host-session_id"]);
        assert_eq!(names(SessionMode::Cached), ["__Host-session_id"]);
        assert_eq!(
            names(SessionMode::Hybrid),
            [
                "__Host-session_id",
                "__Host-session",
                "__Secure-access_api1",
                "__Secure-access_api2"
            ]
        );
        assert!(names(SessionMode::Stateless).contains(&"__Host-refresh".to_owned()));
    }

    #[test]
    fn an_apis_cookie_has_the_apis_path_and_all_are_guarded() {
        for held in in_mode(SessionMode::Stateless) {
            for attribute in ["HttpOnly", "Secure", "SameSite=Lax"] {
                assert!(held.attributes.contains(attribute), "{held:?}");
            }
            let path = match held.name.as_str() {
                "__Secure-access_api1" => "Path=/api1",
                "__Secure-access_api2" => "Path=/api2",
                _ => "Path=/",
            };
            assert!(held.attributes.ends_with(path), "{held:?}");
        }
    }
}
