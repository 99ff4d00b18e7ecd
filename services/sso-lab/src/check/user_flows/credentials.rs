//! The credentials that an app may get for its calls to the APIs, where a login may choose
//! them (BFF_SESSION_MODE_CHOICE): a token of an exchange, the app's own token, a token for
//! the user whom the app names; at API-1 also by the app's certificate (mTLS, RFC 8705), and
//! with it the app's word about the user (an identity header).

use kit::config::Site;
use serde_json::Value;

use super::{App, Scene, login::Login};
use crate::check::{
    APIS,
    args::is_demo_user,
    browser::{Answer, Browser},
    outcome::{Failure, Found, Step, Stop, ensure},
    ready,
    run::Run,
};

/// A way to get a credential, and what the step says of it.
struct Way {
    method: &'static str,
    /// The end of the step's name.
    step: &'static str,
    /// The APIs that take it.
    apis: &'static [Site],
    /// What the API must know.
    knows: Knows,
}

/// What an API has to know of the user by a credential.
enum Knows {
    /// The user, and that the app acts (RFC 8693 §4.1).
    Delegated,
    /// The app alone.
    App,
    /// The app alone, by a token that is bound to its certificate.
    BoundApp,
    /// The user, whom the app names.
    Named,
    /// The user, by the app's word.
    Stated,
}

const WAYS: [Way; 5] = [
    Way {
        method: "token_exchange",
        step: "exchanges the user's token, and the APIs know that it acts for the user",
        apis: &APIS,
        knows: Knows::Delegated,
    },
    Way {
        method: "client_credentials",
        step: "calls the APIs for itself, and they know no user",
        apis: &APIS,
        knows: Knows::App,
    },
    Way {
        method: "jwt_bearer",
        step: "names the user in an assertion, and the APIs know the user by it",
        apis: &APIS,
        knows: Knows::Named,
    },
    Way {
        method: "mtls",
        step: "calls API-1 by its certificate, and the token is bound to it",
        apis: &[Site::Api1],
        knows: Knows::BoundApp,
    },
    Way {
        method: "identity_header",
        step: "states the user to API-1 by a header, on a connection with its certificate",
        apis: &[Site::Api1],
        knows: Knows::Stated,
    },
];

