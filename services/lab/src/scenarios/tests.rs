//! The course as a whole, and its pages.

use std::sync::Arc;

use actix_web::{
    App,
    http::{Method, header},
    test::{TestRequest, call_service, init_service, read_body},
};
use kit::{Deps, config::Addresses, journey::JourneyKeys, shutdown::Shutdown};

use super::{
    scenario::{Look, Mark, Way, command_parts},
    *,
};
use crate::{
    course::tests::names_are_good,
    served::{self, Answer, ask, every_file_is_served, nothing_is_inline},
};

/// A lab with the live diagram and these offers.
fn config(offers: &str) -> Config {
    let addresses = Addresses::default();
    let keys = JourneyKeys::new(&"a lab of a test".into(), &addresses.url(Site::Lab));
    Config {
        journeys: Some(Arc::new(keys)),
        offers: offers.parse().unwrap(),
        ..served::config()
    }
}

const ALL: &str = "choice,certificate,api-key,opaque-tokens";

fn site(config: &Config) -> impl Fn(&mut ServiceConfig) + Clone + use<> {
    crate::start::site_of(config, &Deps::system(Shutdown::new()))
}

async fn page(offers: &str, path: &str) -> Answer {
    ask(site(&config(offers)), Method::GET, path).await
}

fn names() -> Vec<&'static str> {
    COURSE.all().map(|(_, scenario)| scenario.name).collect()
}

#[test]
fn names_are_good_and_no_route_of_the_course() {
    names_are_good(&COURSE);
    assert!(!names().contains(&"begun"));
}

#[test]
fn the_sections_are_in_the_order_of_the_course() {
    let sections: Vec<_> = COURSE.0.iter().map(|section| section.title).collect();
    assert_eq!(
        sections,
        [
            "Sign in",
            "Sessions",
            "Tokens for APIs",
            "Machines and devices",
            "Sign out",
            "Questions"
        ]
    );
}

#[test]
fn a_scenario_has_what_its_page_needs() {
    for (_, scenario) in COURSE.all() {
        let name = scenario.name;
        assert!(
            scenario.sentence.ends_with('.') && !scenario.about.is_empty(),
            "{name}"
        );
        assert!(!scenario.see.is_empty(), "{name}");
        for other in scenario.see {
            assert!(
                *other != name && COURSE.find(other).is_some(),
                "{name}: {other}"
            );
        }
        assert!((3..=5).contains(&scenario.look.len()), "{name}");
        assert!(!scenario.ways.is_empty(), "{name}");
        let texts = scenario
            .about
            .iter()
            .chain(scenario.look.iter().map(|Look(_, why)| why));
        for text in texts.chain([&scenario.sentence]) {
            assert_eq!(text.matches('`').count() % 2, 0, "{name}: {text}");
        }
    }
}

#[test]
fn each_point_names_a_label_of_the_diagram() {
    for (_, scenario) in COURSE.all() {
        for Look(mark, _) in scenario.look {
            assert!(mark.is_known(), "{}: {}", scenario.name, mark.label());
        }
    }
    assert!(!Mark::Request("GET /nowhere").is_known());
    assert!(!Mark::Check("nothing.at_all").is_known());
    assert!(!Mark::Store("Save nothing").is_known());
}

/// The pages of the contract that may start a scenario, with the parameters that they take.
fn is_in_the_contract(site: Site, path: &str) -> bool {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let known: &[&str] = match (site, path) {
        (Site::App1 | Site::App2, "/login") => &[
            "return_to",
            "prompt",
            "max_age",
            "mode",
            "api1_credential",
            "api2_credential",
        ],
        (Site::App1 | Site::App2 | Site::Spa, "/") | (Site::Idp, "/device" | "/account") => &[],
        _ => return false,
    };
    let names = query.split('&').filter(|pair| !pair.is_empty());
    names
        .map(|pair| pair.split('=').next().unwrap_or_default())
        .all(|name| known.contains(&name))
}

