//! Userinfo (OIDC Core §5.3): any live token whose grant holds `openid`.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use kit::{clock::whole_secs, x509::thumbprint};
use oauth_types::{claims::AccessToken, error::sentence, params::BadParams};
use serde::Serialize;
use token_verify::{
    Scheme,
    dpop::{ALGORITHM_NAMES, BadProof},
    possession::{NotProven, prove},
};
use web_kit::{peer_certificates, problem::Problem};

use crate::{
    Idp,
    dpop::{self, NotUsable, Sender, SentProof},
    forms::ClientForm,
    issue::PersonClaims,
    policy::Permit,
    presented_token::{InvalidToken, Presented, presented},
    records::RecordError,
};

/// The path of the endpoint.
pub const PATH: &str = "/userinfo";

#[derive(Serialize)]
struct UserInfo<'a> {
    sub: &'a str,
    #[serde(flatten)]
    person: PersonClaims<'a>,
}

/// `GET` and `POST /userinfo`.
pub async fn endpoint(
    idp: web::Data<Idp>,
    req: HttpRequest,
    form: ClientForm,
) -> Result<HttpResponse, Problem> {
    let (scheme, token) = credentials(&req, &form)?;
    let access = match presented(&idp, &token).await {
        Ok(Presented::Access(access)) => access,
        Ok(Presented::Refresh(_) | Presented::IdToken) => {
            return Err(invalid_token("it is not an access token"));
        }
        Err(InvalidToken::Records(error)) => return Err(store_unavailable(error)),
        Err(invalid) => return Err(invalid_token(&invalid.to_string())),
    };
    check_possession(&idp, &req, (scheme, &token), &access.claims).await?;
    // The client of the grant: an exchanged token may have another one.
    let grant = access.grant.ok_or_else(no_openid)?;
    let ended = || invalid_token("its grant has ended");
    let client = idp.settings.client(&grant.client_id).ok_or_else(ended)?;
    let permit = Permit::of_grant(&idp, client, &(&grant).into()).map_err(|_| ended())?;
    let user = permit.user().ok_or_else(ended)?;
    if !permit.scope().contains("openid") {
        return Err(no_openid());
    }
    let info = UserInfo {
        sub: &user.sub,
        person: PersonClaims::of(user, permit.scope()),
    };
    let mut response = HttpResponse::Ok();
    dpop::add_nonce(&idp, &req, &mut response);
    Ok(response
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(info))
}

/// Whether the sender of the token holds the key that the token is bound to, if it is
/// bound to one. A bound token is never a bearer token (RFC 9449 §7.2).
async fn check_possession(
    idp: &Idp,
    req: &HttpRequest,
    (scheme, token): (Scheme, &str),
    access: &AccessToken,
) -> Result<(), Problem> {
    let proof = || {
        let sent = SentProof::of_request(idp, req, PATH).ok_or(BadProof::Missing)?;
        sent.check(idp, Some(token))
    };
    let certificate = peer_certificates(req).map(|peer| thumbprint(peer.own()));
    let proven = prove(scheme, access.cnf.as_ref(), proof, certificate.as_deref());
    let proof = proven.map_err(|why| match why {
        NotProven::NotBound => invalid_token("it is bound to no key"),
        NotProven::Proof(why) => bad_proof(idp, why),
        NotProven::Unproven(why) => invalid_token(&why.to_string()),
    })?;
    let Some(proof) = proof else { return Ok(()) };
    let used = dpop::use_up(idp, &proof, Sender::holder(access)).await;
    used.map_err(|why| match why {
        NotUsable::Replayed => bad_proof(idp, BadProof::Replayed),
        NotUsable::TooMany(wait) => too_many(wait),
        NotUsable::Records(error) => store_unavailable(error),
    })
}

/// RFC 6750 §2.1 and §2.2, RFC 9449 §7.1: the scheme and the token, in the header or in a
/// form, one of them. A token in the query is ignored.
fn credentials(req: &HttpRequest, form: &ClientForm) -> Result<(Scheme, String), Problem> {
    let malformed = |why: &str| {
        Problem::new(StatusCode::BAD_REQUEST, "Malformed request")
            .detail(why)
            .www_authenticate(challenge("invalid_request", why))
    };
    let headers: Vec<_> = req.headers().get_all(header::AUTHORIZATION).collect();
    let from_form = || -> Result<Option<String>, BadParams> {
        let Some(params) = form.optional_params()? else {
            return Ok(None);
        };
        Ok(params.one("access_token")?.map(str::to_owned))
    };
    let from_form = from_form().map_err(|error| malformed(&error.to_string()))?;
    match (&headers[..], from_form) {
        ([], None) => Err(no_token()),
        ([], Some(token)) => Ok((Scheme::Bearer, token)),
        ([one], None) => {
            let text = one.to_str().unwrap_or_default();
            let (scheme, token) = text.split_once(' ').ok_or_else(no_token)?;
            // RFC 6750 §3.1: no token of this kind was sent.
            let scheme = Scheme::named(scheme).ok_or_else(no_token)?;
            Ok((scheme, token.trim().to_owned()))
        }
        _ => Err(malformed(
            "More than one access token (RFC 6750 section 2).",
        )),
    }
}

fn no_token() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "No access token")
        .detail("Send an access token in the Authorization header.")
        .www_authenticate(format!("Bearer realm=\"sso-lab\", {}", algs()))
}

fn invalid_token(why: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "Invalid access token")
        .detail(format!("The access token is invalid: {why}."))
        .www_authenticate(challenge("invalid_token", why))
}

fn no_openid() -> Problem {
    let why = "the grant does not include openid";
    Problem::new(StatusCode::FORBIDDEN, "Insufficient scope")
        .detail("Userinfo requires a grant with the scope openid.")
        .www_authenticate(challenge_with(
            "insufficient_scope",
            why,
            ", scope=\"openid\"",
        ))
}

/// RFC 9449 §7.1, §9.
fn bad_proof(idp: &Idp, why: BadProof) -> Problem {
    let (code, said) = (why.code(), sentence(&why.to_string()));
    let problem = Problem::new(StatusCode::UNAUTHORIZED, "A valid DPoP proof is required")
        .detail(format!("The DPoP proof is refused: {why}."))
        .www_authenticate(format!(
            "Bearer realm=\"sso-lab\", {}, error=\"{code}\", error_description=\"{said}\"",
            algs()
        ));
    match why {
        BadProof::NoNonce | BadProof::StaleNonce => problem.dpop_nonce(dpop::nonce(idp)),
        _ => problem,
    }
}

/// The challenge of DPoP (RFC 9449 §7.1).
fn algs() -> String {
    format!("DPoP algs=\"{}\"", ALGORITHM_NAMES.join(" "))
}

fn challenge(error: &str, why: &str) -> String {
    challenge_with(error, why, "")
}

/// The challenge of both schemes; `more` goes to that of the error.
fn challenge_with(error: &str, why: &str, more: &str) -> String {
    format!(
        "Bearer realm=\"sso-lab\", error=\"{error}\", error_description=\"{}\"{more}, {}",
        sentence(why),
        algs()
    )
}

fn too_many(wait: Duration) -> Problem {
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "Too many calls")
        .detail(NotUsable::TOO_MANY)
        .retry_after(whole_secs(wait))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn store_unavailable(error: RecordError) -> Problem {
    tracing::warn!("{error}");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "The store is unavailable")
        .detail("Try again.")
        .retry_after(1)
}
