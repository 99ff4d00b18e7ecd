//! The parameters of authorization requests: each advertised value has its effect.

use testkit::UnverifiedClaims;
use tests::{ALICE, Party, sign_in};

use super::{Scene, unused};

const RESPONSE_TYPE: &str = "response_types_supported";
const RESPONSE_MODE: &str = "response_modes_supported";
const CHALLENGE: &str = "code_challenge_methods_supported";
const PROMPT: &str = "prompt_values_supported";
const ACR: &str = "acr_values_supported";
pub(super) const MEMBERS: &[&str] = &[RESPONSE_TYPE, RESPONSE_MODE, CHALLENGE, PROMPT, ACR];

#[tokio::test(flavor = "multi_thread")]
async fn every_response_type_and_mode_that_is_advertised_is_answered_so() {
    let scene = Scene::start("").await;
    let party = Party::demo_rp(&scene.platform);
    for kind in scene.values(RESPONSE_TYPE) {
        let changes = [("response_type", kind)];
        let answer = party.answer(&mut party.cli(), &changes).await;
        match kind {
            "code" => assert!(answer.contains_key("code"), "{answer:?}"),
            other => unused(RESPONSE_TYPE, other),
        }
    }
    for mode in scene.values(RESPONSE_MODE) {
        let mut cli = party.cli();
        party.answer(&mut cli, &[("response_mode", mode)]).await;
        let answer = cli.page().location().unwrap();
        match mode {
            "query" => {
                assert!(answer.query().unwrap().contains("code=") && answer.fragment().is_none());
            }
            other => unused(RESPONSE_MODE, other),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_challenge_method_that_is_advertised_binds_the_code() {
    let scene = Scene::start("").await;
    let party = Party::demo_rp(&scene.platform);
    let mut cli = party.cli();
    for method in scene.values(CHALLENGE) {
        if method != "S256" {
            unused(CHALLENGE, method);
        }
        let changes = [("code_challenge_method", method)];
        let code = party.code(&mut cli, &changes).await;
        let another = testkit::Pkce::new().verifier;
        let refused = party.machine.redeem(&code, &party.redirect_uri, &another);
        let expected = (400, "invalid_grant".to_owned());
        assert_eq!(refused.await.refusal(), expected);
        party.tokens(&mut cli, &changes).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_prompt_that_is_advertised_decides_what_the_user_sees() {
    let scene = Scene::start("").await;
    // First-party, so that only `prompt` makes the provider ask for consent.
    let party = Party::app1(&scene.platform);
    for prompt in scene.values(PROMPT) {
        let mut cli = party.cli();
        let url = party.authorize_url(&[("prompt", prompt)]);
        if prompt == "none" {
            let answer = cli.goto(&url).await.location().unwrap();
            let query = answer.query().unwrap();
            assert!(query.contains("error=login_required"), "{answer}");
        }
        // Signed in, so that a request without `prompt` shows no page.
        party.code(&mut cli, &[]).await;
        let page = cli.goto(&party.authorize_url(&[])).await;
        assert!(page.location().is_some(), "{page}");
        let page = cli.goto(&url).await;
        match prompt {
            "none" => assert!(page.location().is_some(), "{page}"),
            "login" | "select_account" => assert!(page.asks_for("password"), "{page}"),
            "consent" => assert!(page.has_form() && !page.asks_for("password"), "{page}"),
            other => unused(PROMPT, other),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_acr_that_is_advertised_can_be_requested() {
    let scene = Scene::start("").await;
    let party = Party::demo_rp(&scene.platform);
    for acr in scene.values(ACR) {
        let mut cli = party.cli();
        cli.goto(&party.authorize_url(&[("acr_values", acr)])).await;
        sign_in(&mut cli, ALICE).await;
        let answer = party.through_the_pages(&mut cli).await;
        let tokens = party.redeem(&answer["code"]).await.granted();
        let id_token = UnverifiedClaims::of(&tokens.text("id_token"));
        assert_eq!(id_token.text("acr"), acr);
    }
}
