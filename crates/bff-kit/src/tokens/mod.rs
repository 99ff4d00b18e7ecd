//! An access token for an audience: the one that the session has, or one minted
//! with its refresh token. Where that is kept decides how: `stored` goes under
//! a lease, so that no two redeem a rotating token at once; `carried` has
//! nothing but what the browser brought. `saving` keeps what came of it.

mod carried;
pub(crate) mod error;
mod flight;
mod peek;
mod saving;
mod stored;

use std::{sync::Arc, time::Duration};

use actix_web::{HttpMessage as _, HttpRequest};
use kit::{
    Ground,
    clock::Clock,
    metrics::Timer,
    random::Random,
    telemetry::{
        names::{OK, span},
        place::in_place,
    },
};
use store::SharedStore;
use tokio::time::Instant;
use tracing::{Instrument as _, Span, field::Empty};

use self::{
    carried::{Recent, Renewed},
    flight::Flights,
    saving::Unsaved,
};
pub(crate) use self::{error::TokenError, peek::audience_of};
use crate::{
    audiences::Audience,
    bearer::Bearer,
    cookies::{self, Cookies},
    provider::{AudienceBy, Provider},
    sessions::{AccessToken, Kept, Minted, Renewal, Session, SessionMode, Sessions},
};

/// How long a request waits for another's refresh.
const PATIENCE: Duration = Duration::from_secs(25);

/// What a deployment can set.
#[derive(Clone, Debug)]
pub(crate) struct TokenSettings {
    /// A token that ends this soon is renewed before the call.
    pub(crate) margin: Duration,
    /// How a refresh names the audience.
    pub(crate) audience_by: AudienceBy,
}

/// Which token is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// For this audience.
    pub(crate) audience: &'static Audience,
    /// But not this one: the API refused it.
    pub(crate) not: Option<Bearer>,
}

/// Access tokens of all sessions.
#[derive(Clone)]
pub(crate) struct Tokens(Arc<Inner>);

/// What came of minting.
struct Mint {
    audience: &'static Audience,
    token: AccessToken,
    /// Where the browser carries what renews it.
    renewed: Option<Renewed>,
}

/// What renews a request's session since its own refresh.
struct InHand(Renewal);

struct Inner {
    sessions: Arc<Sessions>,
    provider: Arc<Provider>,
    store: SharedStore,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    settings: TokenSettings,
    flights: Flights,
    recent: Recent,
    unsaved: Unsaved,
    waits: Timer,
}

impl Tokens {
    pub(crate) fn new(
        sessions: Arc<Sessions>,
        provider: Arc<Provider>,
        store: SharedStore,
        ground: &Ground,
        settings: TokenSettings,
        waits: Timer,
    ) -> Self {
        let (clock, random) = (ground.clock.clone(), ground.random.clone());
        Self(Arc::new(Inner {
            sessions,
            provider,
            store,
            clock,
            random,
            settings,
            flights: Flights::default(),
            recent: Recent::default(),
            unsaved: Unsaved::default(),
            waits,
        }))
    }

    /// An access token for `session` that is worth a call. `req` gets the
    /// cookies that carry on what had to be minted, or that the session is over.
    pub(crate) async fn access_token_for(
        &self,
        req: &HttpRequest,
        session: &Session,
        wanted: Wanted,
    ) -> Result<Bearer, TokenError> {
        let span = kit::step!(
            span::ACCESS_TOKEN,
            "sso.audience" = wanted.audience.uri,
            "sso.session_mode" = session.about().mode.as_str(),
            "sso.token_source" = Empty,
            "sso.lease_waited_ms" = Empty,
            "sso.outcome" = Empty
        );
        let inner = &self.0;
        if let Some(token) = inner.at_hand(session, &wanted) {
            span.record("sso.token_source", "session");
            span.record("sso.outcome", OK);
            return Ok(token);
        }
        // Boxed: most calls have their token, and need no room for this.
        let minting = Box::pin(inner.mint(req, session, wanted)).instrument(span.clone());
        let minted = minting.await;
        let outcome = minted.as_ref().err().map_or(OK, TokenError::outcome);
        span.record("sso.outcome", outcome);
        match minted {
            Ok(mint) => {
                let token = mint.token.token.clone();
                inner.carry(req, session, mint);
                Ok(token)
            }
            Err(error) => {
                if error == TokenError::Ended && matches!(session.kept, Kept::Carried(_)) {
                    // It has no record, or the provider renews it no more.
                    inner.sessions.forget(req, session);
                }
                Err(error)
            }
        }
    }
}

