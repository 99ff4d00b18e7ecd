//! What a call to an API brings.

use http::{HeaderMap, HeaderValue, header};
use kit::telemetry::items::{Items, Place};
use tracing::Span;

use super::{
    CredentialMethod,
    api_key::{self, ApiKey},
    identity_header,
};
use crate::bearer::Bearer;

/// The credential of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credential {
    /// How the app got it.
    pub(crate) method: CredentialMethod,
    content: Content,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Token(Bearer),
    Key(ApiKey),
    Statement(HeaderValue),
}

impl Credential {
    /// An access token (RFC 6750 §2.1).
    pub(crate) const fn of_token(method: CredentialMethod, token: Bearer) -> Self {
        Self {
            method,
            content: Content::Token(token),
        }
    }

    /// An API key.
    pub(super) const fn of_key(key: ApiKey) -> Self {
        Self {
            method: CredentialMethod::ApiKey,
            content: Content::Key(key),
        }
    }

    /// The app's word that the user is the one of this header.
    pub(super) const fn of_statement(value: HeaderValue) -> Self {
        Self {
            method: CredentialMethod::IdentityHeader,
            content: Content::Statement(value),
        }
    }

    /// The access token, where it is one: after a refusal there may be another one.
    pub(crate) const fn token(&self) -> Option<&Bearer> {
        match &self.content {
            Content::Token(token) => Some(token),
            Content::Key(_) | Content::Statement(_) => None,
        }
    }

    /// The value of `authorization`; empty where it is no token.
    pub(crate) fn authorization(&self) -> &str {
        let header = self.token().map(Bearer::header);
        header
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// Records it on the current span, for a call of a journey.
    pub(crate) fn tell(&self) {
        let Some(mut items) = Items::of_current() else {
            return;
        };
        let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
        let own = Place::Header;
        match &self.content {
            Content::Token(token) => items.authorization(&text(token.header())),
            Content::Key(key) => items.value(own, api_key::HEADER.as_str(), &text(key.header())),
            Content::Statement(value) => {
                items.value(own, identity_header::HEADER.as_str(), &text(value));
            }
        }
        items.record_request(&Span::current());
    }

    /// Puts it on a call over HTTP.
    pub(crate) fn put_on(&self, headers: &mut HeaderMap) {
        match &self.content {
            Content::Token(token) => headers.insert(header::AUTHORIZATION, token.header().clone()),
            Content::Key(key) => headers.insert(api_key::HEADER, key.header().clone()),
            Content::Statement(value) => headers.insert(identity_header::HEADER, value.clone()),
        };
    }
}
