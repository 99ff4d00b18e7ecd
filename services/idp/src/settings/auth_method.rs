//! The methods by which clients authenticate (RFC 6749 §2.3, RFC 7523 §2.2, RFC 8705 §2).

use oauth_types::names::client_auth;

/// How a client authenticates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// `client_secret_basic`
    Basic,
    /// `client_secret_post`
    Post,
    /// `private_key_jwt`
    PrivateKeyJwt,
    /// `tls_client_auth`
    TlsClientAuth,
    /// `self_signed_tls_client_auth`
    SelfSignedTls,
    /// `none`: a public client
    None,
}

impl AuthMethod {
    /// All of them, as metadata lists them.
    pub const ALL: [Self; 6] = [
        Self::Basic,
        Self::Post,
        Self::PrivateKeyJwt,
        Self::TlsClientAuth,
        Self::SelfSignedTls,
        Self::None,
    ];

    /// On the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Basic => client_auth::BASIC,
            Self::Post => client_auth::POST,
            Self::PrivateKeyJwt => client_auth::PRIVATE_KEY_JWT,
            Self::TlsClientAuth => client_auth::TLS,
            Self::SelfSignedTls => client_auth::SELF_SIGNED_TLS,
            Self::None => client_auth::NONE,
        }
    }

    /// Whether it is by a certificate, which only the mTLS port asks for.
    pub const fn is_by_certificate(self) -> bool {
        matches!(self, Self::TlsClientAuth | Self::SelfSignedTls)
    }
}
