//! Every step of a login and of a call, where it belongs in the one trace, and
//! what it says of itself; in each session mode, and where something is refused.

use kit::config::Site;
use reqwest::Method;
use serde_json::json;
use testkit::{Answer, ClientAuth, HeadlessBrowser, Machine, Otlp, Plan, Processes};
use tests::{
    ALICE, in_modes,
    modes::in_mode,
    sign_in,
    trace::{Edge, Trace},
    words::{API1, API1_READ},
};

/// The processes of `plan`, and the receiver of their spans.
pub async fn traced(plan: Plan) -> (Otlp, Processes) {
    let otlp = Otlp::start().await;
    let plan = Plan {
        otlp_endpoint: Some(otlp.endpoint().to_owned()),
        ..plan
    };
    let platform = Processes::start(&plan).await;
    (otlp, platform)
}

fn trace_id(answer: &testkit::Response) -> String {
    answer.header("trace-id").unwrap().to_owned()
}

/// Signs alice in to `site`; the trace of it.
async fn login(platform: &Processes, cli: &mut HeadlessBrowser, site: Site) -> String {
    let page = cli.goto(&format!("{}/login", platform.url(site))).await;
    let trace_id = trace_id(&page.hops()[0]);
    sign_in(cli, ALICE).await;
    assert_eq!(cli.page().status(), 200, "{}", cli.page());
    trace_id
}

const LIST: (&str, &str) = ("api-2", "sso.inventory.v1.Inventory/List");

/// A login's edges, from `/login` through the provider's form to the session.
fn edges_of_a_login(app: &str, pushed: bool) -> Vec<Edge<'_>> {
    let own = |name| (app, name);
    let (begun, back) = (own("GET /login"), own("GET /callback"));
    let (asked, signed_in) = (("idp", "GET /authorize"), ("idp", "POST /sign-in"));
    let checked = if pushed { ("idp", "POST /par") } else { asked };
    let (code, token) = (own("callback.code_exchange"), ("idp", "POST /token"));
    let mut edges = vec![
        (own("login.pre_session"), begun),
        (own("store"), own("login.pre_session")),
        (asked, begun),
        (("idp", "authorize.check"), checked),
        (signed_in, begun),
        (("idp", "login.password"), signed_in),
        (("idp", "authorize.code_issue"), signed_in),
        (("idp", "store"), ("idp", "authorize.code_issue")),
        (back, begun),
        (own("callback.check"), back),
        (own("store"), own("callback.check")),
        (code, back),
        (token, code),
        (("idp", "token.client_auth"), token),
        (("idp", "token.grant"), token),
        (("idp", "token.sign"), ("idp", "token.grant")),
        (("idp", "store"), ("idp", "token.grant")),
        (own("callback.id_token_check"), back),
        (own("callback.session_save"), back),
    ];
    if pushed {
        let push = own("login.par_push");
        let more = [
            (push, begun),
            (("idp", "POST /par"), push),
            (("idp", "token.client_auth"), ("idp", "POST /par")),
        ];
        edges.extend(more);
    }
    edges
}

/// The edges of placing an order, from the app to API-2's gRPC.
fn edges_of_an_order(app: &str) -> Vec<Edge<'_>> {
    let own = |name| (app, name);
    let (call, upstream) = (own("POST /api1/data"), own("proxy.upstream"));
    let (order, exchange) = (("api-1", "POST /resource"), ("api-1", "api.token_exchange"));
    let exchanged = ("idp", "sso.idp.v1.TokenExchange/Exchange");
    let reserve = ("api-2", "sso.inventory.v1.Inventory/Reserve");
    vec![
        (own("session.load"), call),
        (own("tokens.access_token"), call),
        (upstream, call),
        (order, upstream),
        (("api-1", "api.token_check"), order),
        (exchange, order),
        (exchanged, exchange),
        (("idp", "token.client_auth"), exchanged),
        (("idp", "token.grant"), exchanged),
        (("idp", "token.sign"), ("idp", "token.grant")),
        (("api-1", "api.inventory_call"), order),
        (reserve, ("api-1", "api.inventory_call")),
        (("api-2", "api.token_check"), reserve),
        (("api-2", "store"), reserve),
        (("api-1", "store"), order),
    ]
}

