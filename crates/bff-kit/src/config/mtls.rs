//! The app's certificate (RFC 8705) for the credential methods `mtls` and `identity_header`.

use std::path::Path;

use kit::{
    config::{Addresses, Common, Mtls, Problems, Site, TrustArgs},
    files,
    net::{ClientIdentity, Trust},
};
use token_verify::Issuer;

use crate::{
    client_auth::MtlsPeers,
    credentials::{CredentialMethod, alternative_names, mtls_client_id},
};

/// Files of an app's certificate, by the names of their settings.
#[derive(Clone, Copy, Debug)]
pub struct CertificateFiles<'a> {
    /// The certificate with its chain (PEM).
    pub certificate: (&'static str, Option<&'a Path>),
    /// Its private key (PEM); without one, it is in the file of the certificate.
    pub key: (&'static str, Option<&'a Path>),
}

/// What decides whether an app has a certificate, and which.
pub(super) struct Wanted<'a> {
    /// The client_id of the app.
    pub(super) app: &'static str,
    /// The method that needs it; otherwise a login may choose one where there is one.
    pub(super) needed_for: Option<CredentialMethod>,
    /// The app's own files, if it has any.
    pub(super) files: CertificateFiles<'a>,
    /// Who vouches for the ports, beside what the app trusts anyway (PEM).
    pub(super) ca_file: Option<&'a Path>,
}

/// What the app presents at mTLS ports, and who vouches for these: the certificate of its
/// files, or else one that the CA of `lab` issues now. What is wrong goes to `problems`.
pub(super) fn identity(
    wanted: &Wanted<'_>,
    common: &Common,
    lab: Option<&Mtls>,
    problems: &mut Problems,
) -> Option<Trust> {
    let files = wanted.files;
    if files.certificate.1.is_some() {
        let ca_file = wanted.ca_file.map(Path::to_owned);
        let ports = TrustArgs { ca_file }.read_as("MTLS_CA_FILE", problems);
        let identity = files.read(problems);
        return Some(common.trust.and(&ports?).identified_by(identity?));
    }
    if let (name, Some(_)) = files.key {
        problems.add(name, format_args!("needs {}", files.certificate.0));
        return None;
    }
    let Some(lab) = lab.filter(|lab| lab.trusts_lab()) else {
        if let Some(method) = wanted.needed_for {
            let what = format_args!(
                "{method} needs the app's certificate: {}, or --state-dir with the CA of the \
                 deployment, MTLS=on and no MTLS_CLIENT_CA_FILE",
                files.certificate.0
            );
            problems.add("BFF_API1_CREDENTIAL", what);
        }
        return None;
    };
    let (name, names) = (mtls_client_id(wanted.app), alternative_names(wanted.app));
    let issued = lab.client(&name, &names, &common.state_dir);
    let (identity, ports) = issued.map_err(|error| problems.add("MTLS", error)).ok()?;
    Some(common.trust.and(&ports).identified_by(identity))
}

impl CertificateFiles<'_> {
    /// The certificate and its key. What is wrong goes to `problems`.
    fn read(self, problems: &mut Problems) -> Option<ClientIdentity> {
        let (setting, certificate) = self.certificate;
        let mut text = |setting: &str, file: &Path| {
            let text = files::read_text(file);
            let wrong = |error| problems.add(setting, format_args!("{}: {error}", file.display()));
            text.map_err(wrong).ok()
        };
        let chain = text(setting, certificate?);
        let key = match self.key {
            (setting, Some(file)) => text(setting, file),
            (_, None) => chain.clone(),
        };
        let read = ClientIdentity::in_pem(&chain?, &key?);
        read.map_err(|error| problems.add(setting, error)).ok()
    }
}

/// The ports of API-1 and of the provider, by their settings, at which the app presents
/// `identity`. What is wrong goes to `problems`.
pub(super) fn peers(
    identity: Option<Trust>,
    issuer: Option<&Issuer>,
    (api1_url, idp_url): (Option<&str>, Option<&str>),
    addresses: &Addresses,
    problems: &mut Problems,
) -> Option<MtlsPeers> {
    let api1_url = match api1_url {
        Some(text) => problems.https_url("API1_MTLS_URL", text),
        None => addresses.mtls_url(Site::Api1),
    };
    let idp_url = match idp_url {
        Some(text) => Some(problems.https_url("IDP_MTLS_INTERNAL_URL", text)?),
        None => None,
    };
    Some(MtlsPeers {
        trust: identity?,
        api1_url: api1_url?,
        issuer: issuer?.clone(),
        idp_url,
    })
}
