//! What the app's redirects say in explain mode.

use web_kit::explain::{Explanation, TimeLeft};

use crate::{app::App, sessions::SessionMode};

/// Before the app pushes its request.
pub(crate) fn push(app: &App) -> Explanation {
    let name = app.name;
    Explanation {
        title: format!("{name} is about to push its sign-in request"),
        why: format!(
            "You asked {name} to sign you in. {name} sends the whole authorization request to the provider itself, from server to server, and gets a handle for it: the request_uri. Your browser then carries this handle alone, so nobody at the browser can read or change the request."
        ),
        step: "Pushed authorization request",
        section: "RFC 9126 §2.1",
        next: vec![
            format!(
                "{name} makes a state, a nonce and a PKCE code_verifier for this one sign-in, keeps them in its store, and gives this browser a cookie that belongs to them."
            ),
            format!(
                "{name} authenticates at the provider and sends the request there (POST /par). The provider checks it."
            ),
            "The provider answers with a request_uri. It is valid once and for a short time, which begins then and not now.".to_owned(),
            format!("{name} sends your browser to the provider with the request_uri."),
        ],
        ..Explanation::default()
    }
}

/// The authorization request leaves.
pub(crate) fn request(
    app: &App,
    is_pushed: bool,
    times_left: Vec<TimeLeft>,
    again: Option<String>,
) -> Explanation {
    let name = app.name;
    let (step, section, why) = if is_pushed {
        (
            "Authorization request with a request_uri",
            "RFC 9126 §4",
            "The provider has the request already. The address that your browser opens next carries only the client_id and the handle, so it shows nothing of the request.",
        )
    } else {
        (
            "Authorization request",
            "RFC 6749 §4.1.1",
            "It never asks for your password: the provider does that, and tells the app who signed in. The request travels in the address that your browser opens next. Everybody at this browser can read it, so nothing in it is enough to sign in.",
        )
    };
    let mut next = vec![
        "The provider looks at client_id and redirect_uri first. If one of them is wrong, it sends your browser nowhere.".to_owned(),
        "Your browser sends the provider's own cookies along. If you are signed in there, no form is needed: this is single sign-on.".to_owned(),
    ];
    if !is_pushed {
        next.push("The code_challenge is the hash of a value that only the app's server has. Whoever copies it from the address cannot redeem the code (PKCE).".to_owned());
    }
    Explanation {
        title: format!("{name} sends your browser to the provider"),
        why: format!("{name} wants to know who you are. {why}"),
        step,
        section,
        next,
        times_left,
        again,
        ..Explanation::default()
    }
}

/// A login that needs no provider.
pub(crate) fn signed_in_already(app: &App) -> Explanation {
    let name = app.name;
    Explanation {
        title: format!("You are signed in to {name} already"),
        why: format!(
            "The cookie of this browser belongs to a session of {name} that goes on. The provider is not asked."
        ),
        step: "Back to the page",
        ..Explanation::default()
    }
}

/// A login has succeeded.
pub(crate) fn signed_in(app: &App, mode: SessionMode) -> Explanation {
    let name = app.name;
    Explanation {
        title: format!("{name} has signed you in and opens its page"),
        why: format!(
            "{name} took the code out of the address and redeemed it at the provider, from server to server, with its own credential and the code_verifier. It checked the ID token and began a new session. Its cookies hold: {}",
            mode.cookie_holds()
        ),
        step: "The session begins",
        section: "OIDC Core §3.1.3.7",
        next: vec![
            "The page opens at an address without a code or a state. Both are used up.".to_owned(),
            format!(
                "From now on the browser sends {name} its cookie alone; {name} adds the access token to calls of the APIs."
            ),
        ],
        ..Explanation::default()
    }
}

/// A sign-out of this app alone.
pub(crate) fn signed_out_here(app: &App) -> Explanation {
    let name = app.name;
    Explanation {
        title: format!("{name} has ended its own session"),
        why: format!(
            "The cookie is deleted and the refresh token is revoked at the provider. Your session at the provider goes on, so the next sign-in to {name} needs no password."
        ),
        step: "Back to the page",
        ..Explanation::default()
    }
}

/// A sign-out that goes on at the provider.
pub(crate) fn sign_out_at_provider(app: &App) -> Explanation {
    let name = app.name;
    Explanation {
        title: format!("{name} sends your browser to the provider to sign out"),
        why: format!(
            "{name} has ended its own session and revoked its refresh token. The session at the provider is still there, and with it single sign-on. Only a request of your browser, with the provider's cookie, ends that."
        ),
        step: "Logout request",
        section: "RP-Initiated Logout §2",
        next: vec![
            "The provider verifies the id_token_hint: it issued this ID token itself, and the token names the session.".to_owned(),
            "It ends the session and tells every app of it, from server to server (back-channel logout).".to_owned(),
            "It sends your browser back to the post_logout_redirect_uri if that is registered for the client.".to_owned(),
        ],
        ..Explanation::default()
    }
}
