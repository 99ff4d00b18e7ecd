//! Subject tokens of other issuers that the configuration trusts: JWTs (RFC 7519) that
//! their issuers' published keys verify, with subjects that the configuration maps to
//! users here.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use kit::{clock::Clock, net::Trust, shutdown::Shutdown};
use oauth_types::{
    BadMember, ErrorCode, Members, Scope,
    claims::{Audience, MayAct},
    names::jwt_type,
};
use serde::Deserialize;
use token_verify::{Issuer, Jwks, jwks::SignerError, jwt::UnverifiedJwt};

use super::refused;
use crate::{
    Idp,
    client_auth::configured_keys,
    error::OAuthError,
    own_tokens::MAX_LEN,
    policy::NOT_FOR_THIS_USER,
    settings::{ASSERTION_ALGORITHMS, Client, Settings, TrustedIssuer, User},
};

/// How far the clock of the issuer may be ahead.
const SKEW: Duration = Duration::from_secs(10);

/// The types of subject tokens: an access token, or a JWT without a special purpose.
const TYPES: [&str; 2] = [jwt_type::ACCESS_TOKEN, jwt_type::JWT];

/// The keys of the trusted issuers.
pub struct ForeignKeys(BTreeMap<String, Arc<Jwks>>);

impl ForeignKeys {
    /// The keys of the issuers in `settings`, fetched when a token needs them.
    pub fn new(settings: &Settings, trust: &Trust, clock: &Arc<dyn Clock>) -> Self {
        let keys = settings.trusted_issuers().iter().map(|trusted| {
            let name = &trusted.issuer;
            let jwks = match &trusted.keys {
                Some(keys) => configured_keys(name, keys.clone(), clock),
                None => Issuer::new(name, &trusted.reached_at)
                    .trusting(trust.clone())
                    .jwks(Arc::clone(clock)),
            };
            (name.clone(), jwks)
        });
        Self(keys.collect())
    }

    /// Fetches them from time to time, so that a withdrawn key ends.
    pub fn keep_fresh(&self, shutdown: &Shutdown) {
        for jwks in self.0.values() {
            tokio::spawn(Arc::clone(jwks).keep_fresh(shutdown.clone()));
        }
    }
}

/// The claims that count.
pub(super) struct Claims {
    sub: String,
    pub(super) aud: Audience,
    pub(super) exp: i64,
    nbf: Option<i64>,
    iat: Option<i64>,
    pub(super) scope: Scope,
    pub(super) may_act: Option<MayAct>,
    has_actor: bool,
    is_bound: bool,
}

impl Claims {
    pub(super) fn read(members: &Members) -> Result<Self, BadMember> {
        Ok(Self {
            sub: members.needed("sub")?.to_owned(),
            aud: Audience::read(members)?,
            exp: members.needed_seconds("exp")?,
            nbf: members.seconds("nbf")?,
            iat: members.seconds("iat")?,
            scope: members.scope("scope")?.unwrap_or_default(),
            may_act: MayAct::read(members),
            has_actor: members.has_value("act"),
            is_bound: members.has_value("cnf"),
        })
    }
}

/// The trusted issuer that `token` names, unverified. Any other token has to be one of
/// this provider.
pub(super) fn issuer_of<'i>(idp: &'i Idp, token: &str) -> Option<&'i TrustedIssuer> {
    #[derive(Deserialize)]
    struct UnverifiedIssuer {
        iss: String,
    }
    if idp.settings.trusted_issuers().is_empty() || token.len() > MAX_LEN {
        return None;
    }
    let unverified: UnverifiedIssuer = UnverifiedJwt::split(token)?.claims()?;
    idp.settings.trusted_issuer(&unverified.iss)
}

/// The claims of a valid token of `issuer` that `client` may exchange.
pub(super) async fn verify(
    idp: &Idp,
    client: &Client,
    issuer: &TrustedIssuer,
    token: &str,
) -> Result<Claims, OAuthError> {
    let mut exchanges = idp.settings.exchanges.iter();
    let own = |issued_by: &Option<String>| issued_by.as_ref() == Some(&issuer.issuer);
    if !exchanges.any(|exchange| exchange.client == client.client_id && own(&exchange.issuer)) {
        let why = "This client may not exchange tokens of this issuer.";
        return Err(OAuthError::new(ErrorCode::InvalidTarget, why));
    }
    let jwt = UnverifiedJwt::split(token).ok_or_else(|| refused("not a signed JWT"))?;
    if !jwt.header.may_be_of_type(&TYPES) {
        return Err(refused("its typ is neither at+jwt nor JWT"));
    }
    let keys = idp.foreign_keys.0.get(&issuer.issuer);
    let keys = keys.ok_or_else(|| refused("its issuer is not trusted"))?;
    let signed = keys.signer(&jwt, &ASSERTION_ALGORITHMS).await;
    signed.map_err(|error| match error {
        SignerError::NoSigner(none) => refused(&none.to_string()),
        SignerError::NoKeys | SignerError::Outdated(_) => {
            let why = "The keys of the subject token's issuer cannot be fetched now. Try again.";
            OAuthError::new(ErrorCode::TemporarilyUnavailable, why)
        }
    })?;
    let claims = jwt.members().and_then(|members| Claims::read(&members));
    let claims = claims.map_err(|bad| refused(&bad.to_string()))?;
    check_claims(idp, &claims)?;
    Ok(claims)
}

fn check_claims(idp: &Idp, claims: &Claims) -> Result<(), OAuthError> {
    let now = idp.now();
    let latest_start = claims.nbf.into_iter().chain(claims.iat).max();
    if claims.exp <= now.secs() {
        return Err(refused("expired"));
    }
    if latest_start.is_some_and(|start| start > (now + SKEW).secs()) {
        return Err(refused("not valid yet (nbf, iat)"));
    }
    // Its actors have names of another issuer, which `act` here could not tell.
    if claims.has_actor {
        return Err(refused("it has an actor (act) of another issuer"));
    }
    // RFC 7800 §3: nobody has proven possession of the key.
    if claims.is_bound {
        return Err(refused("it is bound to a key (cnf)"));
    }
    Ok(())
}

/// The user here whom `claims` of `issuer` are about.
pub(super) fn user<'i>(
    idp: &'i Idp,
    issuer: &TrustedIssuer,
    claims: &Claims,
) -> Result<&'i User, OAuthError> {
    let sub = issuer.users.get(&claims.sub);
    let user = sub.and_then(|sub| idp.settings.user(sub));
    user.ok_or_else(|| OAuthError::request(format!("subject_token: {NOT_FOR_THIS_USER}")))
}
