//! Cookies in shapes that browsers and those below the same domain can give
//! them: how they are read, and where a sign-in ends that meets one twice.

use kit::config::Site;
use reqwest::header::{COOKIE, HeaderMap, HeaderValue, LOCATION, SET_COOKIE};
use testkit::Platform;
use tests::{ALICE, sign_in_to};

const SESSION: &str = "__Host-idp_session";
const BROWSER: &str = "__Host-idp_browser";

struct Answer {
    status: u16,
    location: String,
    sets: Vec<String>,
    body: String,
}

/// Asks for `url` as a browser does, with these `Cookie` headers.
async fn get(url: &str, lines: &[&[u8]]) -> Answer {
    send(kit::net::http_client().get(url), lines).await
}

async fn send(request: reqwest::RequestBuilder, lines: &[&[u8]]) -> Answer {
    let mut headers = HeaderMap::new();
    headers.insert("accept", HeaderValue::from_static("text/html"));
    for line in lines {
        headers.append(COOKIE, HeaderValue::from_bytes(line).unwrap());
    }
    let answer = request.headers(headers).send().await.unwrap();
    let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
    let headers = answer.headers().clone();
    Answer {
        status: answer.status().as_u16(),
        location: headers.get(LOCATION).map(text).unwrap_or_default(),
        sets: headers.get_all(SET_COOKIE).iter().map(text).collect(),
        body: answer.text().await.unwrap(),
    }
}

impl Answer {
    /// It is a page that names the cookie and how to delete it, and no way back
    /// into the same.
    fn names(&self, cookie: &str) {
        let words = format!("delete every cookie with the name {cookie},");
        assert_eq!(self.status, 400, "{}", self.body);
        assert!(self.body.contains(&words), "{}", self.body);
        assert!(self.location.is_empty() && self.sets.is_empty());
    }
}

/// A platform where alice is signed in, the value of her session's cookie at the
/// provider, and the address of a request of app1's.
async fn signed_in() -> (Platform, String, String) {
    let platform = Platform::start().await;
    let app1 = platform.url(Site::App1);
    let mut cli = platform.cli();
    sign_in_to(&mut cli, &app1, ALICE).await;
    let jar = cli.jar();
    let session = jar.get("idp.localhost", SESSION).unwrap().value.clone();
    let authorize = get(&format!("{app1}/login"), &[]).await.location;
    assert!(authorize.starts_with(&platform.issuer()), "{authorize}");
    (platform, session, authorize)
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc6265_5_2_the_provider_reads_its_own_cookie_among_malformed_ones() {
    let (platform, session, authorize) = signed_in().await;
    let callback = format!("{}/callback?", platform.url(Site::App1));
    let own = format!("{SESSION}={session}");
    let beside: [&[u8]; 6] = [
        b"",
        b"name=Zo\xeb; \xff\xfe=x",
        "\u{2000}__Host-idp_session=planted".as_bytes(),
        "\u{a0}__Host-idp_session=planted".as_bytes(),
        b"__host-idp_session=planted; %5F%5FHost-idp_session=planted",
        b"=__Host-idp_session=planted; __Host-idp_session",
    ];
    for other in beside {
        let answer = get(&authorize, &[other, own.as_bytes()]).await;
        assert!(answer.location.starts_with(&callback), "{}", answer.body);
        let answer = get(&authorize, &[&[other, b"; ", own.as_bytes()].concat()]).await;
        assert!(answer.location.starts_with(&callback), "{}", answer.body);
    }
    for disguise in ["\u{2000}", "\u{85}", "\u{3000}", "=", "x="] {
        let line = format!("{disguise}{own}");
        let answer = get(&authorize, &[line.as_bytes()]).await;
        assert!(answer.body.contains("name=\"password\""), "{disguise:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_cookie_at_the_provider_is_named_on_an_error_page() {
    let (platform, session, authorize) = signed_in().await;
    let own = format!("{SESSION}={session}");
    let account = format!("{}/account", platform.issuer());
    let logout = format!("{}/logout", platform.issuer());
    for url in [&authorize, &account, &logout] {
        let planted = format!("{SESSION}=planted");
        get(url, &[own.as_bytes(), planted.as_bytes()])
            .await
            .names(SESSION);
        let one_line = format!("{planted}; a=b; {own}");
        get(url, &[one_line.as_bytes()]).await.names(SESSION);
        let no_text = [planted.as_bytes(), b"\xff; ", own.as_bytes()].concat();
        get(url, &[&no_text]).await.names(SESSION);
        let browsers = format!("{BROWSER}=a; {BROWSER}=b");
        get(url, &[browsers.as_bytes()]).await.names(BROWSER);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_cookie_is_named_where_a_form_of_the_provider_is_posted() {
    let platform = Platform::start().await;
    let twice = format!("{BROWSER}=a; {BROWSER}=b");
    for path in ["/sign-in", "/consent"] {
        let url = format!("{}{path}", platform.issuer());
        let form = [("username", "alice"), ("password", "wonderland")];
        let request = kit::net::http_client().post(url).form(&form);
        send(request, &[twice.as_bytes()]).await.names(BROWSER);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_cookie_at_an_app_is_named_on_an_error_page() {
    let platform = Platform::start().await;
    for app in [Site::App1, Site::App2] {
        let app = platform.url(app);
        for cookie in ["__Host-session_id", "__Host-session", "__Host-refresh"] {
            let twice = format!("{cookie}=a; {cookie}=b");
            let login = format!("{app}/login?return_to=/docs");
            get(&login, &[twice.as_bytes()]).await.names(cookie);
        }
        let begun = get(&format!("{app}/login"), &[]).await;
        let (login, _) = begun.sets[0].split_once('=').unwrap();
        let state = |url: &str| {
            let url = url::Url::parse(url).unwrap();
            let mut pairs = url.query_pairs();
            pairs
                .find(|(name, _)| name == "state")
                .map(|(_, value)| value.into_owned())
        };
        // app2's request is pushed: its state is not in the address.
        let Some(state) = state(&begun.location) else {
            continue;
        };
        let twice = format!("{login}=1.a; {login}=1.b");
        let callback = format!("{app}/callback?code=c&state={state}");
        get(&callback, &[twice.as_bytes()]).await.names(login);
    }
}
