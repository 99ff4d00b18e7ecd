//! Token introspection (RFC 7662): a resource server asks whether a token is active, and
//! what it allows now. The answer is JSON, or a signed JWT (RFC 9701).
//!
//! A resource server learns about tokens for its own audiences alone. Every other token
//! is inactive for it, whether unknown, expired, revoked or for another audience, and the
//! answer does not tell which.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, Header as _, Quality},
    web,
};
use kit::{
    step,
    telemetry::names::{OK, span},
};
use oauth_types::{
    ErrorCode, Params, Scope,
    claims::{AccessToken, Confirmation},
    names::{TOKEN_INTROSPECTION_MEDIA_TYPE as JWT_MEDIA_TYPE, jwt_type},
};
use serde::Serialize;
use tracing::{Instrument as _, field::Empty};

use crate::{
    Idp,
    client_auth::AuthenticatedForm,
    domain::RefreshVerdict,
    error::OAuthError,
    forms::ClientForm,
    keys::SignError,
    policy::Permit,
    presented_token::{InvalidToken, Presented, PresentedAccess, PresentedRefresh, presented},
    settings::{Client, GrantType},
};

/// The path of the endpoint.
pub const PATH: &str = "/introspect";
/// The outcome for a token that is not active.
const INACTIVE: &str = "inactive";

/// RFC 7662 §2.2. An inactive token has no other member.
#[derive(Serialize)]
struct Introspection<'i> {
    active: bool,
    #[serde(flatten)]
    token: Option<ActiveToken<'i>>,
}

/// The members of an active token.
#[expect(clippy::large_enum_variant, reason = "one per request, moved once")]
#[derive(Serialize)]
#[serde(untagged)]
enum ActiveToken<'i> {
    /// The claims of an access token, with the rights of now.
    Access {
        token_type: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        username: Option<&'i str>,
        #[serde(flatten)]
        claims: AccessToken,
    },
    /// A refresh token of the client that asks.
    Refresh {
        iss: &'i str,
        client_id: &'i str,
        sub: &'i str,
        #[serde(skip_serializing_if = "Option::is_none")]
        username: Option<&'i str>,
        scope: Scope,
        exp: i64,
        sid: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        cnf: Option<Confirmation>,
    },
}

/// RFC 9701 §5. The claims of the token are in a member of their own, so no access token
/// can be made of the answer.
#[derive(Serialize)]
struct JwtClaims<'a> {
    iss: &'a str,
    aud: &'a str,
    iat: i64,
    token_introspection: &'a Introspection<'a>,
}

/// `POST /introspect`. `token_type_hint` only speeds up a search (§2.1), and there is
/// nothing to search.
pub async fn endpoint(
    idp: web::Data<Idp>,
    req: HttpRequest,
    form: ClientForm,
) -> Result<HttpResponse, OAuthError> {
    let AuthenticatedForm { client, params, .. } =
        AuthenticatedForm::read(&idp, &req, &form).await?;
    let span = step!(
        span::INTROSPECTION,
        "sso.client_id" = client.client_id,
        "sso.outcome" = Empty
    );
    let introspection = introspect(&idp, client, &params)
        .instrument(span.clone())
        .await;
    let outcome = match &introspection {
        Ok(introspection) if introspection.active => OK,
        Ok(_) => INACTIVE,
        Err(error) => error.code.as_str(),
    };
    span.record("sso.outcome", outcome);
    idp.meters.introspections.add(&[outcome]);
    let introspection = introspection?;
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    if prefers_jwt(&req) {
        let jwt = signed(&idp, client, &introspection).await?;
        return Ok(response.content_type(JWT_MEDIA_TYPE).body(jwt));
    }
    Ok(response.json(introspection))
}

async fn introspect<'i>(
    idp: &'i Idp,
    client: &'i Client,
    params: &Params,
) -> Result<Introspection<'i>, OAuthError> {
    if client.is_public() {
        // RFC 7662 §2.1: the caller authenticates.
        return Err(OAuthError::client(
            "A public client may not introspect tokens.",
        ));
    }
    if client.introspects.is_empty() {
        let why = "This client may not introspect tokens: its configuration names no audience.";
        return Err(OAuthError::new(ErrorCode::UnauthorizedClient, why));
    }
    let missing = || OAuthError::request("token is missing (RFC 7662 section 2.1).");
    let token = params.one("token")?.ok_or_else(missing)?;
    let token = match presented(idp, token).await {
        Ok(Presented::Access(access)) => access_token(idp, client, access),
        Ok(Presented::Refresh(refresh)) => refresh_token(idp, client, &refresh),
        Ok(Presented::IdToken) | Err(InvalidToken::Unknown(_) | InvalidToken::GrantEnded) => None,
        Err(InvalidToken::Records(error)) => return Err(error.into()),
    };
    Ok(Introspection {
        active: token.is_some(),
        token,
    })
}

