//! A callback that did not end in a session: what happened, with which status,
//! and the way on. Never a blank error.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};
use oauth_types::{ErrorCode, sounds_like_code};
use web_kit::{look::Message, trace};

use crate::{pages::MessagePage, provider::ProviderError, state::Bff};

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// The address makes no sense as an answer to a login.
    #[error("unreadable: {0}")]
    Unreadable(String),
    /// Another browser began this login, or nobody did.
    #[error("not begun in this browser")]
    ForeignLogin,
    /// The login was used already, or took too long.
    #[error("used already, or too late")]
    LoginGone,
    /// The answer is not our provider's (RFC 9207 §2.4).
    #[error("another issuer answered")]
    WrongIssuer,
    /// The provider's error code (RFC 6749 §4.1.2.1, OIDC Core §3.1.2.6).
    #[error("the provider answered {0:?}")]
    Refused(String),
    /// The code could not be redeemed.
    #[error("code: {0}")]
    Code(ProviderError),
    /// The id_token is no good.
    #[error("id_token: {0}")]
    IdToken(ProviderError),
    /// The provider is not reached.
    #[error("{0}")]
    Provider(ProviderError),
    /// The store did not answer.
    #[error("{0}")]
    Store(String),
    /// The session was to be kept in cookies, and its tokens cannot be.
    #[error("not for cookies: {0}")]
    FitsNoCookie(String),
    /// A logout has crossed this login.
    #[error("the provider's session ended meanwhile")]
    EndedMeanwhile,
}

/// What the page says.
struct Words {
    status: StatusCode,
    title: &'static str,
    what_happened: String,
    what_to_do: &'static str,
    code: Option<String>,
    retry_after: Option<u64>,
}

impl Words {
    fn new(status: StatusCode, title: &'static str, what_happened: impl Into<String>) -> Self {
        let what_happened = what_happened.into();
        let what_to_do = "Start again: it takes a moment.";
        Self {
            status,
            title,
            what_happened,
            what_to_do,
            code: None,
            retry_after: None,
        }
    }

    fn later(title: &'static str, what_happened: &str, seconds: u64) -> Self {
        let words = Self::new(StatusCode::SERVICE_UNAVAILABLE, title, what_happened);
        let what_to_do = "Nothing is lost. Wait a few seconds, then sign in again.";
        Self {
            retry_after: Some(seconds),
            what_to_do,
            ..words
        }
    }
}

impl Trouble {
    /// The page.
    pub(super) async fn respond(self, req: &HttpRequest, bff: &Bff) -> HttpResponse {
        tracing::info!("a login did not end in a session: {self}");
        bff.meters.logins.add(&[self.kind()]);
        let used_up = matches!(self, Self::ForeignLogin | Self::LoginGone);
        if used_up && matches!(bff.signed_in(req).await, Ok(Some(_))) {
            return already_signed_in(req, bff);
        }
        let words = self.words();
        let mut page = MessagePage::new(words.title, words.what_happened)
            .what_to_do(words.what_to_do)
            .trace_id(trace::id_of(req));
        if let Some(code) = words.code {
            page = page.error_code(code);
        }
        let mut answer = page.respond(bff.accent(), words.status);
        if let Some(seconds) = words.retry_after {
            answer
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        answer
    }

    /// How the step ended that found it.
    pub(super) fn outcome(&self) -> &str {
        match self {
            Self::Code(error) | Self::IdToken(error) | Self::Provider(error) => error.outcome(),
            Self::Refused(code) if sounds_like_code(code) => code,
            other => other.kind(),
        }
    }

    /// The same in the few words that a metric has.
    const fn kind(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "unreadable",
            Self::ForeignLogin => "foreign",
            Self::LoginGone => "over",
            Self::WrongIssuer => "wrong_issuer",
            Self::Refused(_) => "denied",
            Self::Code(_) => "code",
            Self::IdToken(_) => "id_token",
            Self::Provider(_) => "provider",
            Self::Store(_) => "store",
            Self::EndedMeanwhile => "ended",
            Self::FitsNoCookie(_) => "other",
        }
    }