#[test]
fn every_start_is_a_page_of_the_contract_or_a_command() {
    for (_, scenario) in COURSE.all() {
        for way in scenario.ways {
            match way {
                Way::Open { site, path, .. } => {
                    assert!(is_in_the_contract(*site, path), "{}: {path}", scenario.name);
                }
                Way::Command { text, .. } => assert!(
                    text.contains("cargo run --release")
                        || (text.contains("curl ") || text.contains("curl{headers}"))
                            && text.contains("{headers}"),
                    "{text}"
                ),
            }
        }
    }
}

#[test]
fn a_command_has_places_for_what_adds_it_to_the_journey() {
    let parts = command_parts("curl{headers} -x y && sso-lab login{journey}");
    let expected = [
        ("curl", Some("curl")),
        (" -x y && sso-lab login", Some("flag")),
        ("", None),
    ];
    assert_eq!(parts, expected.map(|(text, kind)| (text.to_owned(), kind)));
    assert_eq!(command_parts("ls"), [("ls".to_owned(), None)]);
    for (_, scenario) in COURSE.all() {
        for way in scenario.ways {
            if let Way::Command { text, .. } = way {
                assert!(
                    text.contains("{journey}") || text.contains("{headers}"),
                    "{text}"
                );
            }
        }
    }
}

#[actix_web::test]
async fn every_scenario_renders_with_everything_and_with_nothing_on_offer() {
    for offers in ["", ALL] {
        for name in names() {
            let path = format!("/scenarios/{name}");
            let answer = page(offers, &path).await;
            assert_eq!(answer.status, 200, "{name}");
            nothing_is_inline(&answer);
            assert_eq!(answer.body.matches("<h1>").count(), 1, "{name}");
            assert!(
                !answer.body.contains('`')
                    && !answer.body.contains("{flags}")
                    && !answer.body.contains("{idp}"),
                "{name}"
            );
            for id in ["id=\"stage\"", "id=\"twin\"", "id=\"start\""] {
                assert!(answer.body.contains(id), "{name}: {id}");
            }
        }
    }
}

#[actix_web::test]
async fn a_figure_of_the_prices_has_the_heading_of_its_column_on_a_narrow_screen() {
    let page = page(ALL, "/scenarios/session-modes").await.body;
    let (_, table) = page.split_once("id=\"prices\"").unwrap();
    let headings = table.split("<th scope=\"col\">").skip(2);
    for heading in headings.filter_map(|rest| rest.split('<').next()) {
        let label = format!("data-label=\"{heading}\"");
        assert_eq!(table.matches(&label).count(), 4, "{heading}");
    }
}

#[actix_web::test]
async fn a_page_says_of_windows_only_where_a_button_opens_one() {
    let command_alone = page(ALL, "/scenarios/native-login").await.body;
    assert!(!command_alone.contains("in a new window") && !command_alone.contains("first button"));
    assert!(
        page(ALL, "/scenarios/bff-login")
            .await
            .body
            .contains("A second press opens another one")
    );
    let several = page(ALL, "/scenarios/revocation-at-once").await.body;
    assert!(several.contains("so that the first window stays in sight"));
}

#[actix_web::test]
async fn the_list_names_every_scenario_in_order_and_links_exist() {
    let list = page(ALL, "/scenarios").await;
    assert_eq!(list.status, 200);
    nothing_is_inline(&list);
    let mut rest = list.body.split_once("course-list").unwrap().1;
    for name in names() {
        let link = format!("href=\"/scenarios/{name}\"");
        rest = rest.split_once(&link).unwrap_or_else(|| panic!("{name}")).1;
    }
    for path in ["/", "/journey"] {
        assert!(
            page(ALL, path).await.body.contains("href=\"/scenarios\""),
            "{path}"
        );
    }
}

