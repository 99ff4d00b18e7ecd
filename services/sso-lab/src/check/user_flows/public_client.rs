//! A public client of the provider, by hand: the code flow with PKCE (RFC 6749 §4.1,
//! RFC 7636) in the user's browser.

use kit::random::{OsRandom, Random};
use oauth_types::pkce;
use reqwest::Method;
use url::form_urlencoded;

use crate::check::{
    args::Plan,
    browser::{Answer, Browser},
    outcome::{Failure, Stop},
};

/// The client, and one authorization request of it.
pub(super) struct PublicClient<'a> {
    pub(super) plan: &'a Plan,
    pub(super) id: &'a str,
    redirect_uri: String,
    scope: &'a str,
    verifier: String,
    pub(super) state: String,
    /// Calls that no browser makes.
    direct: Browser,
}

impl<'a> PublicClient<'a> {
    pub(super) fn new(plan: &'a Plan, id: &'a str, redirect_uri: String, scope: &'a str) -> Self {
        let random: &dyn Random = &OsRandom;
        Self {
            direct: Browser::new(&plan.transport),
            plan,
            id,
            redirect_uri,
            scope,
            verifier: format!("{}{}", random.id(), random.id()),
            state: random.id(),
        }
    }

    /// Opens the authorization request in `browser`. The step is skipped if the
    /// deployment has no such client.
    pub(super) async fn open(&self, browser: &mut Browser) -> Result<Answer, Stop> {
        let request = encoded(&[
            ("client_id", self.id),
            ("redirect_uri", &self.redirect_uri),
            ("response_type", "code"),
            ("scope", self.scope),
            ("state", &self.state),
            ("code_challenge", &pkce::challenge(&self.verifier)),
            ("code_challenge_method", pkce::S256),
        ]);
        let url = format!("{}/authorize?{request}", self.plan.issuer);
        let page = browser.open(&url).await?;
        if page.is_of(&self.plan.issuer) && page.status == 400 {
            let why = format!("this deployment has no client {}", self.id);
            return Err(Stop::Skipped(why));
        }
        Ok(page)
    }

    /// The access token for `code`.
    pub(super) async fn redeem(&mut self, code: &str) -> Result<String, Failure> {
        let (redirect_uri, verifier) = (self.redirect_uri.clone(), self.verifier.clone());
        let form = [
            ("client_id", self.id),
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &redirect_uri),
            ("code_verifier", &verifier),
        ];
        let tokens = self.post("/token", &form, None).await?.expect(200)?;
        let json = tokens.json()?;
        let token = json["access_token"].as_str();
        let token = token.ok_or_else(|| tokens.failure("has no access token"))?;
        Ok(token.to_owned())
    }

    /// Posts a form to the provider.
    pub(super) async fn post(
        &mut self,
        path: &str,
        form: &[(&str, &str)],
        credentials: Option<&str>,
    ) -> Result<Answer, Failure> {
        let url = format!("{}{path}", self.plan.issuer);
        let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
        headers.extend(credentials.map(|value| ("authorization", value)));
        self.direct
            .call(Method::POST, &url, &headers, &encoded(form))
            .await
    }

    /// A GET of `url` with `token` (RFC 6750 §2.1).
    pub(super) async fn call(&mut self, url: &str, token: &str) -> Result<Answer, Failure> {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        self.direct.call(Method::GET, url, &headers, "").await
    }
}

fn encoded(form: &[(&str, &str)]) -> String {
    let mut encoded = form_urlencoded::Serializer::new(String::new());
    encoded.extend_pairs(form).finish()
}
