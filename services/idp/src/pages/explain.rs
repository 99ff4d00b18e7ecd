//! What the provider's pauses and redirects say in explain mode.

use std::time::Duration;

use web_kit::explain::{Explanation, TimeLeft};

/// An authorization request that has arrived.
pub(crate) struct ArrivedRequest<'r> {
    /// The client's name.
    pub client: &'r str,
    /// Whether the client had pushed it.
    pub is_pushed: bool,
    /// Whether the browser has brought the cookie of a session.
    pub has_session: bool,
    /// Whether the user has to consent.
    pub asks_consent: bool,
    /// The values of `prompt`.
    pub prompt: &'r [String],
    /// How long a code is valid.
    pub code: Duration,
    /// The remaining life of the pushed request.
    pub times_left: Vec<TimeLeft>,
    /// What the pushed request says.
    pub stands_for: Vec<(&'static str, String)>,
    /// Where it begins anew.
    pub again: Option<String>,
}

/// Before the provider works on an authorization request.
pub(crate) fn arrived(request: ArrivedRequest<'_>) -> Explanation {
    let client = request.client;
    let why = if request.is_pushed {
        "The provider has found the request that the handle stands for; its client has authenticated before it pushed it. Nothing else has happened yet, and there is no code."
    } else {
        "The provider knows the client, and nothing else of the request is checked yet. There is no code."
    };
    let code = request.code.as_secs();
    let mut next = vec![check(request.is_pushed)];
    next.push(sign_in(&request));
    if request.asks_consent {
        next.push(format!(
            "{client} has to ask for your consent: the provider shows what it wants to do, and you allow or deny it."
        ));
    }
    next.push(format!(
        "If all of that is right, the provider issues a code for {client} alone. The code is valid once and for {code} seconds, which begin then and not now."
    ));
    Explanation {
        title: format!("The provider has received the request of {client}"),
        why: why.to_owned(),
        step: "Authorization request",
        section: if request.is_pushed {
            "RFC 9126 §4"
        } else {
            "RFC 6749 §4.1.1"
        },
        next,
        times_left: request.times_left,
        again: request.again,
        stands_for: request.stands_for,
    }
}

fn check(is_pushed: bool) -> String {
    if is_pushed {
        return "The request was checked when it was pushed. It is used up with its answer."
            .to_owned();
    }
    "The provider checks redirect_uri (equal to one that is registered), response_type, scope, resource and code_challenge. A wrong redirect_uri leads nowhere; any other error goes back to the client."
        .to_owned()
}

fn sign_in(request: &ArrivedRequest<'_>) -> String {
    let asks = |value: &str| request.prompt.iter().any(|prompt| prompt == value);
    let said = if asks("none") {
        "prompt=none: the provider shows no form. Without a session that goes on, the app gets the error login_required."
    } else if asks("login") || asks("select_account") {
        "prompt asks for a new sign-in: the provider shows its form, whether there is a session or not."
    } else if request.has_session {
        "This browser has brought the cookie of a session at the provider. If that session goes on, no form is shown: this is single sign-on."
    } else {
        "This browser has brought no cookie of a session at the provider, so the provider shows its sign-in form."
    };
    said.to_owned()
}

/// What the user has done before the code is issued.
pub(crate) enum Done {
    SignedIn,
    Consented,
}

/// Before the provider issues a code for `client`, which gets it at `host`.
pub(crate) fn code_follows(
    done: &Done,
    client: &str,
    host: &str,
    code: Duration,
    times_left: Vec<TimeLeft>,
) -> Explanation {
    let (title, why) = match done {
        Done::SignedIn => (
            "You are signed in, and a code comes next",
            "The password was right. The provider has begun a session of its own for this browser: the cookie __Host-idp_session, which makes single sign-on. There is no code yet.",
        ),
        Done::Consented => (
            "You have allowed it, and a code comes next",
            "The provider has your answer. There is no code yet.",
        ),
    };
    let code = code.as_secs();
    Explanation {
        title: title.to_owned(),
        why: why.to_owned(),
        step: "The authorization code",
        section: "RFC 6749 §4.1.2",
        next: vec![
            format!(
                "The provider makes a code for you and for {client}, with the redirect_uri, the scope and the code_challenge of the request. It stores a hash of the code alone."
            ),
            format!("The code is valid once and for {code} seconds, which begin then and not now."),
            format!(
                "The provider sends your browser to {host}, with code, state and iss in the address."
            ),
        ],
        times_left,
        ..Explanation::default()
    }
}

/// An authorization response with a code.
pub(crate) fn code(client: &str, times_left: Vec<TimeLeft>, again: Option<String>) -> Explanation {
    Explanation {
        title: format!("The provider sends you back to {client} with a code"),
        why: format!(
            "The code says nothing of you and is no token. It passes through your browser, so it must be worth little there: {client} has to redeem it from its own server or with its own code_verifier, once, and soon."
        ),
        step: "Authorization response",
        section: "RFC 6749 §4.1.2",
        next: vec![
            format!("{client} compares state with the value that it gave this browser (CSRF), and iss with the provider that it asked (mix-up)."),
            format!("{client} sends code and code_verifier to the provider's token endpoint. That request does not pass through your browser."),
            "The provider checks client, redirect_uri, code_verifier and time, and issues an ID token, an access token and a refresh token.".to_owned(),
        ],
        times_left,
        again,
        ..Explanation::default()
    }
}

/// An authorization response with an error; `host`: where the client gets it.
pub(crate) fn refusal(host: &str) -> Explanation {
    Explanation {
        title: "The provider sends you back to the app with an error".to_owned(),
        why: format!(
            "The request cannot be answered with a code. The client and its redirect_uri are right, so {host} is told why, in a way that its program can read."
        ),
        step: "Error response",
        section: "RFC 6749 §4.1.2.1",
        next: vec![
            "The app checks state and iss as for any other response.".to_owned(),
            "It shows you what happened, or tries another way.".to_owned(),
        ],
        ..Explanation::default()
    }
}

/// Before a logout request is carried out.
pub(crate) fn logout(client: Option<&str>) -> Explanation {
    let asks = client.unwrap_or("An app");
    Explanation {
        title: "The provider has received a logout request".to_owned(),
        why: format!(
            "{asks} asks the provider to end your session there. The id_token_hint shows that it may: the provider issued this ID token to it, for this session. The session has not ended yet."
        ),
        step: "Logout request",
        section: "RP-Initiated Logout §2",
        next: vec![
            "The provider ends its session of this browser and deletes its cookie. Single sign-on is over.".to_owned(),
            "It sends a logout token to every app of that session, from server to server (OIDC Back-Channel Logout §2.5). Their sessions end too.".to_owned(),
            "It sends your browser to the post_logout_redirect_uri, which is registered for the client.".to_owned(),
        ],
        ..Explanation::default()
    }
}

/// The way back after a logout.
pub(crate) fn logged_out(client: Option<&str>) -> Explanation {
    let back_to = client.unwrap_or("the app");
    Explanation {
        title: format!("You are signed out, and return to {back_to}"),
        why: "The session at the provider has ended, and every app of it was told. The address carries nothing but the state that the app may have sent.".to_owned(),
        step: "The way back after a logout",
        section: "RP-Initiated Logout §3",
        ..Explanation::default()
    }
}
