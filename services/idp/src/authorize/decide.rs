//! What a request still needs, given the browser's login session (OIDC Core §3.1.2.3).

use oauth_types::ErrorCode;

use super::checks::Refusal;
use crate::{
    Idp,
    domain::{AuthorizationRequest, LoginSession},
    settings::Client,
};

/// The next step.
pub(super) enum Next {
    /// Redirect with an error.
    Refuse(Refusal),
    /// The user has to sign in.
    SignIn,
    /// The user has to consent.
    Consent(LoginSession),
    /// Nothing more is needed: issue the code.
    Complete(LoginSession),
}

/// The next step, given the browser's login session.
pub(super) fn decide(
    idp: &Idp,
    client: &Client,
    request: &AuthorizationRequest,
    session: Option<LoginSession>,
) -> Next {
    let silent = request.prompts("none");
    let again = request.prompts("login") || request.prompts("select_account");
    let fresh = session.filter(|login| {
        !again && is_fresh(idp, request, login) && is_expected(request, &login.sub)
    });
    match fresh {
        None if silent => refuse(ErrorCode::LoginRequired, "The user has to sign in."),
        None => Next::SignIn,
        Some(_) if silent && needs_consent(client, request) => {
            refuse(ErrorCode::ConsentRequired, "The user has to consent.")
        }
        Some(login) => match after_sign_in(client, request, &login.sub) {
            AfterSignIn::Refuse(refusal) => Next::Refuse(refusal),
            AfterSignIn::Consent => Next::Consent(login),
            AfterSignIn::Complete => Next::Complete(login),
        },
    }
}

/// The next step once the user is signed in.
pub(super) enum AfterSignIn {
    /// Redirect with an error.
    Refuse(Refusal),
    /// The user has to consent.
    Consent,
    /// Nothing more is needed: issue the code.
    Complete,
}

/// The next step for the signed-in user `sub`.
pub(super) fn after_sign_in(
    client: &Client,
    request: &AuthorizationRequest,
    sub: &str,
) -> AfterSignIn {
    if !is_expected(request, sub) {
        let why = "The user who signed in is not the one that id_token_hint names.";
        return AfterSignIn::Refuse(Refusal::new(ErrorCode::LoginRequired, why));
    }
    if needs_consent(client, request) {
        AfterSignIn::Consent
    } else {
        AfterSignIn::Complete
    }
}

fn refuse(code: ErrorCode, why: &str) -> Next {
    Next::Refuse(Refusal::new(code, why))
}

fn needs_consent(client: &Client, request: &AuthorizationRequest) -> bool {
    !client.first_party || request.prompts("consent")
}

/// Whether the sign-in is recent enough for `max_age`.
fn is_fresh(idp: &Idp, request: &AuthorizationRequest, login: &LoginSession) -> bool {
    let age = login.auth_time.until(idp.now()).as_secs();
    // max_age=0 requests a new sign-in, like prompt=login (OIDC Core §3.1.2.1).
    request.max_age.is_none_or(|most| age <= most && most > 0)
}

fn is_expected(request: &AuthorizationRequest, sub: &str) -> bool {
    request
        .expected_sub
        .as_ref()
        .is_none_or(|expected| expected == sub)
}
