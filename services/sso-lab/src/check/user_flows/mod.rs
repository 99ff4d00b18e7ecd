//! A user's flows: signs in once, uses both apps and both APIs, a native app and a device,
//! ends a session, signs out everywhere. They run once in the apps' own session modes,
//! or once in each of the four modes where a login may choose.

mod calls;
mod credentials;
mod device;
mod endings;
mod introspection;
mod login;
mod native;
mod public_client;

use std::{fmt, time::Duration};

use kit::config::Site;

use self::login::{LOGIN, Login, SSO};
use super::{
    APPS,
    args::{Plan, User},
    browser::Browser,
    outcome::Failure,
    provider::DISCOVERY,
    ready,
    run::Run,
    signed_out::{About, MODES},
};

/// The pause between two polls of a condition.
const POLL: Duration = Duration::from_millis(100);

/// One round of the flows.
struct Scene<'p> {
    plan: &'p Plan,
    /// app1 and app2, with their session modes.
    apps: [App; 2],
}

/// An app in a scene.
struct App {
    site: Site,
    /// The public URL.
    url: String,
    mode: String,
    /// The query of its login.
    query: String,
}

impl App {
    fn login_url(&self) -> String {
        format!("{}/login{}", self.url, self.query)
    }

    fn step(&self, what: &str) -> String {
        format!("{}: {what}", self.site.label())
    }

    /// Whether its sessions are in a store, where another browser can end them.
    fn has_stored_sessions(&self) -> bool {
        self.mode != "stateless"
    }
}

/// What the check leaves behind.
#[derive(Default)]
pub(super) struct Left {
    orders: Vec<String>,
    reservations: u32,
    item: String,
}

impl Left {
    fn reserved(&mut self, item: &str) {
        self.reservations += 1;
        item.clone_into(&mut self.item);
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            orders,
            reservations,
            item,
        } = self;
        match reservations {
            0 => Ok(()),
            _ => write!(
                f,
                "{} orders and {reservations} reservations, one {item} each",
                orders.len()
            ),
        }
    }
}

/// Runs the flows. Returns what it leaves behind.
pub(super) async fn check(run: &mut Run, plan: &Plan, user: &User, about: &[About; 2]) -> String {
    let mut left = Left::default();
    for scene in scenes(plan, about) {
        let [first, second] = &scene.apps;
        if first.mode == second.mode {
            run.scene(&first.mode);
        } else {
            run.scene(&format!("{}/{}", first.mode, second.mode));
        }
        scene.check(run, user, &mut left).await;
    }
    run.scene("");
    left.to_string()
}

fn scenes<'p>(plan: &'p Plan, about: &[About; 2]) -> Vec<Scene<'p>> {
    let app = |at: usize, mode: Option<&str>| {
        let About { mode: own, choice } = &about[at];
        let chosen = mode.filter(|_| *choice);
        App {
            site: APPS[at],
            url: plan.url(APPS[at]),
            mode: chosen.unwrap_or(own).to_owned(),
            query: chosen.map_or_else(String::new, |mode| format!("?mode={mode}")),
        }
    };
    let scene = |mode| Scene {
        plan,
        apps: [app(0, mode), app(1, mode)],
    };
    if about.iter().any(|about| about.choice) {
        MODES.into_iter().map(|mode| scene(Some(mode))).collect()
    } else {
        vec![scene(None)]
    }
}

impl Scene<'_> {
    async fn check(&self, run: &mut Run, user: &User, left: &mut Left) {
        let [first, second] = &self.apps;
        let mut browser = Browser::new(&self.plan.transport);
        let (idp, app1, app2) = (ready(Site::Idp), ready(first.site), ready(second.site));
        let login = Login {
            issuer: &self.plan.issuer,
            user,
        };
        let needs = [app1.as_str(), idp.as_str(), DISCOVERY];
        let signing_in = login.sign_in(&mut browser, first);
        let sub = run
            .step(LOGIN, &needs, signing_in)
            .await
            .unwrap_or_default();
        let again = login.single_sign_on(&mut browser, second, &sub);
        run.step(SSO, &[LOGIN, &app2], again).await;
        for (app, login_step) in [(first, LOGIN), (second, SSO)] {
            let cookies = app.step("its cookies are hidden from scripts and other sites");
            let checking = async { login::cookies(&browser, app) };
            run.step(&cookies, &[login_step], checking).await;
            calls::check(run, self, app, login_step, &mut browser, left).await;
            let logged_in = (login_step, &login);
            credentials::check(run, self, app, logged_in, &mut browser).await;
        }
        native::check(run, self, &mut browser, &sub).await;
        device::check(run, self, &mut browser, &sub).await;
        introspection::check(run, self, &mut browser, &sub).await;
        endings::check(run, self, &mut browser).await;
    }
}

/// Polls until the condition holds. The step's timeout bounds it.
async fn until(mut condition: impl AsyncFnMut() -> Result<bool, Failure>) -> Result<(), Failure> {
    while !condition().await? {
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}
