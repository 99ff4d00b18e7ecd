//! Errors that are shown to the user as a page, where nothing may be sent to the
//! client.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
};
use oauth_types::{ErrorCode, params::BadParams};
use url::Url;
use web_kit::{
    body::BodyError,
    cookies,
    trace::id_of,
    ui::{Message, Site},
};

use crate::{
    records::{ChangeError, RecordError},
    settings::Client,
};

/// An error that is shown as a page, or a notice in its place.
#[derive(Clone, Debug)]
pub struct PageError {
    status: StatusCode,
    title: &'static str,
    happened: String,
    todo: &'static str,
    code: Option<ErrorCode>,
    /// The name and the origin of the client, where the user can start again.
    client: Option<Box<(String, String)>>,
    /// The duplicate cookie.
    twice: Option<&'static str>,
}

impl PageError {
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

    /// A malformed request.
    pub fn request(why: impl Into<String>) -> Self {
        let todo = "Only the developer of the app can fix this. Go back to the app.";
        let error = Self::new(StatusCode::BAD_REQUEST, "Invalid request", why, todo);
        Self {
            code: Some(ErrorCode::InvalidRequest),
            ..error
        }
    }

    /// RFC 6749 §4.1.2.1: an unknown client is reported to the user only.
    pub fn unknown_client() -> Self {
        let todo = "Go back to the app, or contact its operator.";
        let happened = "No app with this client_id is registered here.";
        let error = Self::new(StatusCode::BAD_REQUEST, "Unknown app", happened, todo);
        Self {
            code: Some(ErrorCode::InvalidClient),
            ..error
        }
    }

    /// RFC 6749 §4.1.2.1: nothing is sent to an address that is not registered.
    pub fn redirect_uri(why: &'static str) -> Self {
        let todo = "Only the developer of the app can fix this.";
        let error = Self::new(
            StatusCode::BAD_REQUEST,
            "Invalid redirect address",
            why,
            todo,
        );
        Self {
            code: Some(ErrorCode::InvalidRequest),
            ..error
        }
    }

    /// RFC 9126 §2.2: the pushed request is used, expired, or another client's. The back
    /// button leads here too, from the app in which the user is signed in by now.
    pub fn pushed_request_gone(client: &Client, is_signed_in: bool) -> Self {
        let happened = "The app's sign-in request was used already, or has expired.";
        let todo = if is_signed_in {
            "This browser is signed in. Go on to the app."
        } else {
            "Start again from the app."
        };
        let title = "This sign-in has ended";
        let error = Self::new(StatusCode::BAD_REQUEST, title, happened, todo);
        Self {
            code: Some(ErrorCode::InvalidRequestUri),
            ..error
        }
        .back_to(client)
    }

    /// A page of explain mode was loaded again, in a browser that is signed in, after its
    /// code or its request has expired.
    pub fn step_over(client: Option<&Client>) -> Self {
        let happened =
            "This request was answered, or has expired. A code is valid for a short time only.";
        let todo = "Start again at the app. You are still signed in here.";
        let error = Self::new(StatusCode::BAD_REQUEST, "This step is over", happened, todo);
        client.map_or(error.clone(), |client| error.back_to(client))
    }

    /// There is no such authorization session: completed, expired, or unknown.
    pub fn sign_in_over(client: Option<&Client>) -> Self {
        let happened = "It was completed already, perhaps in another tab, or took too long.";
        let error = Self::new(
            StatusCode::BAD_REQUEST,
            "This sign-in has ended",
            happened,
            "Start again from the app.",
        );
        client.map_or(error.clone(), |client| error.back_to(client))
    }

    /// The form or the request of a sign-in that is complete, or has expired, in a browser that
    /// is signed in: there is nothing left to do here.
    pub fn signed_in_already(client: Option<&Client>) -> Self {
        let happened = "This sign-in was completed already, or has expired, and this browser is signed in. Nothing was changed.";
        let todo = "Go on to the app.";
        let page = Self::new(StatusCode::OK, "You are signed in", happened, todo);
        client.map_or(page.clone(), |client| page.back_to(client))
    }

    /// RFC 8628 §3.3: no device waits with this code any more.
    pub fn device_code_over() -> Self {
        let happened = "It was used already, or has expired.";
        let todo = "Start again on the device, and enter the code that it shows then.";
        Self::new(
            StatusCode::BAD_REQUEST,
            "This code has ended",
            happened,
            todo,
        )
    }

    /// The form was shown in another browser (login CSRF), or cookies are blocked.
    pub fn another_browser() -> Self {
        let happened = "The form was opened in another browser, or this browser blocks cookies.";
        let todo = "Allow cookies for this site and start again from the app.";
        Self::new(
            StatusCode::FORBIDDEN,
            "Form from another browser",
            happened,
            todo,
        )
    }

    /// A cookie was sent twice: neither counts.
    pub fn cookie_twice(name: &'static str) -> Self {
        Self {
            twice: Some(name),
            ..Self::new(StatusCode::BAD_REQUEST, cookies::DUPLICATE, name, "")
        }
    }

    /// OpenID Connect RP-Initiated Logout §2 and §4: no session ends, and nothing is sent
    /// to an address that is not registered.
    pub fn logout(why: impl Into<String>) -> Self {
        let todo = "No session has ended. Go back to the app.";
        let error = Self::new(StatusCode::BAD_REQUEST, "Sign-out failed", why, todo);
        Self {
            code: Some(ErrorCode::InvalidRequest),
            ..error
        }
    }

    /// A logout request that was refused; `signed_in` tells whether the browser is signed
    /// in.
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
            return cookies::duplicate_page(req, Site::Idp, name);
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
            .way("About this site", "/")
            .respond(Site::Idp, self.status);
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<BodyError> for PageError {
    fn from(error: BodyError) -> Self {
        let title = "The form was not accepted";
        let todo = "Go back, wait a moment, and submit it again.";
        Self::new(error.status(), title, error.to_string(), todo)
    }
}

impl From<RecordError> for PageError {
    fn from(error: RecordError) -> Self {
        tracing::warn!("{error}");
        let happened = "The session store is unavailable right now. You are not signed out.";
        let todo = "Wait a moment, then reload this page.";
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Temporarily unavailable",
            happened,
            todo,
        )
    }
}

impl From<store::StoreError> for PageError {
    fn from(error: store::StoreError) -> Self {
        RecordError::from(error).into()
    }
}

impl From<ChangeError> for PageError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Ended => Self::sign_in_over(None),
            ChangeError::Record(error) => error.into(),
            ChangeError::Contended => {
                let happened = "Too many requests at the same time.";
                let todo = "Wait a moment, then reload this page.";
                let status = StatusCode::SERVICE_UNAVAILABLE;
                Self::new(status, "Temporarily unavailable", happened, todo)
            }
        }
    }
}

impl From<BadParams> for PageError {
    fn from(error: BadParams) -> Self {
        Self::request(error.to_string())
    }
}
