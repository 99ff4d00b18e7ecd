//! `client_secret_basic`: the Authorization header (RFC 6749 §2.3.1).

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::error::OAuthError;

/// The id and the secret of the client. RFC 6749 §2.3.1: both are form-urlencoded.
pub(super) fn credentials(header: &str) -> Result<(String, String), OAuthError> {
    let bad = || OAuthError::client("The Authorization header is not HTTP Basic (RFC 7617).");
    let (scheme, encoded) = header.split_once(' ').ok_or_else(bad)?;
    if !scheme.eq_ignore_ascii_case("basic") || encoded.len() > 2048 {
        return Err(bad());
    }
    let decoded = STANDARD.decode(encoded.trim()).map_err(|_| bad())?;
    let decoded = String::from_utf8(decoded).map_err(|_| bad())?;
    let (id, secret) = decoded.split_once(':').ok_or_else(bad)?;
    Ok((form_decoded(id), form_decoded(secret)))
}

fn form_decoded(text: &str) -> String {
    // A bare `=` or `&` would separate values of the form.
    let text = text.replace('=', "%3D").replace('&', "%26");
    let mut pairs = url::form_urlencoded::parse(text.as_bytes());
    pairs
        .next()
        .map(|(name, _)| name.into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn rfc6749_2_3_1_both_parts_are_form_urlencoded() {
        let credentials = credentials(&header("a%3Ab:s%20e+c%25=&")).unwrap();
        assert_eq!(credentials, ("a:b".into(), "s e c%=&".into()));
    }

    #[test]
    fn rfc7617_the_scheme_in_any_case() {
        assert!(credentials(&header("a:b").replace("Basic", "bAsIc")).is_ok());
    }

    #[test]
    fn what_is_not_basic_is_refused() {
        for wrong in ["", "Basic", "Basic !!!", "Bearer YTpi", &header("no-colon")] {
            assert!(credentials(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn fuzz_basic_credentials() {
        let seeds = [
            header("a%3Ab:s%20e+c%25=&"),
            header(":"),
            "bAsIc  YTpi ".to_owned(),
        ];
        fuzz::run_text(&seeds.each_ref().map(String::as_str), |text| {
            let Ok((id, secret)) = credentials(text) else {
                return;
            };
            assert!(text.len() < 2100);
            let encoded = |text: &str| -> String {
                url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
            };
            let again = header(&format!("{}:{}", encoded(&id), encoded(&secret)));
            if again.len() < 2048 {
                assert_eq!(credentials(&again).unwrap(), (id, secret));
            }
        });
        // What the header holds, decoded.
        fuzz::run(&["a%3Ab:s%20e+c%25=&", "a:b:c", "%zz:%"], |decoded| {
            let text = format!("Basic {}", STANDARD.encode(decoded));
            if let Ok((id, _)) = credentials(&text) {
                let sent = String::from_utf8_lossy(decoded);
                assert!(id.len() <= sent.len() * 3);
            }
        });
    }
}
