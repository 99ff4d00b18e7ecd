//! The lesson of the seed's first diagram: a script that gets into an app's page
//! finds no token there, and the same script in the SPA's page finds them all.

use std::time::Duration;

use kit::config::{Site, Weakness};
use reqwest::Method;
use testkit::HeadlessBrowser;
use tests::wait::until_some;

use crate::{
    script::{until_loot_is_complete, until_true},
    victim::Victim,
};

/// The attacker's links, with the same script in each.
struct Links {
    app1: String,
    app2: String,
    spa: String,
}

impl Links {
    async fn of(victim: &Victim) -> Self {
        victim.is_attacked_by("script").await;
        let links = "return [...document.querySelector('#weapon').content.querySelectorAll('a')].map(a => a.href)";
        let links = victim.browser.run(links).await;
        let (app1, spa) = (links[0].as_str().unwrap(), links[1].as_str().unwrap());
        Self {
            app1: app1.to_owned(),
            app2: app1.replacen(&victim.url(Site::App1), &victim.url(Site::App2), 1),
            spa: spa.to_owned(),
        }
    }
}

/// All that it has found, in one text.
async fn loot(victim: &Victim) -> String {
    let loot = victim.browser.run("return JSON.stringify(loot)").await;
    loot.as_str().unwrap().to_owned()
}

/// Presses what calls an API, so that the script can listen.
async fn press_every_call(victim: &Victim) {
    let press = "const calls = [...document.querySelectorAll('[data-call]')];
        for (const call of calls) call.matches('form') ? call.requestSubmit() : call.click();
        return calls.length";
    let calls = victim.browser.run(press).await.as_u64().unwrap();
    assert!(calls >= 5, "{calls} calls");
    let heard = format!("return loot.sent.length >= {calls}");
    let else_why = format!("the script did not hear {calls} calls");
    until_true(&victim.browser, &heard, &else_why).await;
}

/// What must not be found: tokens, and what the app's cookies hold.
async fn secrets(victim: &Victim) -> Vec<String> {
    let idp = victim.platform.tap(Site::Idp);
    let names = ["access_token", "refresh_token", "id_token"];
    let tokens = names.iter().flat_map(|name| idp.answered_values(name));
    let mut secrets: Vec<_> = tokens.collect();
    assert!(secrets.len() >= 3, "the tap heard the token endpoint");
    for cookie in victim.browser.cookies().await {
        assert!(cookie.http_only, "{cookie:?}");
        secrets.extend((!cookie.value.is_empty()).then_some(cookie.value));
    }
    secrets
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_in_an_apps_page_reads_neither_token_nor_cookie() {
    let victim = Victim::without(&[Weakness::ReflectedHtml]).await;
    victim.is_known_at(Site::App2).await;
    let links = Links::of(&victim).await;
    // app1 keeps its session in the store, app2 its access tokens in cookies.
    for link in [&links.app1, &links.app2] {
        victim.browser.goto(link).await;
        until_loot_is_complete(&victim.browser).await;
        press_every_call(&victim).await;
        let loot = loot(&victim).await;
        // It is in the page, and may do there what the page may do.
        assert!(
            loot.contains("Alice") && loot.contains("\\\"orders\\\":"),
            "{loot}"
        );
        for secret in secrets(&victim).await {
            assert!(!loot.contains(&secret), "a secret of {link}");
        }
        // The script's own search pattern is in the page, too.
        let like_a_token = |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphanumeric());
        assert!(!loot.split("eyJ").skip(1).any(like_a_token), "{loot}");
        assert!(!loot.contains("authorization,"), "{loot}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_script_in_the_spas_page_takes_the_access_token_away() {
    let victim = Victim::without(&[Weakness::ReflectedHtml]).await;
    let links = Links::of(&victim).await;
    victim.is_known_at(Site::Spa).await;
    // Only what stands after the # changes: the page stays, and its tokens with it.
    victim.browser.goto(&links.spa).await;
    until_loot_is_complete(&victim.browser).await;
    victim.browser.click("[data-action='list']").await;
    let heard = "return loot.sent.map(sent => /(?:bearer|dpop) (\\S+)/i.exec(sent)?.[1]).find(Boolean) ?? null";
    let heard = async || {
        let token = victim.browser.run(heard).await;
        token.as_str().map(str::to_owned)
    };
    let token = until_some(Duration::from_secs(20), heard).await;
    let token = token.expect("the script heard the token");
    // On the attacker's own machine it lacks its key, which no script can read (RFC 9449). In
    // the page the script can go on to use both.
    let url = format!("{}/resource", victim.url(Site::Api1));
    for scheme in ["Bearer", "DPoP"] {
        let authorization = format!("{scheme} {token}");
        let headers = [("authorization", authorization.as_str())];
        let answer = HeadlessBrowser::new()
            .raw(Method::GET, &url, &headers, "")
            .await;
        assert_eq!(answer.status, 401, "{}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_url_injects_a_script_into_a_page() {
    let victim = Victim::without(&[]).await;
    let links = Links::of(&victim).await;
    for link in [&links.app1, &links.app2, &links.spa] {
        victim.browser.goto(link).await;
        victim.browser.find("main").await;
        assert!(!victim.browser.has("main img").await, "{link}");
        let runs = "return typeof window.loot";
        assert_eq!(victim.browser.run(runs).await, "undefined", "{link}");
    }
}
