//! Calls to both APIs through an app: reading, reserving, ordering.

use kit::config::Site;
use serde_json::{Value, json};

use super::{App, Left, Scene, until};
use crate::check::{
    browser::{Answer, Browser},
    outcome::{Failure, Found, Step, Stop, ensure},
    ready,
    run::Run,
};

pub(super) async fn check(
    run: &mut Run,
    scene: &Scene<'_>,
    app: &App,
    login: &str,
    browser: &mut Browser,
    left: &mut Left,
) {
    let list = app.step("lists orders at API-1");
    let stock = app.step("lists stock at API-2, over gRPC");
    let needs1 = with_api(scene, login, Site::Api1);
    let needs2 = with_api(scene, login, Site::Api2);
    let calls = Calls { app };
    let first = run.step(&list, &refs(&needs1), calls.orders(browser)).await;
    let most = run.step(&stock, &refs(&needs2), calls.stock(browser)).await;
    let before = [
        first.unwrap_or_default(),
        most.as_ref().map(|most| most.0).unwrap_or_default(),
    ];
    let tokens = app.step("has a token for each API, one of them by refresh");
    run.step(&tokens, &[&list, &stock], calls.again(browser, &before))
        .await;
    let known = app.step("each API tells what it knows of the user");
    run.step(&known, &[&list, &stock], calls.known(browser))
        .await;
    let item = most.map(|most| most.1).unwrap_or_default();
    let reserve = app.step("reserves stock at API-2");
    let reserving = calls.reserve(browser, &item, left);
    run.step(&reserve, &[&stock], reserving).await;
    let order = app.step("places an order; API-1 exchanges the token over gRPC");
    let ordering = calls.order(browser, &item, left);
    run.step(&order, &[&list, &stock], ordering).await;
    let report = app.step("reads the report; API-1 exchanges the token over HTTP");
    let placed = left.orders.last().cloned();
    let reported = calls.report(browser, placed.as_deref());
    run.step(&report, &[&list, &stock], reported).await;
}

fn with_api(scene: &Scene<'_>, login: &str, api: Site) -> Vec<String> {
    let behind = (!scene.plan.without.contains(&api)).then(|| ready(api));
    [login.to_owned()].into_iter().chain(behind).collect()
}

fn refs(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// Store commands of a refresh: at least a lease, a compare-and-swap and a release.
const REFRESH: u32 = 3;

struct Calls<'a> {
    app: &'a App,
}

