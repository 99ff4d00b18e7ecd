//! Builds the tokens that a grant issues: no grant builds a JWT itself.

use std::time::Duration;

use kit::{clock::Timestamp, step, telemetry::names::span};
use oauth_types::{
    Scope, TokenResponse,
    claims::{AccessToken, Actor, Audience, Confirmation, MayAct},
    names::jwt_type,
};
use serde::Serialize;
use tracing::Instrument as _;

use crate::{
    Idp,
    domain::LoginSession,
    error::OAuthError,
    keys::{Algorithm, SignError},
    opaque_tokens,
    policy::{Permit, TokenScope},
    settings::User,
    token_binding::TokenBinding,
    token_id::{self, Origin},
};

/// What the tokens tell of the sign-in of their subject.
pub enum Subject<'a> {
    /// The permit's user, who signed in.
    User {
        /// The login session.
        sid: &'a str,
        /// When the user signed in.
        auth_time: i64,
        /// The strength of the authentication.
        acr: &'a str,
    },
    /// The permit's user, whom a client or another issuer named: no sign-in is known.
    NamedUser,
    /// A client itself.
    Client,
}

impl<'a> Subject<'a> {
    /// The user of `login`.
    pub fn of_login(login: &'a LoginSession) -> Self {
        Self::User {
            sid: &login.sid,
            auth_time: login.auth_time.secs(),
            acr: &login.acr,
        }
    }
}

/// What a grant issues.
pub struct Issue<'a> {
    /// The client.
    pub client_id: &'a str,
    /// The key that the access token is bound to.
    pub binding: &'a TokenBinding,
    /// What may be issued, and for whom.
    pub permit: &'a Permit<'a>,
    /// The sign-in of the subject.
    pub subject: Subject<'a>,
    /// The grant of the tokens, if there is one.
    pub grant_id: Option<&'a str>,
    /// The access token's one audience.
    pub audience: &'a str,
    /// The scope of the access token and of the response.
    pub scope: TokenScope,
    /// Whether the access token has the `email` claim: if the grant has the scope.
    pub with_email: bool,
    /// The refresh token.
    pub refresh_token: Option<String>,
    /// The id_token.
    pub id_token: Option<IdToken<'a>>,
    /// What only an exchanged token has.
    pub exchanged: Option<Exchanged<'a>>,
}

/// What only an exchanged token has (RFC 8693).
pub struct Exchanged<'a> {
    /// What the token stems from.
    pub origin: Origin,
    /// The actor, with any prior actors.
    pub act: Option<Actor>,
    /// The latest end of the token.
    pub not_after: Timestamp,
    /// RFC 8693 §2.2.1.
    pub issued_token_type: &'a str,
}

/// The claims of an id_token that only the authorization request tells.
pub struct IdToken<'a> {
    /// `nonce` of the request.
    pub nonce: Option<&'a str>,
    /// The algorithm that the client is configured for.
    pub algorithm: Option<Algorithm>,
    /// How the user was authenticated.
    pub amr: &'a [String],
}

/// OIDC Core §2 with the claims of §5.4. Times are seconds since the epoch.
#[derive(Serialize)]
struct IdTokenClaims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: i64,
    iat: i64,
    auth_time: i64,
    acr: &'a str,
    amr: &'a [String],
    sid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    #[serde(flatten)]
    person: PersonClaims<'a>,
}

/// The claims of the scopes `profile` and `email` (OIDC Core §5.4).
#[derive(Serialize)]
pub struct PersonClaims<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preferred_username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_verified: Option<bool>,
}

impl<'a> PersonClaims<'a> {
    /// The claims of `user` that `scope` allows.
    pub fn of(user: &'a User, scope: &Scope) -> Self {
        let profile = scope.contains("profile");
        let email = scope.contains("email");
        Self {
            name: profile.then_some(&user.name),
            preferred_username: profile.then_some(&user.username),
            email: email.then_some(&user.email),
            email_verified: email.then_some(user.email_verified),
        }
    }
}

