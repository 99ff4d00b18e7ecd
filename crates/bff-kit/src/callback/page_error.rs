//! Error pages of the callback: what happened, with which status, and what to do.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};
use oauth_types::{ErrorCode, sounds_like_code};
use web_kit::{trace, ui::Message};

use crate::{
    cookies::SetCookies, pages::MessagePage, provider::ProviderError, sessions::Purpose, state::Bff,
};

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub(super) enum PageError {
    /// The query is not an answer to a login.
    #[error("unreadable: {0}")]
    Unreadable(String),
    /// This browser did not begin the login.
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
    /// The id_token is not valid.
    #[error("id_token: {0}")]
    IdToken(ProviderError),
    /// The provider is unreachable.
    #[error("{0}")]
    Provider(ProviderError),
    /// The store did not answer.
    #[error("{0}")]
    Store(String),
    /// The session's mode needs cookies that its tokens do not fit.
    #[error("not for cookies: {0}")]
    FitsNoCookie(String),
    /// The provider's session ended during this login.
    #[error("the provider's session ended meanwhile")]
    EndedMeanwhile,
}

/// The text of the page.
struct PageText {
    status: StatusCode,
    title: &'static str,
    what_happened: String,
    what_to_do: &'static str,
    code: Option<String>,
    retry_after: Option<u64>,
}

impl PageText {
    fn new(status: StatusCode, title: &'static str, what_happened: impl Into<String>) -> Self {
        let what_happened = what_happened.into();
        let what_to_do = "Start the login again.";
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
        let text = Self::new(StatusCode::SERVICE_UNAVAILABLE, title, what_happened);
        let what_to_do = "Wait a few seconds, then sign in again.";
        Self {
            retry_after: Some(seconds),
            what_to_do,
            ..text
        }
    }
}

