//! The attacks that the lab's programs run: each succeeds where its defence is off, is stopped
//! by the check that the lab names, and weakens nobody but its own requests.

use reqwest::Method;
use serde_json::Value;
use testkit::{HeadlessBrowser, Response};
use tests::journey::{begin, have_no_secret, secrets_of, steps_until};

use crate::lab_journey::OneProcess;
use kit::config::Site;

/// Each attack, the service and the check that stops it, and the weaknesses that the check
/// names where they let it pass.
const ATTACKS: &[(&str, &str, &str, &str)] = &[
    ("code-injection", "idp", "token.grant", "no-pkce-check"),
    ("pkce-downgrade", "idp", "authorize.check", "pkce-optional"),
    (
        "stolen-refresh-token",
        "idp",
        "token.grant",
        "refresh-reuse",
    ),
    (
        "id-token-at-api",
        "api-1",
        "api.token_check",
        "any-audience any-token-type",
    ),
    ("wrong-audience", "api-2", "api.token_check", "any-audience"),
    ("mix-up", "app1-bff", "callback.check", "no-issuer-check"),
    ("alg-none", "api-1", "api.token_check", "alg-none"),
    (
        "session-fixation",
        "app1-bff",
        "callback.session_save",
        "keep-session-id",
    ),
];

