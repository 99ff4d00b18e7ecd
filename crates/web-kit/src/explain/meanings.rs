//! What the parameters of redirects and the cookies of this lab are for. The diagram says
//! the same in the same words (`services/lab/assets/journey/meanings.js`; a test of the lab
//! compares both).

/// A sentence, and the section that defines it; an empty section where none does.
pub type Meaning = (&'static str, &'static str);

/// Parameters by their names.
pub const PARAMETERS: &[(&str, Meaning)] = &[
    (
        "client_id",
        (
            "Which client asks. It is public and proves nothing by itself.",
            "RFC 6749 §2.2",
        ),
    ),
    (
        "redirect_uri",
        (
            "Where the provider sends the browser with its answer. It must equal one that is registered for the client.",
            "RFC 6749 §3.1.2",
        ),
    ),
    (
        "response_type",
        (
            "What the client wants at its redirect URI: code, and no token in the address.",
            "RFC 6749 §3.1.1",
        ),
    ),
    (
        "response_mode",
        (
            "How the answer reaches the client: in the query, or posted by a form.",
            "OAuth 2.0 Multiple Response Types §2.1",
        ),
    ),
    (
        "scope",
        (
            "What the client asks to be allowed. openid makes the request one for a login.",
            "RFC 6749 §3.3",
        ),
    ),
    (
        "state",
        (
            "Binds the answer to the browser that began the login. The app accepts only the value that it sent (CSRF).",
            "RFC 6749 §10.12",
        ),
    ),
    (
        "nonce",
        (
            "Binds the ID token to this login. The app compares it with the value that it stored (replay).",
            "OIDC Core §3.1.2.1",
        ),
    ),
    (
        "code",
        (
            "The authorization code: valid once, for a short time, for this client alone.",
            "RFC 6749 §4.1.2",
        ),
    ),
    (
        "code_challenge",
        (
            "The SHA-256 hash of the code_verifier. It may be public: nobody computes the verifier from it.",
            "RFC 7636 §4.2",
        ),
    ),
    (
        "code_challenge_method",
        (
            "How the challenge was made. S256 is the only method that protects it.",
            "RFC 7636 §4.3",
        ),
    ),
    (
        "request_uri",
        (
            "The handle of a request that the client pushed before. It is valid once, for a short time.",
            "RFC 9126 §2.2",
        ),
    ),
    (
        "request",
        ("The authorization request as a signed JWT.", "RFC 9101 §4"),
    ),
    (
        "iss",
        (
            "Who answered. The app compares it with the provider that it asked (mix-up).",
            "RFC 9207 §2",
        ),
    ),
    (
        "prompt",
        (
            "Whether the provider must ask the user: login, consent, select_account, or none.",
            "OIDC Core §3.1.2.1",
        ),
    ),
    (
        "max_age",
        (
            "How many seconds ago the user may have signed in. If it was earlier, the provider asks again.",
            "OIDC Core §3.1.2.1",
        ),
    ),
    (
        "acr_values",
        (
            "Which kinds of sign-in the client prefers.",
            "OIDC Core §3.1.2.1",
        ),
    ),
    (
        "login_hint",
        (
            "A hint for the form: who is about to sign in.",
            "OIDC Core §3.1.2.1",
        ),
    ),
    (
        "id_token_hint",
        (
            "An earlier ID token. It tells the provider whose session is meant.",
            "OIDC Core §3.1.2.1",
        ),
    ),
    (
        "session_state",
        (
            "Changes when the state of the provider's session changes.",
            "OIDC Session Management §2",
        ),
    ),
    (
        "resource",
        (
            "The API that the token is for. It becomes the token's aud.",
            "RFC 8707 §2",
        ),
    ),
    (
        "post_logout_redirect_uri",
        (
            "Where the provider sends the browser after the sign-out.",
            "RP-Initiated Logout §2",
        ),
    ),
    (
        "error",
        (
            "Why the request was refused, as one of the codes that the specification lists.",
            "RFC 6749 §4.1.2.1, §5.2",
        ),
    ),
    (
        "error_description",
        (
            "The reason in words, for developers.",
            "RFC 6749 §4.1.2.1, §5.2",
        ),
    ),
    (
        "return_to",
        ("The page of the app to which the login leads.", ""),
    ),
    (
        "user_code",
        ("What the user types on another device.", "RFC 8628 §3.2"),
    ),
];

/// Cookies by the beginnings of their names, the longer ones first.
pub const COOKIES: &[(&str, &str)] = &[
    (
        "__Host-session_id",
        "The app's session: a random id, and no token. The session itself is in the store.",
    ),
    (
        "__Host-login_",
        "Binds a login in progress to this browser. Without it the callback is refused.",
    ),
    (
        "__Host-session",
        "Who is signed in, sealed by the app: the browser cannot read or change it.",
    ),
    (
        "__Host-refresh",
        "The refresh token and the ID token, sealed by the app.",
    ),
    ("__Host-ended", "Which sessions have ended in this browser."),
    (
        "__Host-idp_session",
        "The session at the provider. It makes single sign-on: the next app needs no form.",
    ),
    (
        "__Host-idp_browser",
        "Binds the provider's forms to this browser (login CSRF).",
    ),
    (
        "__Host-idp_known_browser",
        "Users who signed in here before are not slowed down by somebody else's guesses.",
    ),
    (
        "__Secure-",
        "An access token, sent to this app's paths of one API alone.",
    ),
];

/// What the parameter `name` is for.
pub(super) fn of_parameter(name: &str) -> Option<Meaning> {
    let found = PARAMETERS.iter().find(|(own, _)| *own == name);
    found.map(|(_, meaning)| *meaning)
}

/// What the cookie `name` is for.
pub(super) fn of_cookie(name: &str) -> Option<Meaning> {
    let found = COOKIES.iter().find(|(start, _)| name.starts_with(start));
    found.map(|(_, meaning)| (*meaning, ""))
}
