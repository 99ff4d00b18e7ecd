//! An app's home page.

use actix_web::{HttpResponse, http::StatusCode};
use askama::Template;
use kit::clock::Timestamp;
use web_kit::ui::{Csp, Site, page, utc};

use super::calls::Call;
use crate::{credentials::CredentialMethod, sessions::SessionMode};

/// Who is signed in, what the browser holds, and a button for each call. It
/// works signed out, and without JavaScript: calls are links and forms then.
#[derive(Clone, Debug, Template)]
#[template(path = "home.html")]
pub(crate) struct HomePage {
    /// Whose page it is.
    pub app: App,
    /// The session's user; `None` when signed out.
    pub signed_in: Option<SignedIn>,
    /// How the session is kept, or the next one would be.
    pub mode: SessionMode,
    /// Whether a login may choose another mode.
    pub choice: bool,
    /// How it gets the credential for each API.
    pub credentials: Vec<ApiCredential>,
    /// The cookies of that mode.
    pub cookies: Vec<HeldCookie>,
    /// What is left of sessions that have ended in this browser.
    pub still_good: Vec<StillGood>,
    /// The other app, where there is one.
    pub other_app: Option<OtherApp>,
    /// The start page's address, where there is one.
    pub lab_url: Option<String>,
    /// The provider's address.
    pub idp_url: String,
    /// Text that is shown unescaped, only in a lab with that weakness.
    pub note: Option<String>,
}

/// The app.
#[derive(Clone, Debug)]
pub(crate) struct App {
    /// Its name, such as `app1`.
    pub name: String,
    /// Its colour.
    pub site: Site,
}

/// How a session gets the credential for an API.
#[derive(Clone, Debug)]
pub(crate) struct ApiCredential {
    /// The API, such as `API-1`.
    pub api: &'static str,
    /// The parameter of `/login` that chooses another method.
    pub parameter: &'static str,
    /// The method.
    pub method: CredentialMethod,
    /// Those that a login may choose.
    pub methods: Vec<CredentialMethod>,
}

/// What is shown with a session.
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
    /// Names it: a hash.
    pub handle: String,
    /// When it began.
    pub created: Timestamp,
    /// When it expires unless it is used.
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

/// A cookie of this app, explained. Never its value.
#[derive(Clone, Debug)]
pub(crate) struct HeldCookie {
    /// Its name.
    pub name: String,
    /// Its attributes, as `Set-Cookie` has them.
    pub attributes: String,
    /// What its value is, in a few words.
    pub holds: String,
}

/// An access token of a session that has ended. It cannot be revoked.
#[derive(Clone, Debug)]
pub(crate) struct StillGood {
    /// For which API.
    pub audience: &'static str,
    /// When it ends.
    pub until: Timestamp,
}

impl StillGood {
    fn ends(&self) -> String {
        utc(self.until)
    }
}

/// The other app.
#[derive(Clone, Debug)]
pub(crate) struct OtherApp {
    /// Its colour.
    pub site: Site,
    /// Its address.
    pub url: String,
}