/// Has the lab's page run `attack`.
async fn ask(cli: &mut HeadlessBrowser, lab: &str, attack: &str, weakened: bool) -> Response {
    let headers = [
        ("origin", lab),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let form = if weakened { "weakened=on" } else { "" };
    let url = format!("{lab}/attacks/{attack}/run");
    cli.raw(Method::POST, &url, &headers, form).await
}

async fn run(cli: &mut HeadlessBrowser, lab: &str, attack: &str, weakened: bool) -> Value {
    let answer = ask(cli, lab, attack, weakened).await;
    assert_eq!(answer.status, 200, "{attack}: {}", answer.body);
    let outcome = answer.json().unwrap();
    assert!(!answer.body.contains("eyJ"), "{outcome}");
    outcome
}

/// The steps `name` of `service`, in order.
fn all<'s>(steps: &'s [Value], service: &str, name: &str) -> Vec<&'s Value> {
    let found = steps.iter();
    let found = found.filter(|step| step["service"] == service && step["name"] == name);
    found.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_attack_succeeds_weakened_and_is_stopped_by_its_check() {
    let folder = tempfile::tempdir().unwrap();
    let one = OneProcess::start(folder.path(), &[], &[]).await;
    let lab = one.url(Site::Lab);
    for (attack, service, check, weakness) in ATTACKS {
        let mut cli = HeadlessBrowser::new();
        begin(&mut cli, &lab).await;
        let weak = run(&mut cli, &lab, attack, true).await;
        assert_eq!(weak["succeeded"], true, "{attack}: {weak:#}");
        assert!(weak["stopped_by"].is_null(), "{attack}: {weak:#}");
        let ended = [("evil", "attack.program"), (service, check)];
        let steps = steps_until(&mut cli, &lab, &ended).await;
        let waived: Vec<_> = all(&steps, service, check)
            .into_iter()
            .map(|step| step["attributes"]["sso.weakness"].as_str())
            .collect();
        assert!(waived.contains(&Some(weakness)), "{attack}: {waived:?}");
        have_no_secret(&steps, &secrets_of(&cli));

        let mut cli = HeadlessBrowser::new();
        begin(&mut cli, &lab).await;
        let normal = run(&mut cli, &lab, attack, false).await;
        assert_eq!(normal["succeeded"], false, "{attack}: {normal:#}");
        let by = &normal["stopped_by"];
        assert_eq!(by["service"], *service, "{attack}: {normal:#}");
        assert_eq!(by["check"], *check, "{attack}: {normal:#}");
        assert!(!by["said"].as_str().unwrap().is_empty(), "{by}");
        let steps = steps_until(&mut cli, &lab, &ended).await;
        let shown = all(&steps, service, check);
        // A session under a new id is what normally happens, so no check fails there.
        let failed = |step: &&Value| !matches!(step["outcome"].as_str(), Some("ok" | ""));
        let is_fixation = *attack == "session-fixation";
        assert!(
            is_fixation || shown.iter().any(failed),
            "{attack}: {shown:#?}"
        );
        assert!(
            !serde_json::to_string(&steps)
                .unwrap()
                .contains("sso.weakness")
        );
        let by_attacker = steps.iter().any(|step| step["from"] == "evil");
        assert!(by_attacker, "{attack}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_weakened_attack_weakens_no_other_browser_and_no_later_request() {
    let folder = tempfile::tempdir().unwrap();
    let one = OneProcess::start(folder.path(), &[], &[]).await;
    let lab = one.url(Site::Lab);
    let (mut weak, mut normal) = (HeadlessBrowser::new(), HeadlessBrowser::new());
    begin(&mut weak, &lab).await;
    begin(&mut normal, &lab).await;
    for attack in ["code-injection", "alg-none", "session-fixation"] {
        let (first, second) = tokio::join!(
            run(&mut weak, &lab, attack, true),
            run(&mut normal, &lab, attack, false),
        );
        assert_eq!(first["succeeded"], true, "{attack}");
        assert_eq!(second["succeeded"], false, "{attack}");
        // Neither are later requests of the same journey weakened.
        let later = run(&mut weak, &lab, attack, false).await;
        assert_eq!(later["succeeded"], false, "{attack}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_labs_page_starts_an_attack_for_a_browser_in_a_journey() {
    let folder = tempfile::tempdir().unwrap();
    let one = OneProcess::start(folder.path(), &[], &[]).await;
    let (lab, evil) = (one.url(Site::Lab), one.url(Site::Evil));
    let mut cli = HeadlessBrowser::new();
    assert_eq!(ask(&mut cli, &lab, "alg-none", true).await.status, 409);
    begin(&mut cli, &lab).await;
    let url = format!("{lab}/attacks/alg-none/run");
    for headers in [&[][..], &[("origin", &*evil)]] {
        let answer = cli.raw(Method::POST, &url, headers, "weakened=on").await;
        assert_eq!(answer.status, 403, "{}", answer.body);
    }
    assert_eq!(ask(&mut cli, &lab, "nonsense", true).await.status, 404);
    let mut again = cli.second_tab();
    let (first, second) = tokio::join!(
        ask(&mut cli, &lab, "alg-none", false),
        ask(&mut again, &lab, "alg-none", false),
    );
    let mut both = [first.status, second.status];
    both.sort_unstable();
    assert_eq!(both, [200, 503]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_attackers_provider_is_there_for_a_journey_alone() {
    let folder = tempfile::tempdir().unwrap();
    let one = OneProcess::start(folder.path(), &[], &[]).await;
    let (app1, evil) = (one.url(Site::App1), one.url(Site::Evil));
    let login = format!("{app1}/login?provider=attacker");
    let mut stranger = HeadlessBrowser::new();
    let refused = stranger.raw(Method::GET, &login, &[], "").await;
    assert_eq!(refused.status, 400, "{}", refused.body);
    let mut cli = HeadlessBrowser::new();
    begin(&mut cli, &one.url(Site::Lab)).await;
    let request = cli.raw(Method::GET, &login, &[], "").await;
    let to = request.redirect().expect("the authorization request");
    assert!(
        to.as_str()
            .starts_with(&format!("{evil}/issuer/authorize?")),
        "{to}"
    );
    // No attack is running, so the attacker's server sends nobody on.
    let answer = cli.raw(Method::GET, to.as_str(), &[], "").await;
    assert_eq!((answer.status, answer.redirect()), (400, None));
    let without = OneProcess::start(folder.path(), &["--no-lab"], &[]).await;
    let login = format!("{}/login?provider=attacker", without.url(Site::App1));
    assert_eq!(stranger.raw(Method::GET, &login, &[], "").await.status, 400);
    let metadata = "/issuer/.well-known/openid-configuration";
    let metadata = format!("{}{metadata}", without.url(Site::Evil));
    assert_eq!(
        stranger.raw(Method::GET, &metadata, &[], "").await.status,
        404
    );
}