/// `login`: the step that signed in to `app`. Where no login may choose, there is one line
/// that says so.
pub(super) async fn check(
    run: &mut Run,
    scene: &Scene<'_>,
    app: &App,
    (login, signing_in): (&str, &Login<'_>),
    browser: &mut Browser,
) {
    if app.query.is_empty() {
        let name = app.step("a login may choose how the app gets its credentials");
        run.skip(&name, "it may not (BFF_SESSION_MODE_CHOICE)");
        return;
    }
    for way in &WAYS {
        let name = app.step(way.step);
        let mut apis = way.apis.iter();
        if apis.any(|api| scene.plan.without.contains(api)) {
            run.skip(&name, "not reached from here (--without)");
            continue;
        }
        let needs: Vec<_> = way.apis.iter().copied().map(ready).collect();
        let mut needs: Vec<_> = needs.iter().map(String::as_str).collect();
        needs.push(login);
        run.step(&name, &needs, way.check(app, signing_in, browser))
            .await;
    }
}

impl Way {
    async fn check(&self, app: &App, login: &Login<'_>, browser: &mut Browser) -> Step {
        let url = format!("{}/session", app.url);
        let session = browser.get(&url).await?.expect(200)?.json()?;
        let user = session["user"]["sub"].as_str().unwrap_or_default();
        let mut said = Vec::new();
        for (api, answer) in self.whoami(app, login, browser).await? {
            if matches!(self.knows, Knows::Stated) && answer.is_refused_by_api() {
                let why = "API-1 does not take the app's word (API1_IDENTITY_CALLERS)";
                return Err(Stop::Skipped(why.to_owned()));
            }
            let is_named = matches!(self.knows, Knows::Named);
            if is_named && answer.status == 502 && !is_demo_user(&login.user.name) {
                let why = "the provider lets the app name other users (jwt_bearer_users)";
                return Err(Stop::Skipped(why.to_owned()));
            }
            let answer = answer.expect(200)?;
            let known = self.known(&answer, user)?;
            said.push(format!("{}: {known}", api.label()));
        }
        Ok(Found::new((), said.join("; ")))
    }

    /// What each API knows of a session that chose the method; then the session is as before.
    async fn whoami(
        &self,
        app: &App,
        login: &Login<'_>,
        browser: &mut Browser,
    ) -> Result<Vec<(Site, Answer)>, Stop> {
        let page = browser.get(&format!("{}/", app.url)).await?.expect(200)?;
        let mut offered = Vec::new();
        for api in self.apis {
            let field = field(*api);
            let methods = Offered::read(&page.body, field);
            let methods = methods.ok_or_else(|| page.failure("offers no credentials"))?;
            if !methods.methods.contains(&self.method) {
                let why = format!("the app does not offer {} for {}", self.method, api.label());
                return Err(Stop::Skipped(why));
            }
            offered.push((field, methods.used));
        }
        let chosen: Vec<_> = offered
            .iter()
            .map(|(field, _)| (*field, self.method))
            .collect();
        login.choose(browser, app, &chosen).await?;
        let mut answers = Vec::new();
        for api in self.apis {
            let url = format!("{}/{}/whoami", app.url, api.label());
            answers.push((*api, browser.get(&url).await));
        }
        login.choose(browser, app, &offered).await?;
        let answers = answers.into_iter();
        let answers = answers.map(|(api, answer)| answer.map(|answer| (api, answer)));
        Ok(answers.collect::<Result<_, Failure>>()?)
    }

    /// What `answer` says of the user whose `sub` is `user`, if it is right.
    fn known(&self, answer: &Answer, user: &str) -> Result<String, Failure> {
        let who = answer.json()?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (sub, client) = (text(&who["sub"]), text(&who["client_id"]));
        let is_user = !user.is_empty() && sub == user;
        let is_app = !client.is_empty() && sub == client;
        let wrong = |what: &str| answer.failure(what);
        match self.knows {
            Knows::Delegated => {
                let actor = text(&who["act"]["sub"]);
                ensure(is_user && actor == client && !actor.is_empty(), || {
                    wrong("does not name the user, and the app as the actor (act)")
                })?;
                Ok(format!("{actor} acts for the user"))
            }
            Knows::App | Knows::BoundApp => {
                ensure(is_app && who["act"].is_null(), || {
                    wrong("names a user, although the app calls for itself")
                })?;
                let needs_binding = matches!(self.knows, Knows::BoundApp);
                ensure(!needs_binding || who["cnf"]["x5t#S256"].is_string(), || {
                    wrong("does not say that the token is bound to a certificate (cnf)")
                })?;
                Ok(client)
            }
            Knows::Named => {
                ensure(
                    is_user && !client.is_empty() && who["act"].is_null(),
                    || wrong("does not name the user whom the app named, without an actor"),
                )?;
                Ok(format!("the user, whom {client} named"))
            }
            Knows::Stated => {
                ensure(is_user, || wrong("does not name the user who is signed in"))?;
                ensure(who["stated_by"].is_string(), || {
                    wrong("does not name the certificate of who states it (stated_by)")
                })?;
                Ok(text(&who["stated_by"]))
            }
        }
    }
}

/// The field of a login that chooses the credential for `api`.
const fn field(api: Site) -> &'static str {
    match api {
        Site::Api2 => "api2_credential",
        _ => "api1_credential",
    }
}

/// The methods for an API on the app's page.
#[derive(Debug, PartialEq, Eq)]
struct Offered<'p> {
    methods: Vec<&'p str>,
    /// That of the session.
    used: &'p str,
}

impl<'p> Offered<'p> {
    /// Those of the choice `field`.
    fn read(page: &'p str, field: &str) -> Option<Self> {
        let (_, rest) = page.split_once(&format!("name=\"{field}\""))?;
        let (options, _) = rest.split_once("</select>")?;
        let options = options.split("<option value=\"").skip(1);
        let options = options.filter_map(|option| option.split_once('"'));
        let options: Vec<_> = options.collect();
        let is_used = |rest: &str| rest.trim_start().starts_with("selected");
        let used = options.iter().find(|(_, rest)| is_used(rest))?.0;
        Some(Self {
            methods: options.into_iter().map(|(method, _)| method).collect(),
            used,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_methods_are_those_of_the_api_on_the_page() {
        let page = "<select name=\"mode\"><option value=\"x\" selected>x</option></select>\n\
                    <select id=\"a\" name=\"api1_credential\">\n<option value=\"refresh\">r</option>\n\
                    <option value=\"mtls\" selected>m</option>\n</select>\
                    <select name=\"api2_credential\"><option value=\"y\">y</option></select>";
        let expected = Offered {
            methods: vec!["refresh", "mtls"],
            used: "mtls",
        };
        assert_eq!(Offered::read(page, field(Site::Api1)), Some(expected));
        assert_eq!(Offered::read("<p>nothing</p>", field(Site::Api1)), None);
    }
}