/// An access token for an audience of `client`. A token of which no right is left is
/// inactive.
fn access_token<'i>(
    idp: &'i Idp,
    client: &Client,
    access: PresentedAccess,
) -> Option<ActiveToken<'i>> {
    let PresentedAccess { claims, grant, .. } = access;
    let mut own = client.introspects.iter();
    own.find(|audience| claims.aud.contains(audience))?;
    let permit = Permit::of_token(idp, &claims, grant.as_ref()).ok()?;
    let scope = permit.effective_scope(&claims);
    if scope.is_empty() && !claims.scope.is_empty() {
        return None;
    }
    let user = permit.user();
    let has_email = claims.email.is_some() && permit.scope().contains("email");
    Some(ActiveToken::Access {
        token_type: Confirmation::token_type(claims.cnf.as_ref()),
        username: username(&permit),
        claims: AccessToken {
            scope,
            roles: user.map_or_else(Vec::new, |user| user.roles.clone()),
            email: user.filter(|_| has_email).map(|user| user.email.clone()),
            ..claims
        },
    })
}

/// A refresh token that `client` may redeem. No other client learns about it.
fn refresh_token<'i>(
    idp: &'i Idp,
    client: &'i Client,
    refresh: &PresentedRefresh,
) -> Option<ActiveToken<'i>> {
    let grant = &refresh.grant.record;
    let can_be_redeemed = match refresh.verdict {
        RefreshVerdict::Current | RefreshVerdict::Repeated { .. } => true,
        RefreshVerdict::Reused | RefreshVerdict::Expired => false,
    };
    let is_own = grant.client_id == client.client_id && client.may(GrantType::RefreshToken);
    if !(is_own && can_be_redeemed) {
        return None;
    }
    let permit = Permit::of_grant(idp, client, &grant.into()).ok()?;
    Some(ActiveToken::Refresh {
        iss: &idp.issuer,
        client_id: &client.client_id,
        sub: &permit.user()?.sub,
        username: username(&permit),
        scope: permit.scope().clone(),
        exp: grant.refresh.as_ref()?.ends.secs(),
        sid: grant.sid.clone(),
        cnf: grant.bound_to.clone(),
    })
}

/// The name by which the user signs in, with the scope `profile`.
fn username<'i>(permit: &Permit<'i>) -> Option<&'i str> {
    let user = permit.user()?;
    let is_granted = permit.scope().contains("profile");
    is_granted.then_some(&user.username)
}

/// RFC 9701 §4: whether the header Accept names the JWT, and prefers it to JSON, which the
/// most specific of its ranges decides (RFC 9110 §12.5.1).
fn prefers_jwt(req: &HttpRequest) -> bool {
    let Ok(accept) = header::Accept::parse(req) else {
        return false;
    };
    let quality = |ranges: &[&str]| {
        let named = ranges.iter().find_map(|range| {
            let mut items = accept.iter();
            items.find(|one| one.item.essence_str().eq_ignore_ascii_case(range))
        });
        named.map_or(Quality::ZERO, |one| one.quality)
    };
    let jwt = quality(&[JWT_MEDIA_TYPE]);
    jwt > Quality::ZERO && jwt >= quality(&["application/json", "application/*", "*/*"])
}

async fn signed(
    idp: &Idp,
    client: &Client,
    introspection: &Introspection<'_>,
) -> Result<String, SignError> {
    let claims = JwtClaims {
        iss: &idp.issuer,
        aud: &client.client_id,
        iat: idp.now().secs(),
        token_introspection: introspection,
    };
    let span = step!(span::SIGN, "sso.audience" = client.client_id);
    let signing = idp.keys.sign(
        jwt_type::TOKEN_INTROSPECTION,
        client.introspection_alg,
        &claims,
    );
    signing.instrument(span).await
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn rfc9701_4_the_jwt_is_named_and_preferred() {
        let prefers = |accept: &str| {
            let req = TestRequest::default().insert_header((header::ACCEPT, accept));
            prefers_jwt(&req.to_http_request())
        };
        for jwt in [
            "application/token-introspection+jwt",
            "APPLICATION/TOKEN-INTROSPECTION+JWT, */*",
            "application/json, application/token-introspection+jwt",
            "application/json;q=0.5, application/token-introspection+jwt",
            "*/*;q=0.1, application/token-introspection+jwt;q=0.9",
            "*/*, application/json;q=0.1, application/token-introspection+jwt;q=0.9",
        ] {
            assert!(prefers(jwt), "{jwt}");
        }
        for json in [
            "",
            "*/*",
            "application/*",
            "application/json",
            "application/token-introspection+jwt;q=0",
            "application/token-introspection+jwt;q=0.5, */*",
            "application/token-introspection+jwt;q=0.5, application/*;q=0.8",
            "application/json, application/token-introspection+jwt;q=0.9",
        ] {
            assert!(!prefers(json), "{json}");
        }
    }

    #[test]
    fn fuzz_the_header_accept() {
        let seeds = [
            "application/json;q=0.5, application/token-introspection+jwt",
            "*/*;q=1.0000, application/*, text/html; charset=\"a,b\"",
        ];
        fuzz::run(&seeds, |accept| {
            let Ok(value) = header::HeaderValue::from_bytes(accept) else {
                return;
            };
            let req = TestRequest::default().insert_header((header::ACCEPT, value));
            let accept = String::from_utf8_lossy(accept).to_ascii_lowercase();
            if prefers_jwt(&req.to_http_request()) {
                assert!(accept.contains(JWT_MEDIA_TYPE));
            }
        });
    }
}