#[actix_web::test]
async fn every_file_that_a_page_names_is_served() {
    for path in [
        "/scenarios/bff-login",
        "/scenarios/session-modes",
        "/scenarios/oidc-and-sso",
    ] {
        every_file_is_served(site(&config(ALL)), path).await;
    }
    for file in ["course.js", "prices.js"] {
        assert_eq!(
            page(ALL, &format!("/assets/{file}")).await.status,
            200,
            "{file}"
        );
        assert!(crate::journey::file(file).is_none(), "{file} is twice");
    }
}

#[actix_web::test]
async fn what_a_deployment_lacks_has_no_button_and_says_how_to_switch_it_on() {
    for (name, switch) in [
        ("session-modes", "BFF_SESSION_MODE_CHOICE=on"),
        ("mtls", "BFF_SESSION_MODE_CHOICE=on"),
        ("api-key", "BFF_API1_KEY_FILE"),
        ("opaque-tokens", "access_token_format"),
    ] {
        let path = format!("/scenarios/{name}");
        let (without, with) = (page("", &path).await.body, page(ALL, &path).await.body);
        assert!(
            without.contains(switch) && !without.contains("data-start>"),
            "{name}"
        );
        assert!(
            !with.contains("class=\"note lack\"") && with.contains("data-start>"),
            "{name}"
        );
    }
    let key = page("", "/scenarios/api-key").await.body;
    assert!(!key.contains("X-API-Key: "), "no command without a key");
    let start = ask(site(&config("")), Method::POST, "/scenarios/mtls/0").await;
    assert_eq!(start.status, 404);
}

/// Presses the button of a scenario. `cookie` is what the browser has of the lab.
async fn press(origin: &'static str, path: &str, cookie: &str) -> (u16, String, Vec<String>) {
    let app = init_service(App::new().configure(site(&config(ALL)))).await;
    let request = TestRequest::with_uri(path)
        .method(Method::POST)
        .insert_header((header::ORIGIN, origin))
        .insert_header((header::COOKIE, cookie));
    let response = call_service(&app, request.to_request()).await;
    let headers = response.headers().clone();
    let text = |value: &header::HeaderValue| value.to_str().unwrap().to_owned();
    let location = headers.get(header::LOCATION).map(text).unwrap_or_default();
    let cookies = headers.get_all(header::SET_COOKIE).map(text).collect();
    let status = response.status().as_u16();
    read_body(response).await;
    (status, location, cookies)
}

#[actix_web::test]
async fn a_browser_without_a_journey_begins_one_first_and_only_by_the_labs_own_page() {
    const OWN: &str = "http://lab.localhost:8080";
    let (status, location, cookies) = press(OWN, "/scenarios/bff-login/0", "").await;
    assert_eq!(status, 303);
    assert_eq!(location, "http://app1.localhost:8082/lab/join");
    assert!(
        cookies
            .iter()
            .any(|cookie| cookie.starts_with("__Host-lab_then=/scenarios/bff-login/0;")),
        "{cookies:?}"
    );
    let (status, _, cookies) =
        press("http://evil.localhost:8087", "/scenarios/bff-login/0", "").await;
    assert_eq!((status, cookies.len()), (403, 0));
    for nothing in [
        "/scenarios/bff-login/7",
        "/scenarios/nothing/0",
        "/scenarios/oidc-and-sso/9",
    ] {
        assert_eq!(press(OWN, nothing, "").await.0, 404, "{nothing}");
    }
}

#[actix_web::test]
async fn the_page_goes_on_without_a_journey_to_itself_and_says_so() {
    let answer = page(ALL, "/scenarios/bff-login/0").await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, "/scenarios/bff-login")
    );
    let begun = page(ALL, "/scenarios/begun").await;
    assert_eq!(
        (begun.status, begun.body.as_str()),
        (200, "{\"begun\":false}")
    );
    assert_eq!(page(ALL, "/scenarios/nothing").await.status, 404);
}