/// Makes the tokens (RFC 6749 §5.1).
pub async fn issue(idp: &Idp, issue: Issue<'_>) -> Result<TokenResponse, OAuthError> {
    let now = idp.now();
    let ends = now + idp.settings.lifetimes.access_token;
    let ends = match &issue.exchanged {
        Some(exchanged) => ends.min(exchanged.not_after),
        None => ends,
    };
    let claims = access_token_claims(idp, &issue, now.secs(), ends.secs());
    let access_token = access_token(idp, issue.audience, &claims).await?;
    let id_token = id_token(idp, &issue, now).await?;
    let expires_in = Duration::from_secs(u64::try_from(claims.exp - claims.iat).unwrap_or(0));
    Ok(TokenResponse {
        access_token,
        token_type: issue.binding.token_type().to_owned(),
        expires_in: expires_in.as_secs(),
        // RFC 6749 §3.3: a scope is never empty.
        scope: Some(issue.scope.response.to_string()).filter(|scope| !scope.is_empty()),
        refresh_token: issue.refresh_token,
        id_token,
        issued_token_type: issue
            .exchanged
            .map(|exchanged| exchanged.issued_token_type.to_owned()),
    })
}

/// The access token with these claims, in the form that its resource is configured for.
async fn access_token(
    idp: &Idp,
    audience: &str,
    claims: &AccessToken,
) -> Result<String, OAuthError> {
    if idp.settings.has_opaque_tokens(audience) {
        return Ok(opaque_tokens::issue(idp, claims).await?);
    }
    let span = step!(
        span::SIGN,
        "sso.audience" = audience,
        "sso.binding" = Confirmation::bound_to(claims.cnf.as_ref())
    );
    let signing = idp.keys.sign(jwt_type::ACCESS_TOKEN, None, claims);
    Ok(signing.instrument(span).await?)
}

async fn id_token(
    idp: &Idp,
    issue: &Issue<'_>,
    now: Timestamp,
) -> Result<Option<String>, SignError> {
    let (
        Some(wanted),
        Subject::User {
            sid,
            auth_time,
            acr,
        },
        Some(user),
    ) = (&issue.id_token, &issue.subject, issue.permit.user())
    else {
        return Ok(None);
    };
    let claims = IdTokenClaims {
        iss: &idp.issuer,
        sub: &user.sub,
        aud: issue.client_id,
        exp: (now + idp.settings.lifetimes.id_token).secs(),
        iat: now.secs(),
        auth_time: *auth_time,
        acr,
        amr: wanted.amr,
        sid,
        nonce: wanted.nonce,
        person: PersonClaims::of(user, issue.permit.scope()),
    };
    let span = step!(span::SIGN, "sso.audience" = issue.client_id);
    let signing = idp.keys.sign(jwt_type::JWT, wanted.algorithm, &claims);
    Ok(Some(signing.instrument(span).await?))
}

fn access_token_claims(idp: &Idp, issue: &Issue<'_>, iat: i64, exp: i64) -> AccessToken {
    let unique = idp.random.id();
    let exchanged = issue.exchanged.as_ref();
    let may_act = idp.settings.resource(issue.audience);
    let may_act = may_act.and_then(|resource| resource.may_act.clone());
    let claims = AccessToken {
        iss: idp.issuer.clone(),
        aud: Audience::One(issue.audience.to_owned()),
        sub: issue.permit.subject().to_owned(),
        client_id: issue.client_id.to_owned(),
        iat,
        exp,
        jti: match exchanged {
            Some(exchanged) => exchanged.origin.exchanged(&unique),
            None => token_id::direct(issue.grant_id, unique),
        },
        scope: issue.scope.token.clone(),
        auth_time: None,
        acr: None,
        sid: None,
        roles: Vec::new(),
        email: None,
        act: exchanged.and_then(|exchanged| exchanged.act.clone()),
        may_act: may_act.map(|sub| MayAct { sub, iss: None }),
        cnf: issue.binding.confirmation().cloned(),
    };
    let Some(user) = issue.permit.user() else {
        return claims;
    };
    let claims = AccessToken {
        roles: user.roles.clone(),
        email: issue.with_email.then(|| user.email.clone()),
        ..claims
    };
    match issue.subject {
        Subject::Client | Subject::NamedUser => claims,
        Subject::User {
            sid,
            auth_time,
            acr,
        } => AccessToken {
            auth_time: Some(auth_time),
            acr: Some(acr.to_owned()),
            sid: Some(sid.to_owned()),
            ..claims
        },
    }
}
