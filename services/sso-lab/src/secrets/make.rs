//! New values. Keys are made by the code that makes them for a state directory.

use std::fmt::Write as _;

use bff_kit::ClientKey;
use kit::{
    Deps,
    random::Random,
    seal::KEY_LEN,
    tls::{AlternativeName, Authority},
};

use super::spec::{Kind, PASSWORD};

/// The length of a password: 190 bits.
const PASSWORD_LEN: usize = 32;
const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// The sources of a new value.
#[derive(Clone, Copy, Default)]
pub(super) struct Given<'a> {
    /// The key that it is derived from, if any.
    pub(super) source: Option<&'a [u8]>,
    /// Whether its Secret existed without it.
    pub(super) is_older: bool,
}

/// A new value of this kind. The error contains no part of the source.
pub(super) fn make(kind: &Kind, given: Given<'_>, deps: &Deps) -> Result<Vec<u8>, String> {
    let source = given.source;
    let random = &*deps.random;
    let said = |error: std::io::Error| error.to_string();
    Ok(match kind {
        Kind::Password => password(random).into_bytes(),
        Kind::Token => random.token().into_bytes(),
        Kind::SealingKey => random.bytes::<KEY_LEN>().to_vec(),
        Kind::RecordsUpgraded => idp::upgraded(given.is_older, deps.clock.now()).into_bytes(),
        Kind::SigningKey(algorithm) => idp::new_signing_key(*algorithm, deps.clock.now())
            .map_err(said)?
            .into_bytes(),
        Kind::ClientKey => bff_kit::new_client_key(random).map_err(said)?.into_bytes(),
        Kind::ClientJwks(_) => {
            let key = ClientKey::from_pem(text(source)?)?;
            key.jwks_file().into_bytes()
        }
        Kind::RedisUrl { template, .. } => {
            let password = text(source)?.trim_end_matches(['\r', '\n']);
            template.replace(PASSWORD, &encoded(password)).into_bytes()
        }
        Kind::Authority => {
            let made = Authority::new(deps.clock.now(), random).map_err(said)?;
            made.bundle().into_bytes()
        }
        Kind::AuthorityCertificate(_) => authority(source)?.pem().into_bytes(),
        Kind::ServerCertificate { names, .. } => {
            let issued = authority(source)?.server(names, deps.clock.now());
            issued.map_err(said)?.bundle().into_bytes()
        }
        Kind::ClientCertificate { subject, uri, .. } => {
            let names: Vec<_> = uri.iter().cloned().map(AlternativeName::Uri).collect();
            let issued = authority(source)?.client(subject, &names, deps.clock.now());
            issued.map_err(said)?.bundle().into_bytes()
        }
        Kind::Copy(_) => source.unwrap_or_default().to_vec(),
    })
}

/// The certificate authority in `source`.
fn authority(source: Option<&[u8]>) -> Result<Authority, String> {
    Authority::in_pem(text(source)?).map_err(|error| error.to_string())
}

/// Whether `there` agrees with `expected`, which was derived from the same source. The host
/// and path of a URL are its owner's choice.
pub(super) fn agrees(kind: &Kind, there: &[u8], expected: &[u8]) -> bool {
    match kind {
        Kind::ClientJwks(_) => {
            let read = |bytes| serde_json::from_slice::<serde_json::Value>(bytes).ok();
            read(there).is_some() && read(there) == read(expected)
        }
        Kind::Copy(_) | Kind::AuthorityCertificate(_) => {
            there.trim_ascii_end() == expected.trim_ascii_end()
        }
        _ => true,
    }
}

fn text(source: Option<&[u8]>) -> Result<&str, String> {
    std::str::from_utf8(source.unwrap_or_default()).map_err(|_| "its source is no text".to_owned())
}

fn password(random: &dyn Random) -> String {
    let mut password = String::with_capacity(PASSWORD_LEN);
    while password.len() < PASSWORD_LEN {
        // A byte beyond the last whole multiple would favour the first letters.
        let drawn = random.bytes::<64>();
        let fair = drawn.iter().filter(|byte| **byte < 248);
        let letters = fair.map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]));
        password.extend(letters.take(PASSWORD_LEN - password.len()));
    }
    password
}

/// Percent-encoded for the user part of a URL (RFC 3986 §2.1, §3.2.1).
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut done, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            done.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(done, "%{byte:02X}");
        }
        done
    })
}

#[cfg(test)]
mod tests {
    use kit::{net::ClientIdentity, shutdown::Shutdown, x509::Authorities};

    use super::{super::spec::Source, *};

    fn deps() -> Deps {
        Deps::system(Shutdown::new())
    }

    fn from() -> Source {
        Source {
            secret: "a".into(),
            key: "b".into(),
        }
    }

