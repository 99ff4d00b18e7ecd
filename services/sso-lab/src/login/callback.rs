//! Takes the authorization response at a free port of loopback (RFC 8252 §7.3). One
//! response is taken; the port closes with it.

use std::{convert::Infallible, io, net::Ipv4Addr, sync::Arc};

use http::{HeaderValue, Method, StatusCode, header};
use hyper::{Request, Response, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use kit::net::{CONNECT_TIMEOUT, is_bad_port};
use oauth_types::{UniqueParams, params::Limits, secret::same_secret};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
    task::JoinSet,
    time::timeout,
};

use crate::client::one_line;

/// The path of the redirect URI.
const PATH: &str = "/callback";
/// The maximum number of connections at a time: browsers open some ahead of need.
const MAX_CONNECTIONS: usize = 16;
/// The maximum size of a request's head in bytes.
const MAX_HEAD: usize = 16 * 1024;
/// The limits of the response's parameters.
const LIMITS: Limits = Limits {
    bytes: 8 * 1024,
    count: 16,
};
/// For the page alone: it needs nothing and leads nowhere.
const CSP: &str = "default-src 'none'; frame-ancestors 'none'; form-action 'none'; base-uri 'none'";

/// What the response has to say.
pub(crate) struct Expected {
    pub(crate) state: String,
    pub(crate) issuer: String,
    /// Whether the provider promises `iss` (RFC 9207 §3).
    pub(crate) iss_is_required: bool,
}

/// The code, or why there is none.
pub(crate) type Answer = Result<String, String>;

/// The open port.
pub(crate) struct Callback {
    listener: TcpListener,
    port: u16,
}

impl Callback {
    /// Opens a free port that browsers open too.
    pub(crate) async fn open() -> io::Result<Self> {
        let mut refused = Vec::new();
        loop {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            let port = listener.local_addr()?.port();
            if !is_bad_port(port) {
                return Ok(Self { listener, port });
            }
            // Held until another port is found, so that the system gives each port once.
            refused.push(listener);
        }
    }

    /// The redirect URI.
    pub(crate) fn uri(&self) -> String {
        format!("http://127.0.0.1:{}{PATH}", self.port)
    }

    /// Waits for the response of the provider. A request with another state is
    /// refused: any page can send the browser here.
    pub(crate) async fn answer(self, expected: Expected) -> Answer {
        let host = format!("127.0.0.1:{}", self.port);
        let expected = Arc::new((host, expected));
        let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let (sender, mut answers) = mpsc::channel(1);
        let mut serving = JoinSet::new();
        let answer = loop {
            tokio::select! {
                answer = answers.recv() => break answer,
                accepted = self.listener.accept() => {
                    let (Ok((stream, _)), Ok(permit)) =
                        (accepted, Arc::clone(&connections).try_acquire_owned())
                    else {
                        continue;
                    };
                    let (expected, sender) = (Arc::clone(&expected), sender.clone());
                    serving.spawn(async move {
                        serve(stream, expected, sender).await;
                        drop(permit);
                    });
                }
            }
        };
        drop(self.listener);
        // The page that tells the user is on its way.
        let _ = timeout(CONNECT_TIMEOUT, async {
            while serving.join_next().await.is_some() {}
        })
        .await;
        answer.unwrap_or_else(|| Err("no answer".to_owned()))
    }
}

