//! The list as a whole, its pages, and the way of a run.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use actix_http::Request;
use actix_web::{
    App,
    dev::Service,
    http::{Method, header},
    test::{TestRequest, call_service, init_service, read_body},
};
use kit::{
    Deps,
    clock::{Clock as _, ManualClock, SystemClock},
    config::{Addresses, Weakness},
    journey::JourneyKeys,
    shutdown::Shutdown,
};

use super::{
    attack::{Opens, Rule},
    *,
};
use crate::{
    course::tests::names_are_good,
    evil,
    scenarios::scenario::Look,
    served::{self, Answer, ask, every_file_is_served, nothing_is_inline},
};

const OWN: &str = "http://lab.localhost:8080";

fn config() -> Config {
    let addresses = Addresses::default();
    let keys = JourneyKeys::new(&"a lab of a test".into(), &addresses.url(Site::Lab));
    Config {
        journeys: Some(Arc::new(keys)),
        ..served::config()
    }
}

fn site(config: &Config) -> impl Fn(&mut ServiceConfig) + Clone + use<> {
    crate::start::site_of(config, &Deps::system(Shutdown::new()))
}

async fn page(path: &str) -> Answer {
    ask(site(&config()), Method::GET, path).await
}

fn names() -> Vec<&'static str> {
    LIST.all().map(|(_, attack)| attack.name).collect()
}

#[test]
fn names_are_good_in_addresses() {
    names_are_good(&LIST);
}

#[test]
fn each_program_and_each_page_of_the_attacker_has_its_attack() {
    let programs: BTreeSet<_> = Program::ALL.map(Program::slug).into();
    let listed = LIST.all().filter_map(|(_, attack)| match attack.way {
        Way::Program(program) => {
            assert_eq!(attack.name, program.slug());
            Some(attack.name)
        }
        Way::Browser(_) => None,
    });
    assert_eq!(listed.collect::<BTreeSet<_>>(), programs);
    for name in evil::pages_at_lab() {
        let place = LIST.find(name).unwrap();
        assert!(matches!(place.page.way, Way::Browser(_)), "{name}");
    }
}

#[test]
fn an_attack_has_what_its_page_needs() {
    for (_, attack) in LIST.all() {
        let name = attack.name;
        assert_eq!(
            attack.does.matches(['.', '?']).count(),
            2,
            "{name}: {}",
            attack.does
        );
        assert!(!attack.needs().is_empty(), "{name}");
        for weakness in attack.needs() {
            assert!(weakness.fits_a_journey(), "{name}: {weakness:?}");
        }
        for Rule(text, section) in attack.stopped_by {
            assert!(
                text.ends_with('.') && section.contains('§'),
                "{name}: {section}"
            );
        }
        for Look(mark, _) in attack.look {
            assert!(mark.is_known(), "{name}: {}", mark.label());
        }
        let texts = attack.look.iter().map(|Look(_, why)| why);
        for text in texts.chain([&attack.does, &attack.takes]) {
            assert_eq!(text.matches('`').count() % 2, 0, "{name}: {text}");
        }
    }
}

#[test]
fn a_partly_weakened_run_weakens_some_of_what_the_attack_needs() {
    for (_, attack) in LIST.all() {
        assert_eq!(attack.off_in(Defence::On), Some(&[][..]));
        if let Some(off) = attack.off_in(Defence::Partly) {
            assert!(!off.is_empty() && off.len() < attack.needs().len());
            assert!(off.iter().all(|one| attack.needs().contains(one)));
            assert!(!attack.label(Defence::Partly).is_empty());
        }
    }
    for defence in Defence::ALL {
        assert_eq!(Defence::named(defence.value()), Some(defence));
    }
}

#[actix_web::test]
async fn every_page_renders_and_every_file_is_served() {
    for name in names() {
        let answer = page(&format!("/attacks/{name}")).await;
        assert_eq!(answer.status, 200, "{name}");
        nothing_is_inline(&answer);
        assert_eq!(answer.body.matches("<h1>").count(), 1, "{name}");
        assert!(!answer.body.contains('`'), "{name}");
        for part in [
            "Run with the defence off",
            "Run with the defence on",
            "id=\"stage\"",
        ] {
            assert!(answer.body.contains(part), "{name}: {part}");
        }
    }
    for path in ["/attacks", "/attacks/csrf-image", "/attacks/alg-none"] {
        every_file_is_served(site(&config()), path).await;
    }
    for file in ["verdict.js", "scenario.js", "page.js"] {
        assert_eq!(page(&format!("/assets/{file}")).await.status, 200, "{file}");
    }
    assert_eq!(page("/attacks/nothing").await.status, 404);
}

