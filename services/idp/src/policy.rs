//! The one gate before anything is issued to a client or disclosed about a user: what
//! was granted, cut to what the configuration allows client and user now. Only this
//! module creates a [`Permit`], and nothing is issued without one.

use oauth_types::{ErrorCode, Params, Scope, claims::AccessToken};

use crate::{
    Idp,
    domain::{AuthorizationRequest, Grant},
    error::OAuthError,
    settings::{Client, Exchange, GrantType, IDENTITY_SCOPES, Settings, User},
    token_id::{self, Origin},
};

/// What a user granted a client.
pub struct Granted<'g> {
    /// The user.
    pub sub: &'g str,
    /// The scope.
    pub scope: &'g Scope,
    /// The audiences, the default first.
    pub audiences: &'g [String],
}

impl<'g> Granted<'g> {
    /// What `sub` granted by agreeing to `request`.
    pub fn by(request: &'g AuthorizationRequest, sub: &'g str) -> Self {
        Self {
            sub,
            scope: &request.scope,
            audiences: &request.audiences,
        }
    }
}

impl<'g> From<&'g Grant> for Granted<'g> {
    fn from(grant: &'g Grant) -> Self {
        Self {
            sub: &grant.sub,
            scope: &grant.scope,
            audiences: &grant.audiences,
        }
    }
}

/// What may be issued to a client now.
pub struct Permit<'i> {
    idp: &'i Idp,
    /// The `sub` of tokens: the user's, else the client's id.
    subject: &'i str,
    user: Option<&'i User>,
    scope: Scope,
    /// The granted audiences, the default first.
    audiences: Vec<&'i str>,
    /// The audience if none was granted: for a token without scopes there.
    fallback: Option<&'i str>,
}

/// The scope of an access token and of the token response.
#[derive(Debug, PartialEq, Eq)]
pub struct TokenScope {
    /// What the access token allows at its audience.
    pub token: Scope,
    /// The same with the granted identity scopes (RFC 6749 §5.1).
    pub response: Scope,
}

impl TokenScope {
    /// The same scope in token and response.
    pub fn same(scope: Scope) -> Self {
        Self {
            token: scope.clone(),
            response: scope,
        }
    }
}

impl<'i> Permit<'i> {
    /// What `client` may have for itself (RFC 6749 §4.4).
    pub fn of_client(idp: &'i Idp, client: &'i Client) -> Self {
        Self {
            idp,
            subject: &client.client_id,
            user: None,
            scope: idp.settings.scopes_of(client),
            audiences: client.audiences.iter().map(String::as_str).collect(),
            fallback: None,
        }
    }

    /// What `client` may have of what it was granted.
    pub fn of_grant(
        idp: &'i Idp,
        client: &'i Client,
        granted: &Granted<'_>,
    ) -> Result<Self, OAuthError> {
        let user = user_may_get_tokens(&idp.settings, granted.sub)?;
        let scope = granted
            .scope
            .filter(|token| idp.settings.allows(client, token));
        let still = |wanted: &String| client.audiences.iter().find(|own| *own == wanted);
        let audiences = granted.audiences.iter().filter_map(still);
        // A client without audiences signs users in and calls userinfo.
        let userinfo = scope.contains("openid").then_some(idp.userinfo.as_str());
        let own = client.audiences.first().map(String::as_str).or(userinfo);
        Ok(Self {
            idp,
            subject: &user.sub,
            user: Some(user),
            scope,
            audiences: audiences.map(String::as_str).collect(),
            fallback: own.filter(|_| granted.audiences.is_empty()),
        })
    }

    /// What `client` may have for `user`, whom it names itself (RFC 7523 §2.1).
    pub fn of_named_user(
        idp: &'i Idp,
        client: &'i Client,
        user: &'i User,
    ) -> Result<Self, OAuthError> {
        let may_name = client.may(GrantType::JwtBearer) && idp.settings.may_name(client, user);
        Self::without_grant(idp, client, user, may_name)
    }

    /// What `client` may have for `user`, whom the token of another issuer names.
    pub fn of_mapped_user(
        idp: &'i Idp,
        client: &'i Client,
        user: &'i User,
    ) -> Result<Self, OAuthError> {
        let may_map = client.may(GrantType::TokenExchange) && idp.settings.maps(client, user);
        Self::without_grant(idp, client, user, may_map)
    }

    /// What `client` may have for itself, for `user` if it `may`.
    fn without_grant(
        idp: &'i Idp,
        client: &'i Client,
        user: &'i User,
        may: bool,
    ) -> Result<Self, OAuthError> {
        if !may || !user.enabled {
            // One sentence, whether the user exists or not.
            return Err(OAuthError::grant(NOT_FOR_THIS_USER));
        }
        Ok(Self {
            subject: &user.sub,
            user: Some(user),
            ..Self::of_client(idp, client)
        })
    }

