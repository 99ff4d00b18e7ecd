//! The parameters of a logout request (RP-Initiated Logout 1.0 §2). An error is shown
//! as a page: no session ends, and there is no redirect.

use oauth_types::Params;
use url::Url;

use crate::{
    Idp,
    domain::LoginSession,
    own_tokens::{self, IdTokenHint},
    page_error::PageError,
    settings::Client,
};

/// The supported parameters. `logout_hint` and `ui_locales` are ignored: a browser has
/// one session, and the pages have one language.
const NAMES: [&str; 4] = [
    "id_token_hint",
    "client_id",
    "post_logout_redirect_uri",
    "state",
];

/// A request that passed every check.
pub(super) struct LogoutRequest<'i> {
    /// The client, if the request names one.
    pub(super) client: Option<&'i Client>,
    /// Where the browser is redirected, with `state`.
    pub(super) redirect_to: Option<Url>,
    /// The parameters, for the confirmation form.
    pub(super) params: Vec<(String, String)>,
    hint: Option<IdTokenHint>,
}

impl<'i> LogoutRequest<'i> {
    pub(super) fn read(idp: &'i Idp, params: &Params) -> Result<Self, PageError> {
        let hint = params
            .one("id_token_hint")?
            .map(|token| own_tokens::id_token_hint(idp, token))
            .transpose()
            .map_err(|why| PageError::logout(format!("id_token_hint: {why}.")))?;
        let client = client(idp, params, hint.as_ref())?;
        let redirect_to = params
            .one("post_logout_redirect_uri")?
            .map(|uri| registered(client, uri))
            .transpose()?;
        let state = params.one("state")?;
        let given = NAMES.into_iter().filter_map(|name| {
            let value = params.one(name).ok().flatten()?;
            Some((name.to_owned(), value.to_owned()))
        });
        Ok(Self {
            client,
            redirect_to: redirect_to.map(|url| with_state(url, state)),
            params: given.collect(),
            hint,
        })
    }

    /// The session of the hint.
    pub(super) fn sid(&self) -> Option<&str> {
        self.hint.as_ref()?.sid.as_deref()
    }

    /// Whether the hint names this session.
    pub(super) fn names(&self, login: &LoginSession) -> bool {
        self.hint.as_ref().is_some_and(|hint| {
            hint.sub == login.sub && hint.sid.as_deref() == Some(login.sid.as_str())
        })
    }
}

/// §2: `client_id` and the audience of the hint must agree.
fn client<'i>(
    idp: &'i Idp,
    params: &Params,
    hint: Option<&IdTokenHint>,
) -> Result<Option<&'i Client>, PageError> {
    let named = params.one("client_id")?;
    let client = match (named, hint) {
        (Some(id), Some(hint)) if !hint.aud.contains(id) => {
            let why = "id_token_hint was issued to another client than client_id.";
            return Err(PageError::logout(why));
        }
        (Some(id), _) => idp.settings.client(id),
        (None, Some(hint)) => idp
            .settings
            .clients()
            .find(|c| hint.aud.contains(&c.client_id)),
        (None, None) => return Ok(None),
    };
    client.map(Some).ok_or_else(PageError::unknown_client)
}

/// §3: one of the registered URIs of the client, compared as a string.
fn registered(client: Option<&Client>, uri: &str) -> Result<Url, PageError> {
    let client = client.ok_or_else(|| {
        PageError::logout("post_logout_redirect_uri requires id_token_hint or client_id.")
    })?;
    let own = client.post_logout_redirect_uris.iter();
    own.filter(|own| *own == uri)
        .find_map(|own| own.parse().ok())
        .ok_or_else(|| {
            PageError::logout(
                "post_logout_redirect_uri is not registered for the client. Registered URIs are compared exactly.",
            )
        })
}

fn with_state(mut url: Url, state: Option<&str>) -> Url {
    if let Some(state) = state {
        url.query_pairs_mut().append_pair("state", state);
    }
    url
}