async fn each_step_of_a_login_and_of_calls_has_its_span(mode: &str) {
    let (otlp, platform) = traced(in_mode(mode, Plan::default())).await;
    for (site, app) in [(Site::App1, "app1-bff"), (Site::App2, "app2-bff")] {
        let mut cli = HeadlessBrowser::new();
        let begun = login(&platform, &mut cli, site).await;
        a_login(&otlp, &begun, app, mode).await;
        an_order(&otlp, &mut cli, app, mode).await;
        a_call_that_mints(&otlp, &mut cli, app).await;
        what_a_call_costs(&otlp, &mut cli, app, mode).await;
    }
}

async fn a_login(otlp: &Otlp, begun: &str, app: &str, mode: &str) {
    let pushed = app == "app2-bff";
    let trace = Trace::with(otlp, begun, &edges_of_a_login(app, pushed)).await;
    trace.must_be_as_registered();
    assert_eq!(trace.services(), [app, "idp"]);
    trace.says(app, "callback.session_save", &[("sso.session_mode", mode)]);
    let redeemed = [
        ("sso.grant", "authorization_code"),
        ("sso.outcome", "ok"),
        ("sso.to", "idp"),
    ];
    trace.says(app, "callback.code_exchange", &redeemed);
    let judged = [
        ("sso.client_id", if pushed { "app2" } else { "app1" }),
        ("sso.grant", "authorization_code"),
        ("sso.outcome", "ok"),
    ];
    trace.says("idp", "token.grant", &judged);
    trace.says("idp", "login.password", &[("sso.outcome", "ok")]);
    let method = if pushed {
        "private_key_jwt"
    } else {
        "client_secret_basic"
    };
    let authenticated = [("sso.client_auth", method), ("sso.outcome", "ok")];
    trace.says("idp", "token.client_auth", &authenticated);
}

/// The first access token is API-1's: the session has it.
async fn an_order(otlp: &Otlp, cli: &mut HeadlessBrowser, app: &str, mode: &str) {
    let order = json!({ "item": "chess-set", "quantity": 1 });
    let answer = cli.fetch_post("/api1/data", &order).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let trace = Trace::with(otlp, &trace_id(&answer), &edges_of_an_order(app)).await;
    trace.must_be_as_registered();
    assert_eq!(trace.services(), ["api-1", "api-2", app, "idp"]);
    let token = [
        ("sso.audience", "https://api-1"),
        ("sso.session_mode", mode),
        ("sso.token_source", "session"),
        ("sso.outcome", "ok"),
    ];
    trace.says(app, "tokens.access_token", &token);
    trace.says(app, "session.load", &[("sso.session_mode", mode)]);
    trace.says(app, "proxy.upstream", &[("sso.to", "api-1")]);
    let exchanged = [("sso.audience", "https://api-2"), ("sso.outcome", "ok")];
    trace.says("api-1", "api.token_exchange", &exchanged);
    let authenticated = [("sso.client_auth", "client_secret_basic")];
    trace.says("idp", "token.client_auth", &authenticated);
    let checked = [
        ("sso.client_id", "api-1"),
        ("sso.binding", "none"),
        ("sso.outcome", "ok"),
    ];
    trace.says("api-2", "api.token_check", &checked);
}