    /// What may be issued in exchange for `token` or disclosed about it. The client for
    /// which `token` was issued and the subject must be allowed it now. `grant` is the
    /// grant of `token`, if `token` has one.
    pub fn of_token(
        idp: &'i Idp,
        token: &AccessToken,
        grant: Option<&Grant>,
    ) -> Result<Self, OAuthError> {
        // RFC 8693 §2.2.2.
        let gone = || OAuthError::request("The client of the token is no longer configured.");
        if let Some(grant) = grant {
            let client = idp.settings.client(&grant.client_id).ok_or_else(gone)?;
            return Self::of_grant(idp, client, &grant.into());
        }
        let Origin::Client(first) = Origin::of(token) else {
            return Err(gone());
        };
        let client = idp.settings.client(&first).ok_or_else(gone)?;
        if token.sub == client.client_id {
            if client.may(GrantType::ClientCredentials) || client.may(GrantType::JwtBearer) {
                return Ok(Self::of_client(idp, client));
            }
            let why = "The client of the token may not act for itself now.";
            return Err(OAuthError::grant(why));
        }
        let user = user_may_get_tokens(&idp.settings, &token.sub)?;
        Self::of_named_user(idp, client, user).or_else(|_| Self::of_mapped_user(idp, client, user))
    }

    /// The `sub` of tokens.
    pub const fn subject(&self) -> &'i str {
        self.subject
    }

    /// The user, if the permit is not for a client itself.
    pub const fn user(&self) -> Option<&'i User> {
        self.user
    }

    /// The whole scope.
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The one audience of a new token: the audience that `params` name, else the
    /// default. One outside the permit is refused, never replaced (RFC 8707 §2.2).
    pub fn audience<'a>(&'a self, params: &'a Params) -> Result<&'a str, OAuthError> {
        self.audience_or(params, self.audiences.first().copied())
    }

    /// The same, where `default` is one of the permit's audiences.
    pub fn audience_or<'a>(
        &'a self,
        params: &'a Params,
        default: Option<&'a str>,
    ) -> Result<&'a str, OAuthError> {
        let refused = |why: &str| OAuthError::new(ErrorCode::InvalidTarget, why);
        let default = default.or(self.fallback);
        let audience = match params.resources()[..] {
            [] => default.ok_or_else(|| refused("Name the resource that the token is for."))?,
            [one] => one,
            _ => {
                let why =
                    "An access token has one audience: name one resource (RFC 8707 section 2.2).";
                return Err(refused(why));
            }
        };
        if self.audiences.contains(&audience) || Some(audience) == default {
            return Ok(audience);
        }
        Err(refused(
            "This resource is outside the grant, or not allowed for this client.",
        ))
    }

    /// The same permit, with its audiences in the order of the client's.
    #[must_use]
    pub fn in_order_of(mut self, client: &Client) -> Self {
        let position = |audience: &&str| client.audiences.iter().position(|own| own == audience);
        self.audiences.sort_by_key(position);
        self
    }

    /// The scope of a token for `audience`: all, or the `requested` part.
    pub fn scope_for(
        &self,
        requested: Option<&Scope>,
        audience: &str,
    ) -> Result<TokenScope, OAuthError> {
        if requested.is_some_and(|requested| !requested.is_within(&self.scope)) {
            let why = "The scope exceeds the grant, or what this client may have now.";
            return Err(OAuthError::new(ErrorCode::InvalidScope, why));
        }
        let scope = requested.unwrap_or(&self.scope);
        let identity = scope.filter(|token| IDENTITY_SCOPES.contains(&token));
        if audience == self.idp.userinfo {
            return Ok(TokenScope::same(identity));
        }
        let token = self.idp.settings.scope_at(scope, audience);
        Ok(TokenScope {
            response: token.union(&identity),
            token,
        })
    }

    /// What `subject`, a token of this permit, allows now. An exchanged token allows
    /// what the exchange still gives.
    pub fn effective_scope(&self, subject: &AccessToken) -> Scope {
        if !token_id::is_exchanged(subject) {
            return subject.scope.intersect(&self.scope);
        }
        let exchanges = exchanges_of(&self.idp.settings, &Origin::of(subject));
        let reached = reached_by(&exchanges, self.scope.clone());
        let own = exchanges.into_iter().filter(|exchange| {
            exchange.client == subject.client_id && subject.aud.contains(&exchange.to)
        });
        let given = own.fold(Scope::empty(), |all, own| all.union(&own.given(&reached)));
        subject.scope.intersect(&given)
    }
}

/// The policies by which a token of this `origin` can have been exchanged. Those for tokens
/// of other issuers count for the client that such a token stems from here.
fn exchanges_of<'s>(settings: &'s Settings, origin: &Origin) -> Vec<&'s Exchange> {
    let all = settings.exchanges.iter();
    let may_begin = |own: &&Exchange| match origin {
        Origin::Client(client) => own.issuer.is_none() || own.client == *client,
        Origin::Grant(_) => own.issuer.is_none(),
    };
    all.filter(may_begin).collect()
}

/// `scope`, with all that `exchanges`, one after another, give for it.
fn reached_by(exchanges: &[&Exchange], scope: Scope) -> Scope {
    let mut reached = scope;
    loop {
        let more = exchanges
            .iter()
            .fold(reached.clone(), |all, own| all.union(&own.given(&reached)));
        if more == reached {
            return reached;
        }
        reached = more;
    }
}

/// The error for a user whom a client or another issuer names.
pub const NOT_FOR_THIS_USER: &str = "This client may not get tokens for this user.";

/// The user, if tokens may be issued for the user at all.
fn user_may_get_tokens<'s>(settings: &'s Settings, sub: &str) -> Result<&'s User, OAuthError> {
    settings
        .user(sub)
        .filter(|user| user.enabled)
        .ok_or_else(|| OAuthError::grant("The user is unknown or disabled."))
}