#[actix_web::test]
async fn the_list_names_every_attack_in_order_and_links_exist() {
    let list = page("/attacks").await;
    assert_eq!(list.status, 200);
    nothing_is_inline(&list);
    let mut rest = list.body.split_once("course-list").unwrap().1;
    for name in names() {
        let link = format!("href=\"/attacks/{name}\"");
        rest = rest.split_once(&link).unwrap_or_else(|| panic!("{name}")).1;
    }
    for path in ["/", "/scenarios", "/journey"] {
        assert!(
            page(path).await.body.contains("href=\"/attacks\""),
            "{path}"
        );
    }
}

#[actix_web::test]
async fn without_the_lab_there_are_no_attacks() {
    for path in ["/attacks", "/attacks/alg-none"] {
        let answer = ask(site(&served::config()), Method::GET, path).await;
        assert_eq!(answer.status, 404, "{path}");
    }
    let start = ask(site(&served::config()), Method::GET, "/").await;
    assert!(!start.body.contains("/attacks"));
}

#[actix_web::test]
async fn where_the_demo_users_cannot_sign_in_the_page_says_so_and_has_no_button() {
    let config = Config {
        demo_users: false,
        ..config()
    };
    for name in ["alg-none", "login-csrf"] {
        let path = format!("/attacks/{name}");
        let answer = ask(site(&config), Method::GET, &path).await;
        assert!(answer.body.contains("cannot sign in here"), "{name}");
        assert!(!answer.body.contains("name=\"weakened\""), "{name}");
    }
}

/// What a browser sees.
struct Seen {
    status: u16,
    location: String,
    cookies: Vec<String>,
    body: String,
}

impl Seen {
    /// The value of the cookie `name` that is set.
    fn cookie(&self, name: &str) -> Option<&str> {
        let named = |cookie: &&String| cookie.starts_with(&format!("{name}="));
        let cookie = self.cookies.iter().find(named)?;
        cookie.split(['=', ';']).nth(1)
    }

    /// The journey's cookie, as the browser sends it.
    fn journey(&self) -> String {
        let name = "__Host-lab_journey";
        format!("{name}={}", self.cookie(name).unwrap())
    }
}

async fn seen<S, B>(app: &S, request: TestRequest) -> Seen
where
    S: Service<Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
    B: MessageBody,
{
    let response = call_service(app, request.to_request()).await;
    let headers = response.headers().clone();
    let text = |value: &header::HeaderValue| value.to_str().unwrap().to_owned();
    Seen {
        status: response.status().as_u16(),
        location: headers.get(header::LOCATION).map(text).unwrap_or_default(),
        cookies: headers.get_all(header::SET_COOKIE).map(text).collect(),
        body: String::from_utf8(read_body(response).await.to_vec()).unwrap(),
    }
}

fn get(path: &str, cookies: &str) -> TestRequest {
    TestRequest::get()
        .uri(path)
        .insert_header((header::ACCEPT, "text/html"))
        .insert_header((header::COOKIE, cookies))
}

/// Presses a button of the page of the attack `name`.
fn press(origin: &str, name: &str, form: &'static str, cookies: &str) -> TestRequest {
    TestRequest::post()
        .uri(&format!("/attacks/{name}/begin"))
        .insert_header((header::ACCEPT, "text/html"))
        .insert_header((header::ORIGIN, origin))
        .insert_header((header::COOKIE, cookies))
        .insert_header(header::ContentType::form_url_encoded())
        .set_payload(form)
}

#[actix_web::test]
async fn a_run_weakens_the_journey_signs_in_and_opens_the_attackers_page() {
    let app = init_service(App::new().configure(site(&config()))).await;
    let begun = seen(&app, press(OWN, "csrf-image", "weakened=on", "")).await;
    assert_eq!(
        (begun.status, &*begun.location),
        (303, "http://app1.localhost:8082/lab/join")
    );
    let then = begun.cookie("__Host-lab_then");
    assert_eq!(then, Some("/attacks/csrf-image/sign-in"));
    let journey = begun.journey();

    let page = seen(&app, get("/attacks/csrf-image", &journey)).await.body;
    let off = "<b>Weakened for your journey until";
    assert!(
        page.contains(off) && page.contains("<code>get-orders</code>"),
        "{page}"
    );
    assert!(page.contains("Switch on again"));

    let sign_in = seen(&app, get("/attacks/csrf-image/sign-in", &journey)).await;
    let login = "href=\"http://app1.localhost:8082/login?return_to=/lab/back&#38;max_age=604800\"";
    assert!(
        sign_in.status == 200 && sign_in.body.contains(login),
        "{}",
        sign_in.body
    );
    assert_eq!(
        sign_in.cookie("__Host-lab_then"),
        Some("/attacks/csrf-image/go")
    );
    let go = seen(&app, get("/attacks/csrf-image/go", &journey)).await;
    assert_eq!(go.status, 200);
    assert!(
        go.body
            .contains("href=\"http://evil.localhost:8087/image?go=1\""),
        "{}",
        go.body
    );

    // With the defence on, the same journey has every defence.
    let on = seen(&app, press(OWN, "csrf-image", "weakened=off", &journey)).await;
    let page = seen(&app, get("/attacks/csrf-image", &on.journey()))
        .await
        .body;
    assert!(!page.contains(off) && page.contains("every defence is on"));
    // Nobody else's page says anything.
    let others = seen(&app, get("/attacks/csrf-image", "")).await.body;
    assert!(!others.contains(off) && !others.contains("Switch on again"));
}

