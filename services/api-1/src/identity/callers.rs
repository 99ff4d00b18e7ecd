//! The peers that may state who the user is.

use std::{sync::Arc, time::Duration};

use kit::{
    bounded_cache::BoundedCache,
    clock::Timestamp,
    config::{Common, Problems},
    tls::PeerCertificates,
    x509::{Authorities, BadCertificate, Certificate, ExpectedName, thumbprint},
};
use oauth_types::Scope;
use parking_lot::Mutex;

use crate::{READ, WRITE};

/// The setting of the names.
const CALLERS: &str = "API1_IDENTITY_CALLERS";
/// The setting of the scope.
const SCOPE: &str = "API1_IDENTITY_SCOPE";
/// The most names.
const MAX_NAMES: usize = 32;
/// How long it is remembered that an authority vouches for a certificate. Verifying a
/// signature takes longer than the rest of a call.
const REMEMBERED: Duration = Duration::from_secs(60);
/// The most certificates that are remembered.
const MAX_REMEMBERED: usize = 1000;

/// The peers that may state who the user is, and the scope of calls in which they do.
#[derive(Clone, Debug)]
pub struct Callers {
    names: Vec<(Arc<str>, ExpectedName)>,
    authorities: Authorities,
    scope: Scope,
}

/// The names and the scope, as they are set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallersSettings<'a> {
    /// The names, separated by commas; `none` or nothing: there are none.
    pub(crate) names: Option<&'a str>,
    /// The scope.
    pub(crate) scope: Option<&'a str>,
}

/// Why a peer may not state who the user is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoCaller {
    /// Nobody may.
    #[error("no peer may state who the user is ({CALLERS})")]
    NotConfigured,
    /// No certificate, as on the ports that ask for none.
    #[error("the peer has no certificate")]
    NoCertificate,
    /// A certificate that nobody vouches for, or that has ended.
    #[error(transparent)]
    Certificate(#[from] BadCertificate),
    /// A certificate with another name.
    #[error("the peer's certificate has no name of {CALLERS}")]
    OtherName,
}

impl CallersSettings<'_> {
    /// The callers. Errors are added to `problems`; `None` without names.
    pub(crate) fn read(self, common: &Common, problems: &mut Problems) -> Option<Callers> {
        let names = self.names.unwrap_or_default();
        let names = if names == "none" { "" } else { names };
        let names = names.split(',').map(str::trim);
        let names: Vec<_> = names.filter(|name| !name.is_empty()).collect();
        if names.is_empty() {
            if self.scope.is_some() {
                problems.add(SCOPE, format_args!("needs {CALLERS}"));
            }
            return None;
        }
        if names.len() > MAX_NAMES {
            problems.add(CALLERS, format_args!("at most {MAX_NAMES} names"));
            return None;
        }
        let scope = read_scope(self.scope, problems);
        let read = names.into_iter().map(|name| read_name(name, problems));
        let read: Vec<_> = read.collect();
        let Some(mtls) = &common.mtls else {
            let what = "peers state who the user is at the mTLS port: MTLS=on is needed";
            problems.add(CALLERS, what);
            return None;
        };
        Some(Callers {
            names: read.into_iter().collect::<Option<_>>()?,
            authorities: mtls.authorities(&common.state_dir, problems)?,
            scope: scope?,
        })
    }
}

/// A name in a certificate: a URI, or a DNS name. A host name with a port would be read as a
/// URI too, and match nothing.
fn read_name(text: &str, problems: &mut Problems) -> Option<(Arc<str>, ExpectedName)> {
    let read = if text.contains("://") || text.starts_with("urn:") {
        ExpectedName::uri(text)
    } else {
        ExpectedName::dns(text)
    };
    let wrong = |what| problems.add(CALLERS, format_args!("{text:?}: {what}"));
    Some((text.into(), read.map_err(wrong).ok()?))
}

fn read_scope(text: Option<&str>, problems: &mut Problems) -> Option<Scope> {
    let all: Scope = [READ, WRITE].into_iter().collect();
    let Some(text) = text else { return Some(all) };
    let scope: Scope = problems.parse(SCOPE, text)?;
    if scope.is_empty() || !scope.is_within(&all) {
        problems.add(SCOPE, format_args!("expected some of: {all}"));
        return None;
    }
    Some(scope)
}

impl Callers {
    /// The scope of calls in which a peer states the user.
    pub(super) const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The first of the names that `certificate` has.
    fn name(&self, certificate: &Certificate) -> Option<&Arc<str>> {
        let mut names = self.names.iter();
        let own = names.find(|(_, name)| certificate.has(name));
        own.map(|(text, _)| text)
    }
}

