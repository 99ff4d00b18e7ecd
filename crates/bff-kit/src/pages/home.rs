//! An app's home page.

use actix_web::{HttpResponse, http::StatusCode};
use askama::Template;
use kit::clock::Timestamp;
use web_kit::look::{Accent, Csp, page, utc};

use crate::sessions::SessionMode;

/// Who is signed in, what the browser holds, and a button for each call. It
/// works signed out, and without JavaScript: calls are links and forms then.
#[derive(Clone, Debug, Template)]
#[template(path = "home.html")]
pub(crate) struct HomePage {
    /// Whose page it is.
    pub app: App,
    /// The session's user; `None` when signed out.
    pub signed_in: Option<SignedIn>,
    /// What the session cookie is.
    pub cookie: Cookie,
    /// The app next door.
    pub other_app: OtherApp,
    /// The start page's address.
    pub lab_url: String,
    /// The provider's address.
    pub idp_url: String,
    /// What a lab that has been weakened so shows unescaped.
    pub note: Option<String>,
}

/// The app.
#[derive(Clone, Debug)]
pub(crate) struct App {
    /// Its name, such as `app1`.
    pub name: String,
    /// Its colour.
    pub accent: Accent,
}

/// All that there is only with a session.
#[derive(Clone, Debug)]
pub(crate) struct SignedIn {
    /// Whose session.
    pub user: User,
    /// The session.
    pub session: Session,
    /// What the forms send back as `csrf_token`.
    pub csrf_token: String,
}

/// The user, as the id_token told (OIDC Core §5.1).
#[derive(Clone, Debug)]
pub(crate) struct User {
    /// `name`.
    pub name: String,
    /// `email`, where it was granted.
    pub email: Option<String>,
    /// `sub`.
    pub sub: String,
}

impl User {
    fn greeting(&self) -> String {
        format!("Hello, {}", self.name)
    }
}

/// The session.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// How the session is kept.
    pub mode: SessionMode,
    /// When it began.
    pub created: Timestamp,
    /// When it ends if nothing happens until then.
    pub expires_at: Timestamp,
}

impl Session {
    fn began(&self) -> String {
        utc(self.created)
    }

    fn ends(&self) -> String {
        utc(self.expires_at)
    }
}

/// The session cookie, explained. Never its value.
#[derive(Clone, Debug)]
pub(crate) struct Cookie {
    /// Its name.
    pub name: &'static str,
    /// Its attributes, as `Set-Cookie` has them.
    pub attributes: String,
    /// What its value is in this mode, in a sentence.
    pub holds: &'static str,
}

/// The app next door.
#[derive(Clone, Debug)]
pub(crate) struct OtherApp {
    /// Its colour.
    pub accent: Accent,
    /// Its address.
    pub url: String,
}

/// A call that the page offers.
#[derive(Clone, Copy, Debug)]
struct Call {
    title: &'static str,
    method: &'static str,
    path: &'static str,
    owner: Accent,
    route: &'static str,
}

impl Call {
    /// All of them, in the order of a first walk.
    const ALL: &'static [Self] = &[
        Self::new("List the orders", "GET", "/api1/data", Accent::Api1, "HTTP"),
        Self::new("List the stock", "GET", "/api2/data", Accent::Api2, "gRPC"),
        Self::new(
            "Place an order",
            "POST",
            "/api1/data",
            Accent::Api1,
            "HTTP, then gRPC to api-2",
        ),
        Self::new("Reserve stock", "POST", "/api2/data", Accent::Api2, "gRPC"),
        Self::new(
            "Report on both",
            "GET",
            "/api1/report",
            Accent::Api1,
            "HTTP, then HTTP to api-2",
        ),
    ];

    const fn new(
        title: &'static str,
        method: &'static str,
        path: &'static str,
        owner: Accent,
        route: &'static str,
    ) -> Self {
        Self {
            title,
            method,
            path,
            owner,
            route,
        }
    }

    fn is_order(&self) -> bool {
        self.method == "POST"
    }
}

impl HomePage {
    /// The page.
    pub(crate) fn respond(&self) -> HttpResponse {
        let title = if self.signed_in.is_some() {
            "Home"
        } else {
            "Signed out"
        };
        let csp = match &self.note {
            None => Csp::strict(),
            Some(_) => Csp::strict().inline_scripts(),
        };
        page(self.app.accent, title, StatusCode::OK, self, &csp)
    }

    fn style_sheet() -> String {
        super::assets::url("app.css")
    }

    fn script() -> String {
        super::assets::url("app.js")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::{super::rendered::page, *};

    const HOSTILE: &str = "\"'></form><script>alert(1)</script>";

    fn home(signed_in: Option<SignedIn>) -> HomePage {
        HomePage {
            app: App {
                name: "app1".into(),
                accent: Accent::App1,
            },
            signed_in,
            cookie: Cookie {
                name: "__Host-session_id",
                attributes: "HttpOnly; Secure; SameSite=Lax; Path=/".into(),
                holds: "A random id of 256 bits, and nothing else.",
            },
            other_app: OtherApp {
                accent: Accent::App2,
                url: "http://app2.localhost:8083".into(),
            },
            lab_url: "http://lab.localhost:8080".into(),
            idp_url: "http://idp.localhost:8081".into(),
            note: None,
        }
    }

    fn alice(text: &str) -> SignedIn {
        SignedIn {
            user: User {
                name: text.into(),
                email: Some(text.into()),
                sub: text.into(),
            },
            session: Session {
                mode: SessionMode::Stateful,
                created: Timestamp::from_secs(1_700_000_000),
                expires_at: Timestamp::from_secs(1_700_028_800),
            },
            csrf_token: text.into(),
        }
    }

    #[actix_web::test]
    async fn signed_out_there_is_a_way_in_and_no_call() {
        let (html, policy) = page(home(None).respond()).await;
        assert!(html.contains("class=\"button big\" href=\"/login?return_to=/\""));
        assert!(!html.contains("data-call") && !html.contains("csrf_token"));
        assert!(!policy.contains("unsafe"));
    }

    #[actix_web::test]
    async fn signed_in_each_call_works_as_a_link_or_a_form() {
        let (html, _) = page(home(Some(alice("Alice"))).respond()).await;
        for call in Call::ALL {
            let plain = match call.method {
                "GET" => format!("href=\"{}\" data-call=\"GET\"", call.path),
                _ => format!(
                    "<form method=\"post\" action=\"{}\" data-call=\"POST\">",
                    call.path
                ),
            };
            assert!(html.contains(&plain), "{plain}");
        }
        assert_eq!(
            html.matches("name=\"csrf_token\" value=\"Alice\"").count(),
            2
        );
        assert!(html.contains("2023-11-14 22:13:20 UTC"));
    }

    #[actix_web::test]
    async fn nothing_untrusted_gets_out_of_its_place() {
        let (html, _) = page(home(Some(alice(HOSTILE))).respond()).await;
        assert!(
            !html.contains("<script>") && !html.contains("\"'>"),
            "{html}"
        );
        assert_eq!(html.matches("</form>").count(), 2);
    }

    #[actix_web::test]
    async fn nothing_is_inline() {
        let (html, _) = page(home(Some(alice("Alice"))).respond()).await;
        assert!(!html.contains("style=") && !html.contains("<style") && !html.contains(" onclick"));
        assert_eq!(
            html.matches("<script").count(),
            html.matches("<script src=\"/assets/").count()
        );
    }
}
