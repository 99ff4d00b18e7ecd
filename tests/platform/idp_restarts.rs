//! The provider as a process of its own that ends and starts again: what has to
//! be told is told, and who was changed in the configuration is signed out.

use testkit::{HeadlessBrowser, UnverifiedClaims};
use tests::{ALICE, BOB, Person};

use crate::{
    provider_alone::{Provider, Tokens, browser, with_alice_disabled},
    receiver::{Receiver, free_port, telling},
};

fn sid(token: &str) -> String {
    UnverifiedClaims::of(token).text("sid").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn pending_logout_notices_survive_a_restart() {
    let port = free_port();
    let config = telling(port);
    let mut provider = Provider::start(&config).await;
    let mut cli = browser();
    let tokens = provider.tokens(&mut cli, ALICE).await;
    // Nobody is at the port, neither before nor after the provider's end.
    let url = format!("{}/logout?id_token_hint={}", provider.issuer(), tokens.id);
    cli.goto(&url).await;
    let log = provider.stop();
    let line = |what: &str| {
        log.lines()
            .any(|line| line.contains("audit") && line.contains(what))
    };
    assert!(line("login session ended") && line("logout"), "{log}");
    provider.start_again(&config).await;
    let app = Receiver::at(port).await;
    let told = app.told(1).await;
    assert_eq!(told[0].token().text("sid"), sid(&tokens.id));
}

/// The provider, the app that it tells of logouts, and its configuration.
async fn told() -> (Provider, Receiver, String) {
    let port = free_port();
    let config = telling(port);
    let provider = Provider::start(&config).await;
    (provider, Receiver::at(port).await, config)
}

/// A browser with a session of `person`, and the tokens of its login.
async fn signed_in(provider: &Provider, person: Person) -> (HeadlessBrowser, Tokens) {
    let mut cli = browser();
    let tokens = provider.tokens(&mut cli, person).await;
    (cli, tokens)
}

/// The process that knows the user as disabled ends as soon as it is ready.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_was_disabled_for_a_moment_has_no_session_and_no_grant_of_before() {
    let (mut provider, app, config) = told().await;
    let (mut alice, alices) = signed_in(&provider, ALICE).await;
    let (mut bob, bobs) = signed_in(&provider, BOB).await;
    let disabled = with_alice_disabled(&config);
    for config in [&disabled, &config] {
        provider.restart(config).await;
    }
    let told = app.told(1).await;
    assert_eq!(told[0].token().text("sid"), sid(&alices.id));
    assert!(!provider.is_signed_in(&mut alice).await);
    let refused = provider.machine().refresh(&alices.refresh, &[]).await;
    assert_eq!(refused.error(), "invalid_grant", "offline access ends too");
    provider.tokens(&mut browser(), ALICE).await;
    // Nobody else has noticed anything.
    assert!(provider.is_signed_in(&mut bob).await);
    let renewed = provider.machine().refresh(&bobs.refresh, &[]).await;
    assert_eq!(renewed.status, 200, "{}", renewed.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_changed_in_the_configuration_is_signed_out_everywhere() {
    let (mut provider, app, config) = told().await;
    let (mut alice, alices) = signed_in(&provider, ALICE).await;
    let (mut bob, bobs) = signed_in(&provider, BOB).await;

    provider.restart(&config).await;
    assert!(
        provider.is_signed_in(&mut alice).await,
        "nothing has changed"
    );

    // Alice has another password.
    let hashes: Vec<_> = config.split("password_hash = \"").skip(1).collect();
    let hash = |at: usize| hashes[at].split('"').next().unwrap();
    let other_password = config.replace(hash(0), hash(1));
    provider.restart(&other_password).await;
    let told = app.told(1).await;
    assert_eq!(told[0].token().text("sid"), sid(&alices.id));
    assert!(!provider.is_signed_in(&mut alice).await);
    let refused = provider.machine().refresh(&alices.refresh, &[]).await;
    assert_eq!(refused.error(), "invalid_grant", "offline access ends too");
    assert!(provider.is_signed_in(&mut bob).await);

    // Alice, who has signed in anew, may no more.
    let alices = provider.tokens(&mut browser(), (ALICE.0, BOB.1)).await;
    let disabled = with_alice_disabled(&other_password);
    provider.restart(&disabled).await;
    let told = app.told(2).await;
    assert_eq!(told[1].token().text("sid"), sid(&alices.id));
    let refused = provider.machine().refresh(&alices.refresh, &[]).await;
    assert_eq!(refused.error(), "invalid_grant");

    // Bob is there no more.
    let (without_bob, _) = disabled.rsplit_once("[[users]]").unwrap();
    provider.restart(without_bob).await;
    let told = app.told(3).await;
    assert_eq!(told[2].token().text("sid"), sid(&bobs.id));
    let refused = provider.machine().refresh(&bobs.refresh, &[]).await;
    assert_eq!(refused.error(), "invalid_grant");
}