#[actix_web::test]
async fn a_run_has_begun_only_if_its_browser_is_sent_on() {
    let reach = "app1.localhost:8082=127.0.0.1:1".parse().unwrap();
    let config = Config { reach, ..config() };
    let app = init_service(App::new().configure(site(&config))).await;
    for (name, status) in [("login-csrf", 502), ("csrf-image", 200)] {
        let begun = seen(&app, press(OWN, name, "weakened=on", "")).await;
        let (path, journey) = (format!("/attacks/{name}"), begun.journey());
        let go = seen(&app, get(&format!("{path}/go"), &journey)).await;
        assert_eq!(go.status, status, "{name}");
        let page = seen(&app, get(&path, &journey)).await.body;
        assert_eq!(page.contains("data-former=\"[]\""), status != 200, "{page}");
    }
}

#[actix_web::test]
async fn a_run_needs_the_labs_own_page_a_known_attack_and_a_known_setting() {
    let app = init_service(App::new().configure(site(&config()))).await;
    for (origin, name, form, status) in [
        (
            "http://evil.localhost:8087",
            "csrf-image",
            "weakened=on",
            403,
        ),
        ("null", "alg-none", "weakened=on", 403),
        (OWN, "nothing", "weakened=on", 404),
        (OWN, "csrf-image", "", 400),
        (OWN, "csrf-image", "weakened=yes", 400),
        (OWN, "open-redirect", "weakened=partly", 400),
        (OWN, "alg-none", "weakened=partly", 400),
    ] {
        let answer = seen(&app, press(origin, name, form, "")).await;
        assert_eq!(
            (answer.status, answer.cookies.len()),
            (status, 0),
            "{name} {form}"
        );
    }
}

#[actix_web::test]
async fn the_way_of_a_run_begins_at_its_page() {
    let app = init_service(App::new().configure(site(&config()))).await;
    for step in ["sign-in", "go"] {
        let lost = seen(&app, get(&format!("/attacks/csrf-image/{step}"), "")).await;
        assert_eq!((lost.status, &*lost.location), (303, "/attacks/csrf-image"));
        let none = seen(&app, get(&format!("/attacks/nothing/{step}"), "")).await;
        assert_eq!(none.status, 404);
    }
    let journey = seen(&app, press(OWN, "xss-spa", "weakened=on", ""))
        .await
        .journey();
    // A program's attack has no way of its own, and the SPA signs in by itself.
    let program = seen(&app, get("/attacks/alg-none/go", &journey)).await;
    assert_eq!(program.location, "/attacks/alg-none");
    let spa = seen(&app, get("/attacks/xss-spa/sign-in", &journey)).await;
    assert_eq!(spa.location, "/attacks/xss-spa/go");
    let page = seen(&app, get("/attacks/xss-spa", &journey)).await.body;
    assert!(
        page.contains("<code>http://spa.localhost:8086/#note="),
        "{page}"
    );
    let spa = LIST.find("xss-spa").unwrap();
    assert!(matches!(&spa.page.way, Way::Browser(way) if way.opens == Opens::Spa));
}

#[actix_web::test]
async fn weakened_settings_end_with_their_time() {
    let config = config();
    let clock = Arc::new(ManualClock::new(SystemClock.now()));
    let deps = Deps {
        clock: Arc::<ManualClock>::clone(&clock),
        ..Deps::system(Shutdown::new())
    };
    let app = init_service(App::new().configure(crate::start::site_of(&config, &deps))).await;
    let begun = seen(&app, press(OWN, "csrf-form", "weakened=on", "")).await;
    let journey = begun.journey();
    let is_weak = async || {
        let page = seen(&app, get("/attacks/csrf-form", &journey)).await;
        page.body.contains("Weakened for your journey")
    };
    clock.advance(Duration::from_secs(599));
    assert!(is_weak().await);
    clock.advance(Duration::from_secs(1));
    assert!(!is_weak().await);
}

#[test]
fn what_a_page_watches_for_is_in_its_json() {
    let place = LIST.find("csrf-image").unwrap();
    let Way::Browser(way) = &place.page.way else {
        panic!("it runs in the browser");
    };
    let watch = serde_json::to_value(&way.watch).unwrap();
    assert_eq!(watch["attacker"], serde_json::json!(["evil", "GET /image"]));
    assert_eq!(watch["signs"][0]["name"], "GET /api1/order");
    assert!(
        way.partly
            .is_some_and(|(_, off)| off == [Weakness::SameSiteNone])
    );
}