impl HomePage {
    /// The page.
    pub(crate) fn respond(&self) -> HttpResponse {
        let title = if self.signed_in.is_some() {
            "Home"
        } else {
            "Signed out"
        };
        // The form that signs out is answered with a redirect to the provider.
        let mut csp = Csp::strict().form_action(&self.idp_url);
        if self.note.is_some() {
            csp = csp.inline_scripts();
        }
        page(self.app.site, title, StatusCode::OK, self, &csp)
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
                site: Site::App1,
            },
            signed_in,
            mode: SessionMode::Hybrid,
            choice: false,
            credentials: vec![ApiCredential {
                api: "API-1",
                parameter: "api1_credential",
                method: CredentialMethod::TokenExchange,
                methods: CredentialMethod::ALL.to_vec(),
            }],
            cookies: vec![HeldCookie {
                name: "__Host-session_id".into(),
                attributes: "HttpOnly; Secure; SameSite=Lax; Path=/".into(),
                holds: "A random id of 256 bits.".into(),
            }],
            still_good: Vec::new(),
            other_app: Some(OtherApp {
                site: Site::App2,
                url: "http://app2.localhost:8083".into(),
            }),
            lab_url: Some("http://lab.localhost:8080".into()),
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
                handle: text.into(),
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
            4,
            "two orders, two ways to sign out"
        );
        assert!(html.contains("2023-11-14 22:13:20 UTC"));
    }

    #[actix_web::test]
    async fn it_leads_only_to_what_the_deployment_has() {
        let (html, _) = page(home(None).respond()).await;
        assert!(html.contains("http://app2.localhost") && html.contains("http://lab.localhost"));
        let alone = HomePage {
            other_app: None,
            lab_url: None,
            ..home(None)
        };
        let (html, _) = page(alone.respond()).await;
        assert!(!html.contains("app2.localhost") && !html.contains("lab.localhost"));
        assert!(html.contains("http://idp.localhost:8081"));
    }

    #[actix_web::test]
    async fn the_mode_says_what_it_holds_and_what_ends_it() {
        for mode in SessionMode::ALL {
            for signed_in in [None, Some(alice("Alice"))] {
                let page_in_mode = HomePage {
                    mode,
                    ..home(signed_in)
                };
                let (html, _) = page(page_in_mode.respond()).await;
                let html = html.replace("&#39;", "'");
                assert!(html.contains(mode.revoked_stops()), "{mode}");
                assert!(html.contains(mode.cookie_holds()), "{mode}");
            }
        }
    }

    #[actix_web::test]
    async fn signed_out_it_says_what_nobody_can_call_back() {
        let (html, _) = page(home(None).respond()).await;
        assert!(!html.contains("still good"));
        let after = HomePage {
            still_good: vec![StillGood {
                audience: "https://api-1",
                until: Timestamp::from_secs(1_700_000_000),
            }],
            ..home(None)
        };
        let (html, _) = page(after.respond()).await;
        assert!(html.contains("https://api-1</code> until 2023-11-14 22:13:20 UTC"));
    }

    #[actix_web::test]
    async fn a_choice_of_modes_is_offered_only_where_there_is_one() {
        for (choice, times) in [(false, 0), (true, SessionMode::ALL.len())] {
            for signed_in in [None, Some(alice("Alice"))] {
                let offering = HomePage {
                    choice,
                    ..home(signed_in)
                };
                let (html, _) = page(offering.respond()).await;
                assert_eq!(html.matches("/login?return_to=/&amp;mode=").count(), times);
            }
        }
    }

    #[actix_web::test]
    async fn how_credentials_are_got_is_shown_and_offered_where_there_is_a_choice() {
        for choice in [false, true] {
            let offering = HomePage {
                choice,
                ..home(Some(alice("Alice")))
            };
            let (html, _) = page(offering.respond()).await;
            assert!(html.contains("acts for you (act)"), "{html}");
            for method in CredentialMethod::ALL {
                let option = format!("<option value=\"{method}\"");
                assert_eq!(html.contains(&option), choice, "{method}");
            }
            let selected = "<option value=\"token_exchange\" selected>";
            assert_eq!(html.contains(selected), choice);
        }
    }

    #[actix_web::test]
    async fn nothing_untrusted_gets_out_of_its_place() {
        let (html, _) = page(home(Some(alice(HOSTILE))).respond()).await;
        assert!(
            !html.contains("<script>") && !html.contains("\"'>"),
            "{html}"
        );
        assert_eq!(html.matches("</form>").count(), 4);
    }

    #[actix_web::test]
    async fn nothing_is_inline() {
        let (html, _) = page(home(Some(alice("Alice"))).respond()).await;
        assert!(!html.contains("style=") && !html.contains("<style") && !html.contains(" onclick"));
        assert_eq!(
            html.matches("<script").count(),
            html.matches("<script type=\"module\" src=\"/assets/")
                .count()
        );
    }
}