impl Inner {
    /// The token that the session has, if it is worth a call.
    fn at_hand(&self, session: &Session, wanted: &Wanted) -> Option<Bearer> {
        let now = self.clock.now();
        let token = session.usable(wanted.audience, now, self.settings.margin)?;
        (wanted.not.as_ref() != Some(&token.token)).then(|| token.token.clone())
    }

    async fn mint(
        self: &Arc<Self>,
        req: &HttpRequest,
        session: &Session,
        wanted: Wanted,
    ) -> Result<Mint, TokenError> {
        let audience = wanted.audience;
        if session.about().mode == SessionMode::Stateless {
            let renewal = self.renewal_of(req, session).ok_or(TokenError::Ended)?;
            let renewed = self.clone().renew(renewal, wanted).await?;
            return Ok(Mint {
                audience,
                token: renewed.token(),
                renewed: Some(renewed),
            });
        }
        let stored = match &session.kept {
            Kept::Stored(stored) => stored.clone(),
            // Its token is over: the store says whether the session is, too.
            Kept::Carried(_) => {
                let handle = session.id.handle();
                let stored = self.sessions.touch(&handle).await?;
                stored.ok_or(TokenError::Ended)?
            }
        };
        let token = match self.usable(&stored, &wanted) {
            Some(token) => token,
            None => self.clone().mint_stored(stored, wanted).await?,
        };
        Ok(Mint {
            audience,
            token,
            renewed: None,
        })
    }

    /// A request waited for another one's refresh: in this `process`, or in
    /// another `replica`, where it asked at `asked`. Its patience is over at
    /// `deadline`.
    fn waited(&self, where_it_is: &str, asked: Instant, deadline: Instant) {
        let now = Instant::now();
        self.waits.record(&[where_it_is], now - asked);
        let all = PATIENCE.saturating_sub(deadline - now).as_millis();
        let all = i64::try_from(all).unwrap_or(i64::MAX);
        Span::current().record("sso.lease_waited_ms", all);
    }

    /// What renews a session that its browser carries: what this request's own
    /// refresh gave, or what came with it.
    fn renewal_of(&self, req: &HttpRequest, session: &Session) -> Option<Renewal> {
        if let Some(InHand(renewal)) = req.extensions().get::<InHand>() {
            return Some(renewal.clone());
        }
        let carrier = self.sessions.carrier();
        carrier.renewal_in(&session.id, &Cookies::of(req))
    }

    /// Sets the cookies that carry on what was minted for `session`.
    fn carry(self: &Arc<Self>, req: &HttpRequest, session: &Session, mint: Mint) {
        let (id, mode) = (session.id.clone(), session.about().mode);
        if matches!(mode, SessionMode::Stateful | SessionMode::Cached) {
            return;
        }
        if let Some(renewed) = &mint.renewed {
            req.extensions_mut().insert(InHand(renewed.renewal()));
        }
        let this = self.clone();
        cookies::set_late(req, move || {
            let now = this.clock.now();
            let renewed = mint.renewed.as_ref();
            let minted = Minted {
                audience: mint.audience,
                token: mint.token,
                renewal: renewed.and_then(|renewed| this.recent.to_be_set(renewed, now)),
            };
            this.sessions.carry(&id, mode, &minted)
        });
    }
}

/// A task of its own: a browser that goes away in the middle must not leave a
/// refresh token redeemed and its successor not saved. What it asks of the
/// store counts for who waits for it.
async fn undisturbed<T: Send + 'static>(
    work: impl Future<Output = Result<T, TokenError>> + Send + 'static,
) -> Result<T, TokenError> {
    let counted = store::op_count::counted(in_place(work));
    match tokio::spawn(counted).await {
        Ok((outcome, commands)) => {
            store::op_count::add(commands);
            outcome
        }
        Err(error) => Err(TokenError::Store(format!(
            "the refresh did not end: {error}"
        ))),
    }
}

#[cfg(test)]
mod tests;
