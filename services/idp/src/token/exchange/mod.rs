//! Token exchange (RFC 8693), over HTTP and gRPC. A client, usually a resource server,
//! exchanges the token that it received for a token for the next resource server. A
//! configured policy must allow the exchange. The policy also says whether the new token
//! names the actor (delegation) or not (impersonation, §1.1).

mod actor;
mod foreign;
mod subject;

pub use foreign::ForeignKeys;
use kit::clock::Timestamp;
use oauth_types::{ErrorCode, Params, Scope, TokenResponse, names::token_type};
use subject::SubjectToken;

use crate::{
    Idp, audit,
    error::OAuthError,
    issue::{Exchanged, Issue, issue},
    opaque_tokens,
    policy::TokenScope,
    settings::{Client, Exchange, ExchangeMode, Settings},
    token_binding::TokenBinding,
};

/// In a policy for another issuer's tokens: the scope that matches any scope.
const ANY_SCOPE: &str = "*";

/// A token exchange request (RFC 8693 §2.1).
struct ExchangeRequest {
    /// `resource` and `audience`.
    audiences: Vec<String>,
    /// `scope`.
    scope: Option<String>,
    /// The type of the new token.
    issued_token_type: &'static str,
    /// `subject_token`.
    subject_token: String,
    /// `actor_token`.
    actor_token: Option<String>,
}

impl ExchangeRequest {
    /// Reads and checks the parameters.
    fn read(params: &Params) -> Result<Self, OAuthError> {
        let text = |name: &'static str| Ok::<_, OAuthError>(params.one(name)?.map(str::to_owned));
        let missing =
            |name: &str| OAuthError::request(format!("{name} is missing (RFC 8693 section 2.1)."));
        let subject_token = text("subject_token")?.ok_or_else(|| missing("subject_token"))?;
        let subject_type = text("subject_token_type")?;
        let subject_type = subject_type.ok_or_else(|| missing("subject_token_type"))?;
        check_type_of("subject_token_type", &subject_type, &subject_token)?;
        let actor_token = text("actor_token")?;
        match (&actor_token, text("actor_token_type")?) {
            (None, None) => {}
            (Some(token), Some(actor_type)) => {
                check_type_of("actor_token_type", &actor_type, token)?;
            }
            (Some(_), None) => return Err(missing("actor_token_type")),
            (None, Some(_)) => {
                let why = "actor_token_type without an actor_token (RFC 8693 section 2.1).";
                return Err(OAuthError::request(why));
            }
        }
        let issued_token_type = match text("requested_token_type")? {
            Some(requested) => check_type("requested_token_type", &requested)?,
            None => token_type::ACCESS_TOKEN,
        };
        Ok(Self {
            audiences: params.resources().into_iter().map(str::to_owned).collect(),
            scope: text("scope")?,
            issued_token_type,
            subject_token,
            actor_token,
        })
    }
}

/// Accepts `access_token` and `jwt`, because access tokens are JWTs (RFC 9068); an opaque
/// one is no JWT ([`check_form`]).
fn check_type(parameter: &str, name: &str) -> Result<&'static str, OAuthError> {
    let known = [token_type::ACCESS_TOKEN, token_type::JWT];
    let found = known.into_iter().find(|own| *own == name);
    found.ok_or_else(|| {
        OAuthError::request(format!(
            "{parameter}: this provider exchanges only access tokens, with the type {} or {}.",
            token_type::ACCESS_TOKEN,
            token_type::JWT
        ))
    })
}

/// The same for the type of `token`.
fn check_type_of(parameter: &str, name: &str, token: &str) -> Result<(), OAuthError> {
    let known = check_type(parameter, name)?;
    if known == token_type::JWT && opaque_tokens::is_one(token) {
        let why = format!("{parameter}: the token is no JWT.");
        return Err(OAuthError::request(why));
    }
    Ok(())
}

/// RFC 8693 §3: an opaque token is not of the type JWT.
fn check_form(idp: &Idp, policy: &Exchange, request: &ExchangeRequest) -> Result<(), OAuthError> {
    let is_jwt = request.issued_token_type == token_type::JWT;
    if is_jwt && idp.settings.has_opaque_tokens(&policy.to) {
        let why = format!(
            "requested_token_type: access tokens for {} are opaque: {}.",
            policy.to,
            token_type::ACCESS_TOKEN
        );
        return Err(OAuthError::request(why));
    }
    Ok(())
}

/// The error for a subject token that is not accepted (RFC 8693 §2.2.2).
fn refused(why: &str) -> OAuthError {
    OAuthError::request(format!("subject_token: {why}."))
}

