//! What a logout request asks for (RP-Initiated Logout 1.0 §2). What is wrong
//! with it is said on a page: nothing is ended, and nobody is sent anywhere.

use url::Url;

use crate::{
    domain::LoginSession,
    params::Params,
    settings::Client,
    state::Idp,
    tokens_of_ours::{self, IdTokenHint},
    trouble::Trouble,
};

/// The parameters that mean something here. `logout_hint` and `ui_locales` may
/// be there: there is one session a browser, and one language.
const NAMES: [&str; 4] = [
    "id_token_hint",
    "client_id",
    "post_logout_redirect_uri",
    "state",
];

/// A request that passed every check.
pub(super) struct Asked<'i> {
    /// The client that asks, where it says so.
    pub(super) client: Option<&'i Client>,
    /// Where the browser goes in the end, with `state`.
    pub(super) back: Option<Url>,
    /// The parameters, for the form that asks the user.
    pub(super) params: Vec<(String, String)>,
    hint: Option<IdTokenHint>,
}

impl<'i> Asked<'i> {
    pub(super) fn read(idp: &'i Idp, params: &Params) -> Result<Self, Trouble> {
        let hint = params
            .one("id_token_hint")?
            .map(|token| tokens_of_ours::id_token_hint(idp, token))
            .transpose()
            .map_err(|why| Trouble::logout(format!("id_token_hint: {why}.")))?;
        let client = client(idp, params, hint.as_ref())?;
        let back = params
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
            back: back.map(|url| with_state(url, state)),
            params: given.collect(),
            hint,
        })
    }

    /// The session that the hint names.
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

/// §2: `client_id` and the hint's audience must agree.
fn client<'i>(
    idp: &'i Idp,
    params: &Params,
    hint: Option<&IdTokenHint>,
) -> Result<Option<&'i Client>, Trouble> {
    let named = params.one("client_id")?;
    let client = match (named, hint) {
        (Some(id), Some(hint)) if !hint.aud.contains(id) => {
            let why = "id_token_hint was issued to another client than client_id names.";
            return Err(Trouble::logout(why));
        }
        (Some(id), _) => idp.settings.client(id),
        (None, Some(hint)) => idp
            .settings
            .clients()
            .find(|c| hint.aud.contains(&c.client_id)),
        (None, None) => return Ok(None),
    };
    client.map(Some).ok_or_else(Trouble::unknown_client)
}

/// §3: one of the client's, compared exactly as a string.
fn registered(client: Option<&Client>, uri: &str) -> Result<Url, Trouble> {
    let client = client.ok_or_else(|| {
        Trouble::logout("post_logout_redirect_uri needs an id_token_hint or a client_id beside it.")
    })?;
    let own = client.post_logout_redirect_uris.iter();
    own.filter(|own| *own == uri)
        .find_map(|own| own.parse().ok())
        .ok_or_else(|| {
            Trouble::logout(
                "post_logout_redirect_uri is none of the client's; it is compared exactly.",
            )
        })
}

fn with_state(mut url: Url, state: Option<&str>) -> Url {
    if let Some(state) = state {
        url.query_pairs_mut().append_pair("state", state);
    }
    url
}
