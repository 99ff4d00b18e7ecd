//! The single-page app of the victim, whose part the program plays: a public client, whose
//! tokens scripts in its page can reach. It gets bearer tokens, as most such apps do; the
//! lab's own page binds its tokens to a key.

use headless_browser::Response;
use kit::config::Site;
use oauth_types::pkce;
use serde_json::Value;
use url::Url;

use super::{
    code::parameter,
    outcome::{NotRun, Who},
    person::json,
    stage::Stage,
};
use crate::spa::{CLIENT_ID, SERVICE};

/// Alice's tokens.
pub(super) struct Tokens {
    pub(super) access: String,
    pub(super) refresh: String,
    pub(super) id: String,
}

/// Alice signs in at the single-page app, which gets these tokens.
pub(super) async fn sign_in(stage: &mut Stage<'_>) -> Result<Tokens, NotRun> {
    let random = &*stage.lab.random;
    let (verifier, own_state) = (random.token(), random.id());
    let redirect_uri = stage.url(Site::Spa, "/callback");
    let request = [
        ("client_id", CLIENT_ID),
        ("redirect_uri", &*redirect_uri),
        ("response_type", "code"),
        ("scope", "openid offline_access https://api-1/read"),
        ("state", &*own_state),
        ("code_challenge", &*pkce::challenge(&verifier)),
        ("code_challenge_method", pkce::S256),
    ];
    let url = Url::parse_with_params(&format!("{}/authorize", stage.lab.issuer), request);
    let url = url.map_err(|error| NotRun::new(error.to_string()))?;
    let redirect = stage.victim.until(url.as_str(), &redirect_uri).await?;
    let code = parameter(&redirect, "code");
    let code = code.ok_or_else(|| NotRun::new("The provider gave the single-page app no code."))?;
    let grant = [
        ("client_id", CLIENT_ID),
        ("grant_type", "authorization_code"),
        ("code", &*code),
        ("redirect_uri", &*redirect_uri),
        ("code_verifier", &*verifier),
    ];
    let token_endpoint = token_endpoint(stage);
    let answer = stage.call_as(SERVICE, &token_endpoint, &grant).await?;
    let tokens = tokens(&json(&answer)?);
    stage.note(
        Who::Victim,
        "signs in at the single-page app, which has her tokens in the browser.",
        "It gets an access token for API-1, an ID token and a refresh token.",
    );
    Ok(tokens)
}

/// The form that redeems `refresh`.
pub(super) fn refresh_form(refresh: &str) -> [(&str, &str); 3] {
    [
        ("client_id", CLIENT_ID),
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh),
    ]
}

/// Alice's app redeems `refresh`.
pub(super) async fn refresh(stage: &mut Stage<'_>, refresh: &str) -> Result<Response, NotRun> {
    let token_endpoint = token_endpoint(stage);
    let form = refresh_form(refresh);
    stage.call_as(SERVICE, &token_endpoint, &form).await
}

/// The provider's token endpoint.
pub(super) fn token_endpoint(stage: &Stage<'_>) -> String {
    format!("{}/token", stage.lab.issuer)
}

/// The tokens of a token response.
pub(super) fn tokens(answer: &Value) -> Tokens {
    let of = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    Tokens {
        access: of("access_token"),
        refresh: of("refresh_token"),
        id: of("id_token"),
    }
}