/// Identifies peers, and remembers those that may state who the user is.
pub(super) struct PeerCheck {
    callers: Option<Callers>,
    /// By thumbprint.
    known: Mutex<BoundedCache<String, Known>>,
}

struct Known {
    name: Arc<str>,
    certificate: Certificate,
    checked_at: Timestamp,
}

impl PeerCheck {
    pub(super) fn new(callers: Option<Callers>) -> Self {
        Self {
            callers,
            known: Mutex::new(BoundedCache::new(MAX_REMEMBERED)),
        }
    }

    /// The name of `peer` as a caller, and the scope of calls in which it states
    /// the user.
    pub(super) fn caller(
        &self,
        peer: Option<&PeerCertificates>,
        now: Timestamp,
    ) -> Result<(Arc<str>, Scope), NoCaller> {
        let callers = self.callers.as_ref().ok_or(NoCaller::NotConfigured)?;
        let peer = peer.ok_or(NoCaller::NoCertificate)?;
        let key = thumbprint(peer.own());
        if let Some(known) = self.known.lock().get(&key)
            && known.checked_at.until(now) < REMEMBERED
        {
            // It may have ended since.
            known.certificate.check_validity(now)?;
            return Ok((known.name.clone(), callers.scope().clone()));
        }
        let certificate = callers.authorities.identify(peer, now)?;
        let name = callers.name(&certificate).ok_or(NoCaller::OtherName)?;
        let known = Known {
            name: name.clone(),
            certificate,
            checked_at: now,
        };
        self.known.lock().insert(key, known);
        Ok((name.clone(), callers.scope().clone()))
    }
}

#[cfg(test)]
mod tests {
    use kit::config::CommonArgs;

    use super::*;

    fn read(names: &str, scope: Option<&str>, flags: &[&str]) -> Result<Option<Callers>, String> {
        #[derive(clap::Parser)]
        struct Program {
            #[command(flatten)]
            common: CommonArgs,
        }
        let flags = [&["api-1"], flags].concat();
        let program = <Program as clap::Parser>::parse_from(flags);
        let mut problems = Problems::new();
        let common = program.common.read(&mut problems).unwrap();
        let names = Some(names);
        let read = CallersSettings { names, scope }.read(&common, &mut problems);
        if problems.is_empty() {
            Ok(read)
        } else {
            Err(problems.to_string())
        }
    }

    #[test]
    fn names_are_uris_and_dns_names_and_without_names_no_peer_may_state_a_user() {
        for none in ["", "none", " , "] {
            assert!(read(none, None, &[]).unwrap().is_none(), "{none:?}");
        }
        let both = "spiffe://mesh/app1, app2.example";
        let callers = read(both, None, &[]).unwrap().unwrap();
        let expected = [
            ExpectedName::uri("spiffe://mesh/app1").unwrap(),
            ExpectedName::dns("app2.example").unwrap(),
        ];
        let names: Vec<_> = callers.names.iter().map(|(_, name)| name.clone()).collect();
        assert_eq!(names, expected);
        let all: Scope = [READ, WRITE].into_iter().collect();
        assert_eq!(callers.scope(), &all);
        let less = read(both, Some(READ), &[]).unwrap().unwrap();
        assert_eq!(less.scope(), &READ.parse().unwrap());
    }

    #[test]
    fn every_wrong_setting_is_named_with_its_key() {
        let wrong = "*.example,spiffe:// x,b.example:8084";
        let said = read(wrong, Some("openid"), &[]).unwrap_err();
        for expected in [
            "API1_IDENTITY_CALLERS: \"b.example:8084\": a host name without wildcards is expected",
            "API1_IDENTITY_CALLERS: \"*.example\": a host name without wildcards is expected",
            "API1_IDENTITY_CALLERS: \"spiffe:// x\": an absolute URI is expected",
            "API1_IDENTITY_SCOPE: expected some of: https://api-1/read https://api-1/write",
        ] {
            assert!(said.contains(expected), "{expected}: {said}");
        }
        let without = read("a.example", None, &["--mtls", "off"]).unwrap_err();
        assert!(without.contains("MTLS=on is needed"), "{without}");
        let alone = read("none", Some(READ), &[]).unwrap_err();
        assert_eq!(alone, "API1_IDENTITY_SCOPE: needs API1_IDENTITY_CALLERS");
        let many = vec!["a.example"; MAX_NAMES + 1].join(",");
        assert!(read(&many, None, &[]).unwrap_err().contains("at most 32"));
    }
}
