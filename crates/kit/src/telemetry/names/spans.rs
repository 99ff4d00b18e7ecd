//! The spans inside a request.

use std::{collections::HashMap, sync::LazyLock};

use super::Party::{self, Api2, Browser, Client, Idp, Own, Said, Store};

/// One kind of span.
#[derive(Debug)]
pub struct Span {
    /// Its name.
    pub name: &'static str,
    /// The protocol step, in words.
    pub step: &'static str,
    /// The section of the specification; empty if none defines the step.
    pub section: &'static str,
    /// The sender.
    pub from: Party,
    /// The receiver. If it is another party, the span is a client span.
    pub to: Party,
    /// Its own attributes, beside those that all spans of its name share.
    pub attributes: &'static [&'static str],
}

/// Defines a constant for each name, and the list of all spans.
macro_rules! spans {
    ($($constant:ident = $name:literal, $step:literal, $section:literal, $from:ident => $to:ident, [$($attribute:literal),*];)*) => {
        /// The names of spans. A server's request span is `METHOD /route`, or
        /// `service/method` for gRPC ([`super::REQUESTS`]).
        pub mod span {
            $(#[doc = $step] pub const $constant: &str = $name;)*
        }

        /// All spans inside a request.
        pub const SPANS: &[Span] = &[$(Span {
            name: $name,
            step: $step,
            section: $section,
            from: $from,
            to: $to,
            attributes: &[$($attribute),*],
        },)*];

        /// The names of the constants, for the test that reads the sources.
        #[cfg(test)]
        pub(super) const CONSTANTS: &[&str] = &[$(stringify!($constant)),*];
    };
}

spans! {
    PRE_SESSION = "login.pre_session",
        "The app makes state, nonce and PKCE verifier and stores them", "RFC 9700 §2.1", Own => Own, [];
    LOGIN_CHECK = "login.request_check",
        "The app refuses a login: return_to leads elsewhere, or an option is wrong", "RFC 9700 §4.11", Own => Own, ["sso.outcome"];
    PAR_PUSH = "login.par_push",
        "The app pushes its authorization request", "RFC 9126 §2", Own => Idp, ["sso.outcome"];
    CALLBACK_CHECK = "callback.check",
        "The app checks the authorization response: state, browser and issuer", "RFC 9207 §2.4", Own => Own, ["sso.outcome"];
    CODE_EXCHANGE = "callback.code_exchange",
        "The app redeems the code", "RFC 6749 §4.1.3", Own => Said, ["sso.to", "sso.grant", "sso.outcome"];
    ID_TOKEN_CHECK = "callback.id_token_check",
        "The app verifies the ID token", "OIDC Core §3.1.3.7", Own => Own, ["sso.outcome"];
    FORGERY_CHECK = "request.forgery_check",
        "The app refuses a request: another site sent it, or nothing proves that an own page did", "RFC 6265bis §8.8.1", Own => Own, ["sso.outcome"];
    SESSION_SAVE = "callback.session_save",
        "The app stores the session, before it sets the cookie", "", Own => Own, ["sso.session_mode"];
    SESSION_LOAD = "session.load",
        "The app opens the session of the request's cookies", "", Own => Own,
        ["sso.session_mode", "sso.cache_hit", "enduser.id"];
    ACCESS_TOKEN = "tokens.access_token",
        "The app gets an access token for one audience, from the session or by a renewal", "RFC 8707 §2.2", Own => Own,
        ["sso.audience", "sso.session_mode", "sso.token_source", "sso.lease_waited_ms", "sso.outcome"];
    REFRESH = "tokens.refresh",
        "The app redeems the refresh token", "RFC 6749 §6", Own => Idp,
        ["sso.audience", "sso.grant", "sso.outcome"];
    EXCHANGE = "tokens.exchange",
        "The app exchanges the user's access token for one to an API", "RFC 8693 §2", Own => Idp,
        ["sso.audience", "sso.grant", "sso.outcome"];
    JWT_BEARER = "tokens.jwt_bearer",
        "The app's machine identity gets an access token for a user whom it names", "RFC 7523 §2.1", Own => Idp,
        ["sso.audience", "sso.grant", "sso.client_id", "sso.outcome"];
    CLIENT_CREDENTIALS = "tokens.client_credentials",
        "The app's machine identity gets an access token without a user", "RFC 6749 §4.4", Own => Idp,
        ["sso.audience", "sso.grant", "sso.client_id", "sso.outcome"];
    REVOKE = "logout.revoke",
        "The app revokes the refresh token of a session that has ended", "RFC 7009 §2.1", Own => Idp, ["sso.outcome"];
    LOGOUT_TOKEN_CHECK = "logout.token_check",
        "The app verifies a logout token", "OIDC Back-Channel Logout §2.6", Own => Own, ["sso.outcome"];
    UPSTREAM = "proxy.upstream",
        "The app calls an API", "RFC 6750 §2.1", Own => Said,
        ["sso.to", "sso.audience", "sso.credential"];
    AUTHORIZE_CHECK = "authorize.check",
        "The provider checks the authorization request", "RFC 6749 §4.1.1", Own => Own,
        ["sso.client_id", "sso.outcome"];
    PASSWORD = "login.password",
        "The provider checks a password", "OIDC Core §3.1.2.3", Own => Own, ["sso.outcome"];
    CODE_ISSUE = "authorize.code_issue",
        "The provider issues a code", "RFC 6749 §4.1.2", Own => Own, ["sso.client_id", "enduser.id"];
    DEVICE_AUTHORIZE = "device.authorize",
        "The provider issues a device code and a user code", "RFC 8628 §3.2", Own => Own, ["sso.client_id"];
    USER_CODE = "device.user_code",
        "The provider looks up the user code that a user has typed", "RFC 8628 §3.3", Own => Own,
        ["sso.client_id", "sso.outcome"];
    DEVICE_ANSWER = "device.answer",
        "The provider saves the user's answer to a device", "RFC 8628 §3.3", Own => Own,
        ["sso.client_id", "sso.outcome", "enduser.id"];
    CLIENT_AUTH = "token.client_auth",
        "The provider authenticates the client", "RFC 6749 §2.3", Client => Own,
        ["sso.client_id", "sso.client_auth", "sso.outcome"];
    GRANT = "token.grant",
        "The provider validates the grant and issues tokens", "RFC 6749 §5", Own => Own,
        ["sso.grant", "sso.client_id", "sso.outcome"];
    SIGN = "token.sign",
        "The provider signs a token", "RFC 7515 §5.1", Own => Own, ["sso.audience", "sso.binding"];
    INTROSPECTION = "token.introspection",
        "The provider finds out whether a token is active, and what it allows now", "RFC 7662 §2.2", Own => Own,
        ["sso.client_id", "sso.outcome"];
    BACKCHANNEL_LOGOUT = "logout.backchannel",
        "The provider sends a logout token to a client", "OIDC Back-Channel Logout §2.5", Own => Said,
        ["sso.to", "sso.outcome"];
    TOKEN_CHECK = "api.token_check",
        "The API verifies the access token", "RFC 9068 §4", Own => Own,
        ["sso.audience", "sso.cache_hit", "sso.client_id", "sso.binding", "sso.outcome", "enduser.id"];
    INTROSPECTION_CALL = "api.introspection",
        "The API asks the provider whether a token is active", "RFC 7662 §2.1", Own => Idp,
        ["sso.audience", "sso.outcome"];
    TOKEN_EXCHANGE = "api.token_exchange",
        "API-1 exchanges the user's token for one to API-2", "RFC 8693 §2", Own => Idp,
        ["sso.audience", "network.protocol.name", "sso.outcome"];
    API_KEY_CHECK = "api.key_check",
        "API-1 checks an API key", "", Own => Own, ["sso.outcome"];
    IDENTITY_CHECK = "api.identity_check",
        "API-1 reads who the user is from the header or the cookie of a peer that may state it", "", Own => Own,
        ["sso.stated_by", "sso.outcome", "enduser.id"];
    OWN_TOKEN = "api.own_token",
        "API-1 gets a token of its own for API-2, for a caller that brought none", "RFC 6749 §4.4", Own => Idp,
        ["sso.audience", "sso.outcome"];
    INVENTORY_CALL = "api.inventory_call",
        "API-1 calls API-2 with the exchanged token, or with its own", "RFC 6750 §2.1", Own => Api2,
        ["rpc.system", "rpc.method", "http.request.method"];
    PAGE_PREPARE = "page.prepare",
        "The page makes state, nonce and code_verifier, and the challenge of it", "RFC 7636 §4.1", Browser => Browser, [];
    PAGE_ANSWER_CHECK = "page.answer_check",
        "The page checks the authorization response: state and issuer", "RFC 9207 §2.4", Browser => Browser, ["sso.outcome"];
    PAGE_KEY = "page.key",
        "The page makes the key of its proofs, which no script can export", "RFC 9449 §11.4", Browser => Browser, [];
    PAGE_ID_TOKEN_CHECK = "page.id_token_check",
        "The page verifies the ID token", "OIDC Core §3.1.3.7", Browser => Browser, ["sso.outcome"];
    PAGE_KEEP = "page.keep",
        "The page keeps its tokens in memory", "", Browser => Browser, [];
    PAGE_FORGET = "page.forget",
        "The page deletes its tokens", "", Browser => Browser, [];
    PAGE_NOTE = "page.note",
        "The page shows a parameter of its address as text", "RFC 9449 §11.4", Browser => Browser, [];
    ATTACK = "attack.program",
        "A program of the attacker runs an attack of the lab", "RFC 9700 §4", Own => Own,
        ["sso.attack", "sso.outcome"];
    ATTACK_CLIENT = "attack.client",
        "The victim's app asks for tokens; a program of the lab plays its part", "RFC 6749 §2.1", Own => Own, [];
    STORE = "store",
        "One command to the store, or one script", "", Own => Store, ["db.system.name", "db.operation.name", "db.collection.name", "sso.fault"];
    FAULT_DELAY = "fault.delay",
        "The lab delays the answer of the token endpoint", "", Own => Own, ["sso.fault"];
}

/// The span named `name`.
pub fn span_of(name: &str) -> Option<&'static Span> {
    static BY_NAME: LazyLock<HashMap<&'static str, &'static Span>> =
        LazyLock::new(|| SPANS.iter().map(|span| (span.name, span)).collect());
    BY_NAME.get(name).copied()
}