impl PageError {
    /// The page.
    pub(super) async fn respond(self, req: &HttpRequest, bff: &Bff) -> HttpResponse {
        tracing::info!("a login did not end in a session: {self}");
        bff.meters.logins.add(&[self.kind()]);
        let mut set = SetCookies::default();
        if matches!(self, Self::ForeignLogin | Self::LoginGone)
            && let Ok((session, changed)) = bff.sessions.open(req, Purpose::USE).await
        {
            if session.is_some() {
                return changed.add_to(already_signed_in(req, bff));
            }
            set = changed;
        }
        let text = self.text();
        let mut page = MessagePage::new(text.title, text.what_happened)
            .what_to_do(text.what_to_do)
            .trace_id(trace::id_of(req));
        if let Some(code) = text.code {
            page = page.error_code(code);
        }
        let mut answer = page.respond(bff.app.site, text.status);
        if let Some(seconds) = text.retry_after {
            answer
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        set.add_to(answer)
    }

    /// The outcome that the span records.
    pub(super) fn outcome(&self) -> &str {
        match self {
            Self::Code(error) | Self::IdToken(error) | Self::Provider(error) => error.outcome(),
            Self::Refused(code) if sounds_like_code(code) => code,
            other => other.kind(),
        }
    }

    /// The outcome that the metric counts.
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

    fn text(self) -> PageText {
        const BAD: StatusCode = StatusCode::BAD_REQUEST;
        match self {
            Self::Unreadable(why) => PageText::new(BAD, "Invalid login response", why),
            Self::ForeignLogin => PageText::new(
                BAD,
                "This login was started elsewhere",
                "This browser did not start the login that this address belongs to, or the cookie of the login has expired.",
            ),
            Self::LoginGone => PageText::new(
                BAD,
                "This login has ended",
                "The login that this address belongs to has been completed already, or took longer than ten minutes.",
            ),
            Self::WrongIssuer => PageText::new(
                BAD,
                "Response from the wrong issuer",
                "The response to this login does not come from the identity provider that this app uses.",
            ),
            Self::Refused(code) => refused(code),
            Self::Code(error) if error.is_refused_as(ErrorCode::InvalidGrant) => PageText::new(
                BAD,
                "The code was refused",
                "The identity provider refused the code: it has expired (it is valid for at most a minute), has been used already, or belongs to another login, whose code_verifier this app does not have.",
            ),
            Self::Code(error) | Self::IdToken(error) | Self::Provider(error) => provider(&error),
            Self::FitsNoCookie(_) => PageText::new(
                StatusCode::BAD_GATEWAY,
                "This session does not fit in cookies",
                "This session's mode needs cookies. The identity provider's tokens are too large for them, or are not JWTs, which this app could verify.",
            ),
            Self::EndedMeanwhile => PageText::new(
                StatusCode::FORBIDDEN,
                "You have signed out",
                "The identity provider ended its session during this login.",
            ),
            Self::Store(_) => PageText::later(
                "Session store unavailable",
                "The app could not reach its session store.",
                1,
            ),
        }
    }
}

/// Error codes in the provider's answer.
fn refused(code: String) -> PageText {
    let known = |known: ErrorCode| code == known.as_str();
    let text = if known(ErrorCode::AccessDenied) {
        PageText::new(
            StatusCode::FORBIDDEN,
            "Access denied",
            "You did not allow this app to sign you in.",
        )
    } else if known(ErrorCode::LoginRequired) {
        PageText::new(
            StatusCode::FORBIDDEN,
            "Not signed in at the identity provider",
            "This login does not allow a sign-in form, and the identity provider needs one.",
        )
    } else if known(ErrorCode::ConsentRequired) || known(ErrorCode::InteractionRequired) {
        PageText::new(
            StatusCode::FORBIDDEN,
            "The identity provider needs your consent",
            "This login does not allow a form, and the identity provider has to ask you for consent.",
        )
    } else if known(ErrorCode::TemporarilyUnavailable) {
        PageText::later(
            "Identity provider busy",
            "The identity provider is too busy to sign you in.",
            5,
        )
    } else {
        PageText::new(
            StatusCode::BAD_GATEWAY,
            "Refused by the identity provider",
            "The identity provider refused this login.",
        )
    };
    PageText {
        code: Some(code),
        ..text
    }
}

fn provider(error: &ProviderError) -> PageText {
    match error {
        ProviderError::Unavailable { retry_after, .. }
        | ProviderError::Throttled { retry_after } => PageText::later(
            "Identity provider unavailable",
            "The app could not reach the identity provider to complete the login.",
            *retry_after,
        ),
        ProviderError::Refused { code } => {
            let what = "The identity provider refused to complete the login.";
            let text = PageText::new(
                StatusCode::BAD_GATEWAY,
                "Refused by the identity provider",
                what,
            );
            PageText {
                code: Some(code.clone()),
                ..text
            }
        }
        ProviderError::Invalid(_) => PageText::new(
            StatusCode::BAD_GATEWAY,
            "Invalid response from the identity provider",
            "The identity provider's response failed this app's checks.",
        ),
        ProviderError::OutOfTime(why) => PageText::new(
            StatusCode::BAD_GATEWAY,
            "The ID token is not valid now",
            format!(
                "By this app's clock, the identity provider's ID token is not valid at this time: {why}. The two clocks may differ."
            ),
        ),
    }
}

/// For a second tab, or the back button: the session is live.
fn already_signed_in(req: &HttpRequest, bff: &Bff) -> HttpResponse {
    Message::new(
        "You are already signed in",
        "This address belongs to a login that has ended. You are still signed in.",
    )
    .what_to_do("Go on to the home page.")
    .way("To the home page", "/")
    .trace_id(trace::id_of(req))
    .respond(bff.app.site, StatusCode::BAD_REQUEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_was_refused_may_belong_to_another_login() {
        let refused = ProviderError::Refused {
            code: ErrorCode::InvalidGrant.as_str().to_owned(),
        };
        let text = PageError::Code(refused).text();
        assert_eq!(text.title, "The code was refused");
        let said = &text.what_happened;
        assert!(
            said.contains("expired") && said.contains("code_verifier"),
            "{said}"
        );
    }

    #[test]
    fn each_error_has_its_status() {
        let away = || ProviderError::Unavailable {
            why: "refused".into(),
            retry_after: 3,
        };
        let said = |code: &str| ProviderError::Refused { code: code.into() };
        let cases = [
            (PageError::Unreadable("x".into()), 400),
            (PageError::ForeignLogin, 400),
            (PageError::LoginGone, 400),
            (PageError::WrongIssuer, 400),
            (PageError::Refused("access_denied".into()), 403),
            (PageError::Refused("login_required".into()), 403),
            (PageError::Refused("temporarily_unavailable".into()), 503),
            (PageError::Refused("<script>".into()), 502),
            (PageError::Code(said("invalid_grant")), 400),
            (PageError::Code(said("invalid_client")), 502),
            (PageError::Code(away()), 503),
            (PageError::IdToken(ProviderError::Invalid("x".into())), 502),
            (PageError::Provider(away()), 503),
            (PageError::Store("x".into()), 503),
        ];
        for (error, status) in cases {
            let shown = format!("{error:?}");
            let text = error.text();
            assert_eq!(text.status.as_u16(), status, "{shown}");
            assert_eq!(text.retry_after.is_some(), status == 503, "{shown}");
        }
    }
}