async fn serve(
    stream: TcpStream,
    expected: Arc<(String, Expected)>,
    answers: mpsc::Sender<Answer>,
) {
    let service = service_fn(|request| {
        let (host, expected) = &*expected;
        let (page, answer) = respond(&request, host, expected);
        if let Some(answer) = answer {
            // Only the first answer counts.
            let _ = answers.try_send(answer);
        }
        async { Ok::<_, Infallible>(page) }
    });
    // A connection that fails has brought nothing.
    let _ = http1::Builder::new()
        .keep_alive(false)
        .timer(TokioTimer::new())
        .header_read_timeout(CONNECT_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// The page for `request`, and the answer that it brings.
fn respond<B>(
    request: &Request<B>,
    host: &str,
    expected: &Expected,
) -> (Response<String>, Option<Answer>) {
    let own = request.headers().get(header::HOST);
    // A name that an attacker points at 127.0.0.1 is not ours.
    let is_ours = own.is_some_and(|own| own == host);
    let uri = request.uri();
    if !is_ours || uri.path() != PATH {
        return (page(StatusCode::NOT_FOUND, "There is nothing here."), None);
    }
    if request.method() != Method::GET {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        return (page(status, "This address takes GET only."), None);
    }
    match read(uri.query().unwrap_or_default(), expected) {
        None => {
            let what = "This response does not belong to the sign-in that waits here.";
            (page(StatusCode::BAD_REQUEST, what), None)
        }
        Some(answer) => {
            let what = match &answer {
                Ok(_) => "You can close this window and return to the terminal.",
                Err(_) => {
                    "The sign-in was not completed. You can close this window; the terminal \
                     says why."
                }
            };
            (page(StatusCode::OK, what), Some(answer))
        }
    }
}

/// The answer in `query` (RFC 6749 §4.1.2, §4.1.2.1, RFC 9207 §2.4); `None` if it is
/// for another sign-in.
fn read(query: &str, expected: &Expected) -> Option<Answer> {
    let params = UniqueParams::parse(query.as_bytes(), LIMITS).ok()?;
    let state = params.get("state")?;
    if !same_secret(state, &expected.state) {
        return None;
    }
    match params.get("iss") {
        Some(iss) if iss != expected.issuer => {
            return Some(Err(
                "the response is from another issuer (RFC 9207)".to_owned()
            ));
        }
        None if expected.iss_is_required => {
            return Some(Err(
                "the response does not name its issuer (RFC 9207)".to_owned()
            ));
        }
        _ => {}
    }
    if let Some(error) = params.get("error") {
        let why = params.get("error_description");
        let said = why.map_or_else(|| error.to_owned(), |why| format!("{error}: {why}"));
        return Some(Err(one_line(&said)));
    }
    let code = params.get("code").filter(|code| !code.is_empty());
    Some(code.map_or_else(
        || Err("there is no code in it".to_owned()),
        |code| Ok(code.to_owned()),
    ))
}

fn page(status: StatusCode, sentence: &'static str) -> Response<String> {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>sso-lab login</title></head>\
         <body><h1>sso-lab login</h1><p>{sentence}</p></body></html>\n"
    );
    let mut response = Response::new(html);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, CSP),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "http://idp.localhost:8081";

    fn expected(iss_is_required: bool) -> Expected {
        Expected {
            state: "the-state".into(),
            issuer: ISSUER.into(),
            iss_is_required,
        }
    }

    fn read_strictly(query: &str) -> Option<Answer> {
        read(query, &expected(true))
    }

    #[test]
    fn rfc6749_10_12_a_response_with_another_state_is_for_another_sign_in() {
        for query in [
            "",
            "code=c",
            "code=c&state=",
            "code=c&state=other",
            "code=c&state=the-state&state=the-state",
            "error=access_denied&state=other",
        ] {
            assert_eq!(read_strictly(query), None, "{query}");
        }
        let long = format!("state=the-state&code={}", "x".repeat(9000));
        assert_eq!(read_strictly(&long), None);
    }

    #[test]
    fn rfc9207_2_4_the_issuer_is_compared_and_needed_where_it_is_promised() {
        let good = "code=c&state=the-state&iss=http%3A%2F%2Fidp.localhost%3A8081";
        assert_eq!(read_strictly(good), Some(Ok("c".into())));
        for wrong in [
            "code=c&state=the-state",
            "code=c&state=the-state&iss=http://idp.localhost:8081/",
            "error=access_denied&state=the-state&iss=http://evil.localhost",
        ] {
            let why = read_strictly(wrong).unwrap().unwrap_err();
            assert!(why.contains("RFC 9207"), "{wrong}: {why}");
        }
        let without = "code=c&state=the-state";
        assert_eq!(read(without, &expected(false)), Some(Ok("c".into())));
        let foreign = read(&format!("{without}&iss=x"), &expected(false));
        assert!(foreign.unwrap().is_err());
    }

    #[test]
    fn rfc6749_4_1_2_1_an_error_ends_the_sign_in_with_its_sentence() {
        let query =
            format!("error=access_denied&error_description=No%1b[2J&state=the-state&iss={ISSUER}");
        let why = read_strictly(&query).unwrap().unwrap_err();
        assert_eq!(why, "access_denied: No [2J");
        let empty = format!("code=&state=the-state&iss={ISSUER}");
        assert!(read_strictly(&empty).unwrap().is_err());
    }

    #[test]
    fn only_the_redirect_uri_itself_is_answered() {
        let good = format!("/callback?code=c&state=the-state&iss={ISSUER}");
        let respond_to = |method: &str, host: &str, target: &str| {
            let request = Request::builder().method(method).uri(target);
            let request = request.header("host", host).body(()).unwrap();
            let (page, answer) = respond(&request, "127.0.0.1:7", &expected(true));
            (page.status().as_u16(), answer.is_some())
        };
        assert_eq!(respond_to("GET", "127.0.0.1:7", &good), (200, true));
        assert_eq!(respond_to("POST", "127.0.0.1:7", &good), (405, false));
        for host in ["localhost:7", "evil.example:7", "127.0.0.1:8"] {
            assert_eq!(respond_to("GET", host, &good), (404, false), "{host}");
        }
        for target in ["/", "/favicon.ico", "/callback/"] {
            assert_eq!(respond_to("GET", "127.0.0.1:7", target), (404, false));
        }
        let foreign = "/callback?code=c&state=x";
        assert_eq!(respond_to("GET", "127.0.0.1:7", foreign), (400, false));
    }

    #[tokio::test]
    async fn rfc8252_7_3_one_response_is_taken_and_the_port_closes() {
        let callback = Callback::open().await.unwrap();
        let uri = callback.uri();
        let answer = tokio::spawn(callback.answer(expected(true)));
        let http = kit::net::http_client();
        // A connection without a request holds up nobody.
        let address = uri.trim_start_matches("http://");
        let address = address.trim_end_matches("/callback");
        let idle = TcpStream::connect(address).await.unwrap();
        let foreign = http.get(format!("{uri}?code=x&state=y")).send().await;
        assert_eq!(foreign.unwrap().status(), 400);
        drop(idle);
        let query = format!("?code=c&state=the-state&iss={ISSUER}");
        let page = http.get(format!("{uri}{query}")).send().await.unwrap();
        assert_eq!(page.headers()["cache-control"], "no-store");
        assert!(page.text().await.unwrap().contains("close this window"));
        assert_eq!(answer.await.unwrap(), Ok("c".to_owned()));
        assert!(http.get(&uri).send().await.is_err());
    }

    #[test]
    fn fuzz_callbacks() {
        let good = "code=c&state=the-state&iss=http%3A%2F%2Fidp.localhost%3A8081";
        let seeds = [
            good,
            "error=access_denied&error_description=no%0d%0a&state=the-state",
        ];
        fuzz::run_text(&seeds, |query| {
            let pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).collect();
            let all = |name: &str| pairs.iter().filter(|(own, _)| own == name).count();
            match read_strictly(query) {
                None => {}
                Some(Ok(code)) => {
                    assert!(!code.is_empty());
                    for (name, value) in [("state", "the-state"), ("iss", ISSUER), ("code", &*code)]
                    {
                        assert!(all(name) == 1 && pairs.contains(&(name.into(), value.into())));
                    }
                }
                Some(Err(why)) => assert!(all("state") == 1 && !why.contains(char::is_control)),
            }
        });
    }
}