/// Exchanges a token. `run_grant` has checked that the client may use this grant.
pub async fn exchange(
    idp: &Idp,
    client: &Client,
    params: &Params,
    binding: &TokenBinding,
) -> Result<TokenResponse, OAuthError> {
    let request = ExchangeRequest::read(params)?;
    let subject = subject::read(idp, client, &request.subject_token).await?;
    let policy = policy_for(&idp.settings, client, &subject, &request.audiences)?;
    check_form(idp, policy, &request)?;
    let actor = actor::read(idp, client, policy, request.actor_token.as_deref()).await?;
    actor::check_may_act(idp, &subject, &actor)?;
    let act = actor::chain(policy, &subject, &actor)?;
    let scope = narrowed(&mapped_scope(policy, &subject), request.scope.as_deref())?;
    let user = subject.permit.user();
    if let Some(user) = user
        && (policy.mode == ExchangeMode::Impersonation || subject.issuer.is_some())
    {
        let how = match &subject.issuer {
            Some(issuer) => issuer.as_str(),
            None => "impersonation",
        };
        audit::user_represented(&user.sub, &client.client_id, how);
    }
    // A token never outlives those that it was exchanged for.
    let ends = actor.exp.map_or(subject.exp, |exp| exp.min(subject.exp));
    // The new token is bound to the key of the client that exchanges, if it has proven to
    // hold one, and never to the subject token's key.
    issue(
        idp,
        Issue {
            client_id: &client.client_id,
            binding,
            permit: &subject.permit,
            subject: subject.sign_in(),
            grant_id: None,
            audience: &policy.to,
            scope: TokenScope::same(scope),
            with_email: subject.with_email,
            refresh_token: None,
            id_token: None,
            exchanged: Some(Exchanged {
                origin: subject.origin.clone(),
                act,
                not_after: Timestamp::from_secs(ends),
                issued_token_type: request.issued_token_type,
            }),
        },
    )
    .await
}

/// The policy for this client, the issuer and audience of the subject token, and the
/// audience of the new one.
fn policy_for<'s>(
    settings: &'s Settings,
    client: &Client,
    subject: &SubjectToken<'_>,
    asked: &[String],
) -> Result<&'s Exchange, OAuthError> {
    let target = |why: &str| OAuthError::new(ErrorCode::InvalidTarget, why);
    let [to] = asked else {
        return Err(target("Name the one audience of the new token."));
    };
    let matches = |exchange: &&Exchange| {
        exchange.client == client.client_id
            && exchange.issuer == subject.issuer
            && exchange.to == *to
            && (!exchange.own_tokens || subject.client_id.as_ref() == Some(&client.client_id))
            && subject.audience.contains(&exchange.from)
    };
    settings
        .exchanges
        .iter()
        .find(matches)
        .ok_or_else(|| target("This client may not exchange this token for that audience."))
}

/// The error for a token for which nothing may be issued now (RFC 8693 §2.2.2).
fn unacceptable(error: OAuthError) -> OAuthError {
    match error.code {
        ErrorCode::InvalidGrant => OAuthError::request(error.description),
        _ => error,
    }
}

/// The scope of the subject token, mapped by the policy to scopes of the new audience.
fn mapped_scope(policy: &Exchange, subject: &SubjectToken<'_>) -> Scope {
    let is_foreign = policy.issuer.is_some();
    policy.mapped(|from| subject.scope.contains(from) || (is_foreign && from == ANY_SCOPE))
}

/// The requested part of the mapped scope; all of it if the request names none.
fn narrowed(mapped: &Scope, asked: Option<&str>) -> Result<Scope, OAuthError> {
    let refused = |why: &str| OAuthError::new(ErrorCode::InvalidScope, why);
    let scope = match asked {
        None => mapped.clone(),
        Some(text) => {
            let asked: Scope = text
                .parse()
                .map_err(|_| refused("The scope is malformed."))?;
            if !asked.is_within(mapped) {
                return Err(refused("The scope exceeds that of the subject token."));
            }
            asked
        }
    };
    if scope.is_empty() {
        Err(refused(
            "The scope of the subject token gives nothing at this audience.",
        ))
    } else {
        Ok(scope)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use oauth_types::Members;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn rfc8693_2_1_any_request_is_whole_or_refused(pairs in prop::collection::vec(pair(), 0..12)) {
            let params: Params = pairs.clone().into_iter().collect();
            let has = |name: &str| params.has(name);
            match ExchangeRequest::read(&params) {
                Ok(request) => {
                    prop_assert!(has("subject_token") && has("subject_token_type"));
                    prop_assert_eq!(has("actor_token"), has("actor_token_type"));
                    prop_assert_eq!(request.actor_token.is_some(), has("actor_token"));
                    let known = [token_type::ACCESS_TOKEN, token_type::JWT];
                    for (_, value) in pairs.iter().filter(|(name, _)| name.ends_with("_type")) {
                        prop_assert!(value.is_empty() || known.contains(&value.as_str()));
                    }
                }
                Err(error) => prop_assert_eq!(error.code, ErrorCode::InvalidRequest),
            }
        }

        #[test]
        fn any_bytes_are_claims_of_another_issuer_or_none(text in ".{0,200}") {
            let members = Members::read(text.as_bytes());
            if let Ok(claims) = members.and_then(|members| foreign::Claims::read(&members)) {
                prop_assert!(text.contains("sub") && text.contains("aud"));
                prop_assert!(claims.exp.abs() <= 253_402_300_799);
            }
        }
    }

    fn pair() -> impl Strategy<Value = (String, String)> {
        let name = prop_oneof![
            Just("subject_token"),
            Just("subject_token_type"),
            Just("actor_token"),
            Just("actor_token_type"),
            Just("requested_token_type"),
            Just("audience"),
            Just("scope"),
        ];
        let value = prop_oneof![
            3 => Just(token_type::ACCESS_TOKEN.to_owned()),
            1 => Just(token_type::JWT.to_owned()),
            1 => ".{0,12}",
        ];
        (name.prop_map(str::to_owned), value)
    }
}