    fn words(self) -> Words {
        const BAD: StatusCode = StatusCode::BAD_REQUEST;
        match self {
            Self::Unreadable(why) => Words::new(BAD, "This is no answer to a login", why),
            Self::ForeignLogin => Words::new(
                BAD,
                "This login was not begun here",
                "This browser did not begin the login that this address belongs to, or has forgotten it.",
            ),
            Self::LoginGone => Words::new(
                BAD,
                "This login is over",
                "The login that this address belongs to was used already, or took longer than ten minutes.",
            ),
            Self::WrongIssuer => Words::new(
                BAD,
                "The answer came from somewhere else",
                "The answer to this login does not come from the identity provider that this app sent you to.",
            ),
            Self::Refused(code) => refused(code),
            Self::Code(error) if error.is_refused_as(ErrorCode::InvalidGrant) => Words::new(
                BAD,
                "The code is no longer good",
                "The identity provider's code ran out, or was used already. It lasts a minute at most.",
            ),
            Self::Code(error) | Self::IdToken(error) | Self::Provider(error) => provider(&error),
            Self::FitsNoCookie(_) => Words::new(
                StatusCode::BAD_GATEWAY,
                "This session fits no cookie",
                "This session was to be kept in cookies. The identity provider's tokens are too large for them, or of a kind that this app cannot check when they come back.",
            ),
            Self::EndedMeanwhile => Words::new(
                StatusCode::FORBIDDEN,
                "You have just signed out",
                "The identity provider ended its session while this login was under way.",
            ),
            Self::Store(_) => Words::later(
                "Session store away",
                "The app could not reach its session store.",
                1,
            ),
        }
    }
}

/// Refusals that the provider sends along with the browser.
fn refused(code: String) -> Words {
    let known = |known: ErrorCode| code == known.as_str();
    let words = if known(ErrorCode::AccessDenied) {
        Words::new(
            StatusCode::FORBIDDEN,
            "Access was denied",
            "You did not allow this app to sign you in.",
        )
    } else if known(ErrorCode::LoginRequired) {
        Words::new(
            StatusCode::FORBIDDEN,
            "You are not signed in at the provider",
            "This login was to happen without a form, and the identity provider needs one.",
        )
    } else if known(ErrorCode::ConsentRequired) || known(ErrorCode::InteractionRequired) {
        Words::new(
            StatusCode::FORBIDDEN,
            "The provider has a question",
            "This login was to happen without a form, and the identity provider has to ask you something.",
        )
    } else if known(ErrorCode::TemporarilyUnavailable) {
        Words::later(
            "Identity provider busy",
            "The identity provider is too busy to sign you in.",
            5,
        )
    } else {
        Words::new(
            StatusCode::BAD_GATEWAY,
            "The provider refused",
            "The identity provider refused this login.",
        )
    };
    Words {
        code: Some(code),
        ..words
    }
}

fn provider(error: &ProviderError) -> Words {
    match error {
        ProviderError::Unavailable { retry_after, .. }
        | ProviderError::Throttled { retry_after } => Words::later(
            "Identity provider away",
            "The app could not reach the identity provider to finish the login.",
            *retry_after,
        ),
        ProviderError::Refused { code } => {
            let what = "The identity provider refused to finish the login.";
            let words = Words::new(StatusCode::BAD_GATEWAY, "The provider refused", what);
            Words {
                code: Some(code.clone()),
                ..words
            }
        }
        ProviderError::Invalid(_) => Words::new(
            StatusCode::BAD_GATEWAY,
            "The provider's answer was no good",
            "The identity provider's answer did not pass this app's checks.",
        ),
    }
}

/// A second tab, or the back button: nothing is wrong with the session.
fn already_signed_in(req: &HttpRequest, bff: &Bff) -> HttpResponse {
    Message::new(
        "You are already signed in",
        "This address belongs to a login that is over. Your session is fine.",
    )
    .what_to_do("Go on to the home page.")
    .way("To the home page", "/")
    .trace_id(trace::id_of(req))
    .respond(bff.accent(), StatusCode::BAD_REQUEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_trouble_has_its_status() {
        let away = || ProviderError::Unavailable {
            why: "refused".into(),
            retry_after: 3,
        };
        let said = |code: &str| ProviderError::Refused { code: code.into() };
        let cases = [
            (Trouble::Unreadable("x".into()), 400),
            (Trouble::ForeignLogin, 400),
            (Trouble::LoginGone, 400),
            (Trouble::WrongIssuer, 400),
            (Trouble::Refused("access_denied".into()), 403),
            (Trouble::Refused("login_required".into()), 403),
            (Trouble::Refused("temporarily_unavailable".into()), 503),
            (Trouble::Refused("<script>".into()), 502),
            (Trouble::Code(said("invalid_grant")), 400),
            (Trouble::Code(said("invalid_client")), 502),
            (Trouble::Code(away()), 503),
            (Trouble::IdToken(ProviderError::Invalid("x".into())), 502),
            (Trouble::Provider(away()), 503),
            (Trouble::Store("x".into()), 503),
        ];
        for (trouble, status) in cases {
            let shown = format!("{trouble:?}");
            let words = trouble.words();
            assert_eq!(words.status.as_u16(), status, "{shown}");
            assert_eq!(words.retry_after.is_some(), status == 503, "{shown}");
        }
    }
}