/// API-2's is minted: by the refresh token, at the provider.
async fn a_call_that_mints(otlp: &Otlp, cli: &mut HeadlessBrowser, app: &str) {
    let answer = cli.fetch_get("/api2/data").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let own = |name| (app, name);
    let (call, minting) = (own("GET /api2/data"), own("tokens.access_token"));
    let (refresh, upstream) = (own("tokens.refresh"), own("proxy.upstream"));
    let edges = [
        (minting, call),
        (refresh, minting),
        (("idp", "POST /token"), refresh),
        (("idp", "token.grant"), ("idp", "POST /token")),
        (upstream, call),
        (LIST, upstream),
        (("api-2", "api.token_check"), LIST),
    ];
    let trace = Trace::with(otlp, &trace_id(&answer), &edges).await;
    trace.must_be_as_registered();
    let minted = [
        ("sso.audience", "https://api-2"),
        ("sso.token_source", "minted"),
    ];
    trace.says(app, "tokens.access_token", &minted);
    let redeemed = [("sso.grant", "refresh_token"), ("sso.outcome", "ok")];
    trace.says(app, "tokens.refresh", &redeemed);
    trace.says("idp", "token.grant", &redeemed);
}

/// It is told, once all is at hand that can be.
async fn what_a_call_costs(otlp: &Otlp, cli: &mut HeadlessBrowser, app: &str, mode: &str) {
    assert_eq!(cli.fetch_get("/api2/data").await.status, 200);
    let answer = cli.fetch_get("/api2/data").await;
    let own = |name| (app, name);
    let edges = [
        (own("session.load"), own("GET /api2/data")),
        (LIST, own("proxy.upstream")),
    ];
    let trace = Trace::with(otlp, &trace_id(&answer), &edges).await;
    let of_store = trace.spans().iter().filter(|span| span.service == app);
    let of_store = of_store.filter(|span| span.name == "store").count();
    assert_eq!(of_store, usize::from(mode == "stateful"), "{mode}");
    let told = [("sso.store_commands", &*of_store.to_string())];
    trace.says(app, "GET /api2/data", &told);
    if mode != "stateful" {
        // A copy of the session, or its cookies, checked before.
        trace.says(app, "session.load", &[("sso.cache_hit", "true")]);
    }
    trace.says("api-2", "api.token_check", &[("sso.cache_hit", "true")]);
}

in_modes!([stateful cached hybrid stateless] [
    each_step_of_a_login_and_of_calls_has_its_span
]);

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_can_be_found_by_its_error_code() {
    let (otlp, platform) = traced(Plan::default()).await;
    a_wrong_password(&otlp, &platform).await;
    a_login_that_the_provider_refuses(&otlp, &platform).await;
    let batch = ClientAuth::basic("batch", "batch-secret");
    let batch = Machine::new(&platform.url(Site::Idp), batch);
    let url = format!("{}/resource", platform.url(Site::Api1));
    a_call_without_the_scope_and_one_without_a_token(&otlp, &batch, &url).await;
    token_requests_that_are_refused(&otlp, &batch).await;
}

/// In the trace of the login.
async fn a_wrong_password(otlp: &Otlp, platform: &Processes) {
    let mut cli = HeadlessBrowser::new();
    let url = format!("{}/login", platform.url(Site::App1));
    let page = cli.goto(&url).await;
    let login = trace_id(&page.hops()[0]);
    sign_in(&mut cli, ("alice", "not-it")).await;
    assert_eq!(cli.page().status(), 401);
    let edges = [(("idp", "login.password"), ("idp", "POST /sign-in"))];
    let trace = Trace::with(otlp, &login, &edges).await;
    trace.says("idp", "login.password", &[("sso.outcome", "wrong")]);
    assert!(trace.get("idp", "login.password").is_error);
}

/// The app hears it.
async fn a_login_that_the_provider_refuses(otlp: &Otlp, platform: &Processes) {
    let mut cli = HeadlessBrowser::new();
    let url = format!("{}/login?prompt=none", platform.url(Site::App2));
    let page = cli.goto(&url).await;
    let edges = [(
        ("app2-bff", "callback.check"),
        ("app2-bff", "GET /callback"),
    )];
    let trace = Trace::with(otlp, &trace_id(&page.hops()[0]), &edges).await;
    let refused = [("sso.outcome", "login_required")];
    trace.says("app2-bff", "callback.check", &refused);
}

/// What `batch` asks for: a token that may read API-1.
const TO_READ: [(&str, &str); 3] = [
    ("grant_type", "client_credentials"),
    ("resource", API1),
    ("scope", API1_READ),
];

