//! Registered names, as strings.

/// Grant types, as `grant_type` names them.
pub mod grant {
    /// RFC 6749 §4.1.3.
    pub const AUTHORIZATION_CODE: &str = "authorization_code";
    /// RFC 6749 §6.
    pub const REFRESH_TOKEN: &str = "refresh_token";
    /// RFC 6749 §4.4.2.
    pub const CLIENT_CREDENTIALS: &str = "client_credentials";
    /// RFC 8628 §3.4.
    pub const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
    /// RFC 7523 §2.1.
    pub const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    /// RFC 8693 §2.1.
    pub const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
}

/// Token types of RFC 8693 §3.
pub mod token_type {
    /// An OAuth access token.
    pub const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
    /// An OAuth refresh token.
    pub const REFRESH_TOKEN: &str = "urn:ietf:params:oauth:token-type:refresh_token";
    /// An OpenID Connect ID token.
    pub const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
    /// Any JWT.
    pub const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
}

/// `token_type` of an access token, and the scheme of `Authorization` (RFC 6749 §7.1).
pub mod access_token_type {
    /// RFC 6750 §2.1.
    pub const BEARER: &str = "Bearer";
    /// RFC 9449 §7.1.
    pub const DPOP: &str = "DPoP";
}

/// Client authentication methods (OIDC Core §9, RFC 7591 §2).
pub mod client_auth {
    /// RFC 6749 §2.3.1, in the Authorization header.
    pub const BASIC: &str = "client_secret_basic";
    /// RFC 6749 §2.3.1, in the body.
    pub const POST: &str = "client_secret_post";
    /// RFC 7523 §2.2.
    pub const PRIVATE_KEY_JWT: &str = "private_key_jwt";
    /// RFC 8705 §2.1.1.
    pub const TLS: &str = "tls_client_auth";
    /// RFC 8705 §2.2.1.
    pub const SELF_SIGNED_TLS: &str = "self_signed_tls_client_auth";
    /// A public client.
    pub const NONE: &str = "none";
    /// `client_assertion_type` of RFC 7523 §2.2.
    pub const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
}

/// `typ` of the provider's JWTs.
pub mod jwt_type {
    /// RFC 9068 §2.1.
    pub const ACCESS_TOKEN: &str = "at+jwt";
    /// OIDC Back-Channel Logout 1.0 §2.4.
    pub const LOGOUT: &str = "logout+jwt";
    /// RFC 9701 §5.
    pub const TOKEN_INTROSPECTION: &str = "token-introspection+jwt";
    /// OIDC Core defines none; RFC 7519 §5.1 recommends this.
    pub const JWT: &str = "JWT";
    /// The types of a client's authentication, where it has one (RFC 7523; the last from its
    /// revision): a JWT for another purpose is none (RFC 8725 §3.11).
    pub const CLIENT_AUTHENTICATION: [&str; 2] = [JWT, "client-authentication+jwt"];
    /// The types of a grant, likewise.
    pub const AUTHORIZATION_GRANT: [&str; 2] = [JWT, "authorization-grant+jwt"];
}

/// The media type of an introspection response as a JWT (RFC 9701 §5).
pub const TOKEN_INTROSPECTION_MEDIA_TYPE: &str = "application/token-introspection+jwt";

/// Prefix of `request_uri` of a pushed request (RFC 9126 §2.2).
pub const REQUEST_URI_PREFIX: &str = "urn:ietf:params:oauth:request_uri:";

/// The event in a logout token (OIDC Back-Channel Logout 1.0 §2.4).
pub const BACKCHANNEL_LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
