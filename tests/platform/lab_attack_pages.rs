//! The attacks of the lab without a screen: a defence is off for one browser alone, and only
//! where there is a lab.

use kit::config::{Addresses, Site};
use reqwest::Method;
use testkit::{HeadlessBrowser, SameSite};
use tests::{
    ALICE, BOB, all_in_one,
    journey::{get, have_in_order, named, steps_until},
    sign_in, sign_in_to,
};

/// What only a weakened app does by a GET.
const ORDER: &str = "/api1/order?item=chess-set&quantity=1";
/// How the line begins that says what is off.
const BANNER: &str = "<aside class=\"weakened\"";

/// Presses the button `label` of the attack's page, until app1 has signed the browser in or
/// the provider asks.
async fn press(cli: &mut HeadlessBrowser, lab: &str, attack: &str, label: &str) {
    cli.goto(&format!("{lab}/attacks/{attack}")).await;
    let page = cli.press(label).await;
    assert_eq!(
        page.url().path(),
        format!("/attacks/{attack}/sign-in"),
        "{page}"
    );
    let login = page
        .links()
        .into_iter()
        .find(|link| link.path() == "/login");
    cli.goto(login.unwrap().as_str()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_defence_is_off_for_one_browser_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (_all, addresses) = all_in_one(folder.path(), &[]).await;
    let url = |site| addresses.url(site);
    let (lab, app1) = (url(Site::Lab), url(Site::App1));
    let (mut one, mut other) = (HeadlessBrowser::new(), HeadlessBrowser::new());
    sign_in_to(&mut other, &app1, BOB).await;

    press(&mut one, &lab, "csrf-image", "Run with the defence off").await;
    sign_in(&mut one, ALICE).await;
    let page = one.page();
    assert_eq!(
        page.url().as_str(),
        format!("{lab}/attacks/csrf-image/go"),
        "{page}"
    );
    let attackers = format!("0; url={}/image?go=1", url(Site::Evil));
    assert_eq!(page.header("refresh"), Some(&*attackers));
    assert_ne!(same_site(&one), same_site(&other));

    let order = format!("{app1}{ORDER}");
    assert_eq!(get(&mut one, &order).await.status, 201);
    assert_eq!(get(&mut other, &order).await.status, 404);
    each_page_says_it_to_one_alone(&addresses, &mut one, &mut other).await;

    press(&mut one, &lab, "csrf-image", "Run with the defence on").await;
    assert_eq!(
        one.page().url().path(),
        "/attacks/csrf-image/go",
        "{}",
        one.page()
    );
    assert_eq!(same_site(&one), same_site(&other));
    assert_eq!(get(&mut one, &order).await.status, 404);
    assert!(!get(&mut one, &app1).await.body.contains(BANNER));
}

/// The SameSite attribute of the browser's session at app1.
fn same_site(cli: &HeadlessBrowser) -> Option<SameSite> {
    let jar = cli.jar();
    let session = jar.get("app1.localhost", "__Host-session_id");
    session.map(|cookie| cookie.same_site)
}

/// What is off: the pages and the documents of every site.
async fn each_page_says_it_to_one_alone(
    addresses: &Addresses,
    one: &mut HeadlessBrowser,
    other: &mut HeadlessBrowser,
) {
    let url = |site| addresses.url(site);
    for site in [
        Site::Lab,
        Site::App1,
        Site::App2,
        Site::Idp,
        Site::Spa,
        Site::Evil,
    ] {
        let (own, others) = (get(one, &url(site)).await, get(other, &url(site)).await);
        assert!(own.body.contains(BANNER), "{site:?}: {}", own.body);
        assert!(own.body.contains("<code>get-orders</code>"), "{site:?}");
        assert!(!others.body.contains(BANNER), "{site:?}");
    }
    for (site, path) in [(Site::Api1, "/"), (Site::Api1, "/docs"), (Site::Api2, "/")] {
        let page = url(site) + path;
        let own = one.goto(&page).await;
        assert_eq!((own.status(), own.url().as_str()), (200, &*page));
        assert!(own.source().contains(BANNER), "{own}");
        let others = other.goto(&page).await;
        assert_eq!((others.status(), others.url().as_str()), (200, &*page));
        assert!(!others.source().contains(BANNER), "{others}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_labs_own_page_switches_a_defence_off() {
    let folder = tempfile::tempdir().unwrap();
    let (_all, addresses) = all_in_one(folder.path(), &[]).await;
    let lab = addresses.url(Site::Lab);
    let mut cli = HeadlessBrowser::new();
    tests::journey::begin(&mut cli, &lab).await;
    let evil = addresses.url(Site::Evil);
    let form = ("content-type", "application/x-www-form-urlencoded");
    for origin in [&*evil, "null"] {
        for path in [
            "/journey/weaken",
            "/attacks/csrf-image/begin",
            "/attacks/alg-none/run",
        ] {
            let headers = [form, ("origin", origin), ("accept", "text/html")];
            let body = "weaken=get-orders&weakened=on";
            let answer = cli
                .raw(Method::POST, &format!("{lab}{path}"), &headers, body)
                .await;
            assert_eq!(answer.status, 403, "{path} from {origin}");
        }
    }
    let app1 = addresses.url(Site::App1);
    sign_in_to(&mut cli, &app1, ALICE).await;
    assert_eq!(get(&mut cli, &format!("{app1}{ORDER}")).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_attackers_pages_are_steps_of_the_journey_and_lead_back() {
    let folder = tempfile::tempdir().unwrap();
    let (_all, addresses) = all_in_one(folder.path(), &[]).await;
    let (lab, evil) = (addresses.url(Site::Lab), addresses.url(Site::Evil));
    let mut cli = HeadlessBrowser::new();
    press(&mut cli, &lab, "open-redirect", "Run with the defence off").await;
    sign_in(&mut cli, ALICE).await;
    let page = get(&mut cli, &format!("{evil}/return-to")).await.body;
    assert!(
        page.contains("<code>open-return-to</code> <span class=\"badge\">off now</span>"),
        "{page}"
    );
    assert!(page.contains(&format!("href=\"{lab}/attacks/open-redirect\"")));
    let login = format!("{}/login?return_to=", addresses.url(Site::App1));
    get(&mut cli, &format!("{login}{evil}/landed")).await;
    press(&mut cli, &lab, "open-redirect", "Run with the defence on").await;
    let refused = get(&mut cli, &format!("{login}{evil}/landed")).await;
    assert_eq!(refused.status, 400, "{}", refused.body);
    let last = [
        ("evil", "GET /return-to"),
        ("app1-bff", "login.request_check"),
    ];
    let steps = steps_until(&mut cli, &lab, &last).await;
    have_in_order(
        &steps,
        &[
            "browser evil GET /return-to",
            "browser app1-bff GET /login",
            "app1-bff app1-bff login.request_check",
        ],
    );
    let check = named(&steps, "app1-bff", "login.request_check").unwrap();
    assert_eq!(check["outcome"], "refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_lab_there_is_no_attack_and_no_way_back() {
    let folder = tempfile::tempdir().unwrap();
    let (_all, addresses) = all_in_one(folder.path(), &["--no-lab"]).await;
    let mut cli = HeadlessBrowser::new();
    for (site, path) in [
        (Site::Lab, "/attacks"),
        (Site::Lab, "/attacks/csrf-image"),
        (Site::App1, "/lab/back"),
        (Site::Evil, "/lab/back"),
    ] {
        let url = format!("{}{path}", addresses.url(site));
        assert_eq!(get(&mut cli, &url).await.status, 404, "{url}");
    }
    let evil = get(&mut cli, &addresses.url(Site::Evil)).await.body;
    assert!(!evil.contains("/attacks"), "{evil}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_weakened_process_says_so_on_each_page_to_everybody() {
    let folder = tempfile::tempdir().unwrap();
    let (_all, addresses) = all_in_one(folder.path(), &["--lab", "--weaken", "framable"]).await;
    let mut cli = HeadlessBrowser::new();
    for site in [Site::Lab, Site::App1, Site::Idp, Site::Evil] {
        let page = get(&mut cli, &addresses.url(site)).await.body;
        assert!(
            page.contains(BANNER) && page.contains("for everybody by --weaken"),
            "{site:?}"
        );
        assert!(!page.contains("Switch on again"), "{site:?}");
    }
}