    fn from_source(source: Option<&[u8]>) -> Given<'_> {
        Given {
            source,
            ..Given::default()
        }
    }

    fn made(kind: &Kind, source: Option<&[u8]>) -> String {
        String::from_utf8(make(kind, from_source(source), &deps()).unwrap()).unwrap()
    }

    #[test]
    fn records_of_the_version_before_are_taken_only_where_a_secret_was_there_before() {
        assert_eq!(made(&Kind::RecordsUpgraded, None), "never");
        let older = Given {
            is_older: true,
            ..Given::default()
        };
        let moment = make(&Kind::RecordsUpgraded, older, &deps()).unwrap();
        let moment: i64 = String::from_utf8(moment).unwrap().parse().unwrap();
        assert!(moment > 1_700_000_000);
    }

    #[test]
    fn a_password_is_32_letters_and_digits_and_never_twice_the_same() {
        let password = made(&Kind::Password, None);
        assert_eq!(password.len(), PASSWORD_LEN);
        assert!(password.bytes().all(|b| LETTERS.contains(&b)), "{password}");
        assert_ne!(password, made(&Kind::Password, None));
    }

    #[test]
    fn a_clients_public_half_is_made_from_its_key() {
        let pem = made(&Kind::ClientKey, None);
        let jwks = made(&Kind::ClientJwks(from()), Some(pem.as_bytes()));
        let expected = ClientKey::from_pem(&pem).unwrap().jwks_file();
        assert_eq!(jwks, expected);
        let kind = Kind::ClientJwks(from());
        let compact = jwks.replace(['\n', ' '], "");
        assert!(agrees(&kind, compact.as_bytes(), jwks.as_bytes()));
        let other = made(&kind, Some(made(&Kind::ClientKey, None).as_bytes()));
        assert!(!agrees(&kind, other.as_bytes(), jwks.as_bytes()));
        assert!(!agrees(&kind, b"{", b"{"));
        let wrong = make(&kind, from_source(Some(b"secret-text")), &deps()).unwrap_err();
        assert!(!wrong.contains("secret-text"), "{wrong}");
    }

    #[test]
    fn a_password_of_any_characters_fits_a_url() {
        let kind = Kind::RedisUrl {
            template: "rediss://u:${password}@redis:6379/1".into(),
            from: from(),
        };
        let url = made(&kind, Some("a:b/c@d%ß\n".as_bytes()));
        assert_eq!(url, "rediss://u:a%3Ab%2Fc%40d%25%C3%9F@redis:6379/1");
        let url: url::Url = url.parse().unwrap();
        assert_eq!(url.host_str(), Some("redis"));
    }

    #[test]
    fn certificates_are_issued_by_the_authority_of_their_source() {
        let bundle = made(&Kind::Authority, None);
        let authority = Authority::in_pem(&bundle).unwrap();
        let kind = Kind::AuthorityCertificate(from());
        let certificate = made(&kind, Some(bundle.as_bytes()));
        assert_eq!(certificate, authority.pem());
        assert!(!certificate.contains("KEY"), "{certificate}");
        assert!(agrees(
            &kind,
            certificate.trim_end().as_bytes(),
            certificate.as_bytes()
        ));
        let clients = Authorities::in_pem(certificate.as_bytes()).unwrap();
        let now = deps().clock.now();
        let client = Kind::ClientCertificate {
            subject: "batch-mtls".into(),
            uri: None,
            from: from(),
        };
        let server = Kind::ServerCertificate {
            names: vec!["idp.example.com".into(), "idp".into()],
            from: from(),
        };
        for (kind, is_client) in [(&client, true), (&server, false)] {
            let issued = made(kind, Some(bundle.as_bytes()));
            let own = ClientIdentity::in_pem(&issued, &issued).unwrap();
            let checked = clients.check(own.certificate(), &[], now);
            assert_eq!(checked.is_ok(), is_client, "{checked:?}");
            assert!(agrees(kind, b"an older one", issued.as_bytes()));
        }
        let wrong = make(&client, from_source(Some(b"secret-text")), &deps()).unwrap_err();
        assert!(!wrong.contains("secret-text"), "{wrong}");
    }

    #[test]
    fn keys_are_as_a_state_directory_holds_them() {
        assert_eq!(
            make(&Kind::SealingKey, Given::default(), &deps())
                .unwrap()
                .len(),
            KEY_LEN
        );
        assert_eq!(made(&Kind::Token, None).len(), 43);
        let pem = made(&Kind::SigningKey(idp::Algorithm::EdDsa), None);
        assert!(pem.starts_with("Created: ") && pem.contains("\n-----BEGIN PRIVATE KEY-----"));
    }
}