/// The trace of `answer`, which has `edge`.
async fn of(otlp: &Otlp, answer: &Answer, edge: Edge<'_>) -> Trace {
    let trace_id = answer.header("trace-id").unwrap();
    Trace::with(otlp, trace_id, &[edge]).await
}

async fn a_call_without_the_scope_and_one_without_a_token(otlp: &Otlp, batch: &Machine, url: &str) {
    let token = batch.token(&TO_READ).await.granted().text("access_token");
    let order = json!({ "item": "chess-set", "quantity": 1 });
    let answer = batch.call_json(Method::POST, url, &token, &order).await;
    assert_eq!(answer.status, 403, "{}", answer.body);
    let edge = (("api-1", "api.token_check"), ("api-1", "POST /resource"));
    let trace = of(otlp, &answer, edge).await;
    let said = [
        ("http.response.status_code", "403"),
        ("sso.outcome", "insufficient_scope"),
    ];
    trace.says("api-1", "POST /resource", &said);
    let was_good = [("sso.outcome", "ok"), ("sso.client_id", "batch")];
    trace.says("api-1", "api.token_check", &was_good);

    let answer = batch.call_unsigned(Method::GET, url).await;
    assert_eq!(answer.status, 401);
    let edge = (("api-1", "api.token_check"), ("api-1", "GET /resource"));
    let trace = of(otlp, &answer, edge).await;
    trace.says("api-1", "api.token_check", &[("sso.outcome", "no_token")]);
}

/// To a client that has to authenticate, and to one that asks for too much.
async fn token_requests_that_are_refused(otlp: &Otlp, batch: &Machine) {
    let stranger = batch.identified_by(ClientAuth::basic("batch", "wrong"));
    let answer = stranger.token(&TO_READ).await;
    let edge = (("idp", "token.client_auth"), ("idp", "POST /token"));
    let trace = of(otlp, &answer, edge).await;
    let refused = [
        ("sso.client_auth", "client_secret_basic"),
        ("sso.outcome", "invalid_client"),
    ];
    trace.says("idp", "token.client_auth", &refused);

    let elsewhere = [TO_READ[0], ("resource", "https://elsewhere")];
    let answer = batch.token(&elsewhere).await;
    let edge = (("idp", "token.grant"), ("idp", "POST /token"));
    let trace = of(otlp, &answer, edge).await;
    let refused = [("sso.outcome", "invalid_target")];
    trace.says("idp", "token.grant", &refused);
    assert!(trace.get("idp", "token.grant").is_error);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_is_one_trace_to_the_other_app() {
    let (otlp, platform) = traced(Plan::default()).await;
    let mut cli = HeadlessBrowser::new();
    for site in [Site::App1, Site::App2] {
        cli.goto(&format!("{}/login", platform.url(site))).await;
        if cli.page().has_form() && cli.page().url().path() != "/" {
            sign_in(&mut cli, ALICE).await;
        }
    }
    cli.goto(&format!("{}/", platform.url(Site::App1))).await;
    cli.press("Sign out everywhere").await;
    let provider = platform.addresses().port(Site::Idp);
    let mut ended = cli.page().hops().iter();
    let ended = ended.find(|hop| hop.url.path() == "/logout" && hop.url.port() == Some(provider));
    let ended = trace_id(ended.unwrap());
    let told = ("idp", "logout.backchannel");
    let edges = [
        (told, ("idp", "GET /logout")),
        (("app2-bff", "POST /backchannel-logout"), told),
        (
            ("app2-bff", "logout.token_check"),
            ("app2-bff", "POST /backchannel-logout"),
        ),
    ];
    let trace = Trace::with(&otlp, &ended, &edges).await;
    trace.must_be_as_registered();
    let told = trace
        .spans()
        .iter()
        .filter(|span| span.name == "logout.backchannel");
    let mut told: Vec<_> = told.filter_map(|span| span.attribute("sso.to")).collect();
    told.sort_unstable();
    assert_eq!(told, ["app1", "app2"]);
}
