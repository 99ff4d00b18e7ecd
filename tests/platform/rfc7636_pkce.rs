//! PKCE (RFC 7636), required of every client, S256 alone (RFC 9700 §2.1.1).

use testkit::Platform;
use tests::Party;

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_a_challenge_is_refused_4_4_1() {
    let platform = Platform::start().await;
    for party in [Party::demo_rp(&platform), Party::my_spa(&platform)] {
        let answer = party
            .answer(
                &mut party.cli(),
                &[("code_challenge", ""), ("code_challenge_method", "")],
            )
            .await;
        assert_eq!(answer["error"], "invalid_request", "{}", party.client_id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_is_refused_also_as_the_default_method_4_3() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let mut cli = party.cli();
    for method in ["plain", "", "s256"] {
        let answer = party
            .answer(&mut cli, &[("code_challenge_method", method)])
            .await;
        assert_eq!(answer["error"], "invalid_request", "{method:?}");
    }
    for challenge in ["short", &"x".repeat(44), &format!("{}=", "x".repeat(42))] {
        let answer = party
            .answer(&mut cli, &[("code_challenge", challenge)])
            .await;
        assert_eq!(answer["error"], "invalid_request", "{challenge:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_verifier_must_match_the_challenge_4_6() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let mut cli = party.cli();
    for wrong in [&"y".repeat(43), &party.pkce.challenge, "short"] {
        let code = party.code(&mut cli, &[]).await;
        let answer = party
            .machine
            .redeem(&code, &party.redirect_uri, wrong)
            .await;
        assert_eq!(answer.status, 400, "{wrong:?}");
        assert!(
            matches!(answer.error().as_str(), "invalid_grant" | "invalid_request"),
            "{}",
            answer.body
        );
    }
    let code = party.code(&mut cli, &[]).await;
    let none = [
        ("grant_type", "authorization_code"),
        ("code", &*code),
        ("redirect_uri", &*party.redirect_uri),
    ];
    let answer = party.machine.token(&none).await;
    assert!(
        matches!(answer.error().as_str(), "invalid_grant" | "invalid_request"),
        "{}",
        answer.body
    );
}
