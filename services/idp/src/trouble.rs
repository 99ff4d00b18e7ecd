//! What goes wrong on a page: said to the person, where nothing may go back to
//! the client.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
};
use oauth_types::ErrorCode;
use url::Url;
use web_kit::{
    body::BodyError,
    cookies,
    trace::id_of,
    ui::{Accent, Message},
};

use crate::{grants::GrantError, params::BadParams, records::RecordError, settings::Client};

/// Something that only a page can say.
#[derive(Clone, Debug)]
pub struct Trouble {
    status: StatusCode,
    title: &'static str,
    happened: String,
    todo: &'static str,
    code: Option<ErrorCode>,
    /// The client's own address, where the user can start again.
    client: Option<Box<(String, String)>>,
    /// The cookie that came twice.
    twice: Option<&'static str>,
}

impl Trouble {
    fn new(
        status: StatusCode,
        title: &'static str,
        happened: impl Into<String>,
        todo: &'static str,
    ) -> Self {
        Self {
            status,
            title,
            happened: happened.into(),
            todo,
            code: None,
            client: None,
            twice: None,
        }
    }

    /// A request that cannot be understood.
    pub fn request(why: impl Into<String>) -> Self {
        let todo = "This is for the app's developer to mend. Go back to the app.";
        let trouble = Self::new(
            StatusCode::BAD_REQUEST,
            "This request cannot be read",
            why,
            todo,
        );
        Self {
            code: Some(ErrorCode::InvalidRequest),
            ..trouble
        }
    }

    /// RFC 6749 §4.1.2.1: an unknown client is told to the user alone.
    pub fn unknown_client() -> Self {
        let todo = "Go back to the app, or ask who runs it.";
        let happened = "No app with this client_id is known here.";
        let trouble = Self::new(StatusCode::BAD_REQUEST, "Unknown app", happened, todo);
        Self {
            code: Some(ErrorCode::InvalidClient),
            ..trouble
        }
    }

    /// RFC 6749 §4.1.2.1: nothing goes to an address that is not the client's.
    pub fn redirect_uri(why: &'static str) -> Self {
        let todo = "This is for the app's developer to mend.";
        let trouble = Self::new(
            StatusCode::BAD_REQUEST,
            "This address is not the app's",
            why,
            todo,
        );
        Self {
            code: Some(ErrorCode::InvalidRequest),
            ..trouble
        }
    }

    /// RFC 9126 §2.2: used, expired, or another client's.
    pub fn pushed_request_gone(client: &Client) -> Self {
        let happened = "The request that the app had pushed was used already, or has expired.";
        let trouble = Self::new(
            StatusCode::BAD_REQUEST,
            "This sign-in is over",
            happened,
            "Start again from the app.",
        );
        Self {
            code: Some(ErrorCode::InvalidRequestUri),
            ..trouble
        }
        .back_to(client)
    }

    /// The authorization session is not there: done, expired, or never was.
    pub fn sign_in_over(client: Option<&Client>) -> Self {
        let happened = "It was completed already (perhaps in another tab), or took too long.";
        let trouble = Self::new(
            StatusCode::BAD_REQUEST,
            "This sign-in is over",
            happened,
            "Start again from the app.",
        );
        client.map_or(trouble.clone(), |client| trouble.back_to(client))
    }

    /// The form belongs to another browser: login CSRF, or no cookies.
    pub fn another_browser() -> Self {
        let happened = "This form was not opened in this browser, or the browser keeps no cookies.";
        let todo = "Allow cookies for this site and start again from the app.";
        Self::new(
            StatusCode::FORBIDDEN,
            "This form is not yours",
            happened,
            todo,
        )
    }

    /// A cookie that came twice, so that neither counts.
    pub fn cookie_twice(name: &'static str) -> Self {
        let title = "A cookie is there twice";
        Self {
            twice: Some(name),
            ..Self::new(StatusCode::BAD_REQUEST, title, name, "")
        }
    }

    /// OpenID Connect RP-Initiated Logout §2 and §4: nothing is ended, and
    /// nothing goes to an address that is not known to be the client's.
    pub fn logout(why: impl Into<String>) -> Self {
        let todo = "No session has ended. Go back to the app.";
        let trouble = Self::new(
            StatusCode::BAD_REQUEST,
            "This sign-out cannot be done",
            why,
            todo,
        );
        Self {
            code: Some(ErrorCode::InvalidRequest),
            ..trouble
        }
    }

    /// A logout request that was refused, in a browser that is signed in or not.
    pub fn nothing_ended(mut self, signed_in: bool) -> Self {
        self.todo = if signed_in {
            "You are still signed in. Go back to the app, or sign out at /account."
        } else {
            "This browser is not signed in here. Go back to the app."
        };
        self
    }

    fn back_to(mut self, client: &Client) -> Self {
        let home = client
            .redirect_uris
            .first()
            .and_then(|uri| uri.parse::<Url>().ok());
        self.client = home.map(|url| {
            let origin = url.origin().ascii_serialization();
            Box::new((client.name.clone(), origin))
        });
        self
    }

    /// The page.
    pub fn page(self, req: &HttpRequest) -> HttpResponse {
        if let Some(name) = self.twice {
            return cookies::doubled(req, Accent::Idp, name);
        }
        let mut page = Message::new(self.title, self.happened)
            .what_to_do(self.todo)
            .trace_id(id_of(req));
        if let Some(code) = self.code {
            page = page.error_code(code.as_str());
        }
        if let Some((name, home)) = self.client.map(|client| *client) {
            page = page.way(format!("To {name}"), home);
        }
        let mut response = page
            .way("What is this place?", "/")
            .respond(Accent::Idp, self.status);
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<BodyError> for Trouble {
    fn from(error: BodyError) -> Self {
        let title = "This form cannot be taken";
        let todo = "Go back, wait a moment, and send it again.";
        Self::new(error.status(), title, error.to_string(), todo)
    }
}

impl From<RecordError> for Trouble {
    fn from(error: RecordError) -> Self {
        tracing::warn!("{error}");
        let happened =
            "The store that keeps sign-ins cannot be reached right now. You are not signed out.";
        let todo = "Wait a moment, then reload this page.";
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "One moment, please",
            happened,
            todo,
        )
    }
}

impl From<store::StoreError> for Trouble {
    fn from(error: store::StoreError) -> Self {
        RecordError::from(error).into()
    }
}

impl From<GrantError> for Trouble {
    fn from(error: GrantError) -> Self {
        match error {
            GrantError::Over => Self::sign_in_over(None),
            GrantError::Records(error) => error.into(),
            GrantError::Busy => {
                let happened = "Too much happened at once.";
                let todo = "Wait a moment, then reload this page.";
                let status = StatusCode::SERVICE_UNAVAILABLE;
                Self::new(status, "One moment, please", happened, todo)
            }
        }
    }
}

impl From<BadParams> for Trouble {
    fn from(error: BadParams) -> Self {
        Self::request(error.to_string())
    }
}
