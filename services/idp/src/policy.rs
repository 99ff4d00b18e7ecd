//! The one gate before anything is issued to a client or told of a user: what
//! was granted once, cut to what the configuration gives client and user now.
//! Nothing but this makes a [`Permit`], and nothing is issued without one.

use oauth_types::{ErrorCode, Scope, claims::AccessToken};

use crate::{
    domain::{AuthorizationRequest, Grant},
    error::OAuthError,
    params::Params,
    settings::{Client, IDENTITY_SCOPES, Settings, User},
    state::Idp,
    token::one_audience,
};

/// What a user granted a client.
pub struct Granted<'g> {
    /// Who granted it.
    pub sub: &'g str,
    /// What.
    pub scope: &'g Scope,
    /// For which audiences, the default first.
    pub audiences: &'g [String],
}

impl<'g> Granted<'g> {
    /// By the request that `sub` agreed to.
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
    user: Option<&'i User>,
    scope: Scope,
    /// Those that were granted, the default first.
    audiences: Vec<&'i str>,
    /// The audience where none was granted: a token with no scope there.
    fallback: Option<&'i str>,
}

/// The scope of a token, and what the answer says of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Cut {
    /// What the access token may do at its audience.
    pub token: Scope,
    /// The same with what may be told of the user (RFC 6749 §5.1).
    pub answer: Scope,
}

impl<'i> Permit<'i> {
    /// What `client` may have for itself (RFC 6749 §4.4).
    pub fn of_client(idp: &'i Idp, client: &'i Client) -> Self {
        Self {
            idp,
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
        // A client without audiences signs users in, and asks who they are.
        let tells = scope.contains("openid").then_some(idp.userinfo.as_str());
        let own = client.audiences.first().map(String::as_str).or(tells);
        Ok(Self {
            idp,
            user: Some(user),
            scope,
            audiences: audiences.map(String::as_str).collect(),
            fallback: own.filter(|_| granted.audiences.is_empty()),
        })
    }

    /// The user, where there is one.
    pub const fn user(&self) -> Option<&'i User> {
        self.user
    }

    /// All that may be done and told.
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The one audience of a new token: the one that `params` name, else the
    /// default. One outside the grant is refused, never replaced (RFC 8707 §2.2).
    pub fn audience<'a>(&'a self, params: &'a Params) -> Result<&'a str, OAuthError> {
        let default = self.audiences.first().copied().or(self.fallback);
        let audience = one_audience(params, default)?;
        if self.audiences.contains(&audience) || Some(audience) == default {
            return Ok(audience);
        }
        Err(OAuthError::new(
            ErrorCode::InvalidTarget,
            "This resource is outside the grant, or no longer for this client.",
        ))
    }

    /// The same, where the client's order of audiences says the default.
    #[must_use]
    pub fn in_order_of(mut self, client: &Client) -> Self {
        let place = |audience: &&str| client.audiences.iter().position(|own| own == audience);
        self.audiences.sort_by_key(place);
        self
    }

    /// What a token for `audience` may do: all, or what is `asked` of it.
    pub fn cut(&self, asked: Option<&Scope>, audience: &str) -> Result<Cut, OAuthError> {
        if asked.is_some_and(|asked| !asked.is_within(&self.scope)) {
            let why = "The scope goes beyond the grant, or beyond what this client may have now.";
            return Err(OAuthError::new(ErrorCode::InvalidScope, why));
        }
        let scope = asked.unwrap_or(&self.scope);
        let told = scope.filter(|token| IDENTITY_SCOPES.contains(&token));
        if audience == self.idp.userinfo {
            return Ok(Cut {
                token: told.clone(),
                answer: told,
            });
        }
        let token = self.idp.settings.scope_at(scope, audience);
        Ok(Cut {
            answer: token.union(&told),
            token,
        })
    }

    /// What `subject`, a token of this grant, may do now. One that was exchanged
    /// may do what the exchange still gives.
    pub fn left_to(&self, subject: &AccessToken) -> Scope {
        if subject.act.is_none() {
            return subject.scope.intersect(&self.scope);
        }
        let exchanges = self.idp.settings.exchanges.iter();
        let own = exchanges.filter(|exchange| {
            exchange.client == subject.client_id && subject.aud.contains(&exchange.to)
        });
        let given = own.flat_map(|exchange| exchange.scopes.values());
        let given = given.fold(Scope::empty(), |all, scope| all.union(scope));
        subject.scope.intersect(&given)
    }
}

/// The user, if tokens may be issued for them at all.
fn user_may_get_tokens<'s>(settings: &'s Settings, sub: &str) -> Result<&'s User, OAuthError> {
    settings
        .user(sub)
        .filter(|user| user.enabled)
        .ok_or_else(|| OAuthError::grant("The user may not get tokens (unknown or disabled)."))
}