impl Calls<'_> {
    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.app.url)
    }

    /// The user's orders. Returns the cost of the call.
    async fn orders(&self, browser: &mut Browser) -> Step<Cost> {
        let answer = browser.get(&self.url("/api1/data")).await?.expect(200)?;
        let json = answer.json()?;
        let orders = json["orders"].as_array();
        let count = orders.ok_or_else(|| answer.failure("has no orders"))?.len();
        Ok(Found::new(Cost::of(&answer), format!("orders: {count}")))
    }

    /// The stock. Returns the cost of the call, and the item with the highest quantity:
    /// empty if nothing is in stock.
    async fn stock(&self, browser: &mut Browser) -> Step<(Cost, String)> {
        let answer = browser.get(&self.url("/api2/data")).await?.expect(200)?;
        let json = answer.json()?;
        let items = json["items"].as_array();
        let items = items.ok_or_else(|| answer.failure("has no items"))?;
        let count = |item: &Value| item["quantity"].as_u64().unwrap_or_default();
        let most = items.iter().max_by_key(|item| count(item));
        let most = most.filter(|item| count(item) > 0);
        let item = most
            .and_then(|item| item["item"].as_str())
            .unwrap_or_default();
        let note = most.map_or_else(
            || "nothing in stock".to_owned(),
            |most| {
                format!(
                    "{} items; {item} has the most: {}",
                    items.len(),
                    count(most)
                )
            },
        );
        Ok(Found::new((Cost::of(&answer), item.to_owned()), note))
    }

    /// Calls both APIs again, which now have tokens. A code is redeemed for a token of one
    /// API, so the token of the other came by a refresh, which shows in the cost of its
    /// first call.
    async fn again(&self, browser: &mut Browser, first: &[Cost; 2]) -> Step {
        let (mut costs, mut refreshed) = (Vec::new(), false);
        for (path, first) in ["/api1/data", "/api2/data"].iter().zip(first) {
            let answer = browser.get(&self.url(path)).await?.expect(200)?;
            let now = Cost::of(&answer);
            refreshed |= first.has_token_cookie || first.commands >= now.commands + REFRESH;
            costs.push(format!("{}, then {}", first.commands, now.commands));
        }
        let told = format!("store commands {}", costs.join("; "));
        ensure(refreshed, || {
            Failure::new(format!("neither first call refreshed a token: {told}"))
        })?;
        Ok(Found::new((), told))
    }

    /// What each API knows by the credential of the app's call.
    async fn known(&self, browser: &mut Browser) -> Step {
        let mut said = Vec::new();
        for (api, path) in [("api-1", "/api1/whoami"), ("api-2", "/api2/whoami")] {
            let answer = browser.get(&self.url(path)).await?.expect(200)?;
            let who = answer.json()?;
            ensure(!answer.body.contains("eyJ"), || {
                answer.failure("has a token in it")
            })?;
            let client = who["client_id"].as_str();
            let is_user = who["sub"].is_string() && who["sub"].as_str() != client;
            said.push(match (is_user, &who["act"]["sub"]) {
                (true, Value::String(actor)) => format!("{api}: the user, {actor} acts"),
                (true, _) => format!("{api}: the user"),
                (false, _) => format!("{api}: the app alone"),
            });
        }
        Ok(Found::new((), said.join("; ")))
    }

    async fn reserve(&self, browser: &mut Browser, item: &str, left: &mut Left) -> Step {
        let answer = self.post(browser, "/api2/data", item).await?;
        left.reserved(item);
        let id = answer.json()?["id"].as_str().unwrap_or_default().to_owned();
        ensure(!id.is_empty(), || answer.failure("has no reservation id"))?;
        Ok(Found::new((), format!("1 {item}")))
    }

    /// Places an order, and waits until it is listed.
    async fn order(&self, browser: &mut Browser, item: &str, left: &mut Left) -> Step {
        let answer = self.post(browser, "/api1/data", item).await?;
        left.reserved(item);
        let order = answer.json()?;
        let of = |name: &str| order[name].as_str().unwrap_or_default().to_owned();
        let (id, reservation) = (of("id"), of("reservation"));
        ensure(!id.is_empty() && !reservation.is_empty(), || {
            answer.failure("has no order id with a reservation")
        })?;
        left.orders.push(id.clone());
        // Another replica may list it a moment later.
        until(async || {
            let answer = browser.get(&self.url("/api1/data")).await?.expect(200)?;
            Ok(has(&answer.json()?, &id))
        })
        .await?;
        Ok(Found::new((), format!("1 {item}")))
    }

    /// Orders, `placed` among them, and stock.
    async fn report(&self, browser: &mut Browser, placed: Option<&str>) -> Step {
        until(async || {
            let answer = browser.get(&self.url("/api1/report")).await?.expect(200)?;
            let report = answer.json()?;
            ensure(report["stock"].is_array(), || {
                answer.failure("has no stock")
            })?;
            Ok(placed.is_none_or(|id| has(&report, id)))
        })
        .await?;
        Ok(Found::new((), ""))
    }

    async fn post(&self, browser: &mut Browser, path: &str, item: &str) -> Result<Answer, Stop> {
        if item.is_empty() {
            let why = "nothing is in stock; stock is refilled a day after the last reservation";
            return Err(Stop::Skipped(why.to_owned()));
        }
        let order = json!({ "item": item, "quantity": 1 });
        let answer = browser.post_json(&self.url(path), &order).await?;
        if answer.status == 409 {
            return Err(Stop::Skipped(format!(
                "another user reserved the last {item}"
            )));
        }
        Ok(answer.expect(201)?)
    }
}

/// Whether the order `id` is among `json`'s.
fn has(json: &Value, id: &str) -> bool {
    let orders = json["orders"].as_array();
    orders.is_some_and(|orders| orders.iter().any(|order| order["id"] == id))
}

/// The cost of a call, by its `Server-Timing` and its cookies.
#[derive(Clone, Copy, Default)]
struct Cost {
    /// Commands to the store.
    commands: u32,
    /// Whether the response set a cookie with an access token.
    has_token_cookie: bool,
}

impl Cost {
    fn of(answer: &Answer) -> Self {
        let timing = answer.header("server-timing").unwrap_or_default();
        let told = timing
            .split(", ")
            .find_map(|part| part.strip_prefix("store;desc=\""));
        let told = told.and_then(|told| told.split(' ').next()?.parse().ok());
        let mut cookies = answer.headers.get_all("set-cookie").iter();
        Self {
            commands: told.unwrap_or_default(),
            has_token_cookie: cookies.any(|cookie| cookie.as_bytes().starts_with(b"__Secure-")),
        }
    }
}
