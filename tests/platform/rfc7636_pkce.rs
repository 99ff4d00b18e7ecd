//! PKCE (RFC 7636), required of every client unless a confidential one is configured
//! otherwise, S256 alone (RFC 9700 §2.1.1).

use testkit::{Answer, ClientAuth, Platform};
use tests::Party;

use crate::receiver::{BUILT_IN, file};

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

/// A client whose library has no PKCE.
const WITHOUT_PKCE: &str = r#"
[[clients]]
client_id = "old"
name = "An old library"
first_party = true
auth = ["client_secret_basic"]
secret = "a-secret-for-an-old-library"
grants = ["authorization_code"]
redirect_uris = ["http://127.0.0.1:9999/old"]
require_pkce = false
"#;

/// Redeems `code` with the verifier, if there is one.
async fn redeem(party: &Party<'_>, code: &str, verifier: Option<&str>) -> Answer {
    let mut parameters = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", &*party.redirect_uri),
    ];
    parameters.extend(verifier.map(|verifier| ("code_verifier", verifier)));
    party.machine.token(&parameters).await
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9700_2_1_1_where_pkce_is_not_required_it_counts_as_it_was_begun() {
    let config = file(&format!("{BUILT_IN}{WITHOUT_PKCE}"));
    let flags = ["--config", config.path().to_str().unwrap()];
    let platform = Platform::start_with(&flags).await;
    let auth = ClientAuth::basic("old", "a-secret-for-an-old-library");
    let uri = "http://127.0.0.1:9999/old".to_owned();
    let party = Party::new(&platform, "old", uri, auth, "openid");
    let mut cli = party.cli();
    let none = [("code_challenge", ""), ("code_challenge_method", "")];
    let other = "y".repeat(43);
    let (verifier, other) = (Some(&*party.pkce.verifier), Some(&*other));
    for (changes, verifier, status) in [
        (&none[..], None, 200),
        // A downgrade: somebody has removed the challenge from the request.
        (&none[..], verifier, 400),
        (&[][..], verifier, 200),
        (&[][..], None, 400),
        (&[][..], other, 400),
    ] {
        let code = party.code(&mut cli, changes).await;
        let answer = redeem(&party, &code, verifier).await;
        let body = &answer.body;
        assert_eq!(answer.status, status, "{changes:?} {verifier:?}: {body}");
        if status == 400 {
            assert_eq!(answer.error(), "invalid_grant", "{changes:?}");
        }
    }
    // A method without a challenge is a mistake, and plain is refused here too.
    for changes in [
        [("code_challenge", ""), ("code_challenge_method", "S256")],
        [
            ("code_challenge", &*party.pkce.challenge),
            ("code_challenge_method", "plain"),
        ],
    ] {
        let answer = party.answer(&mut cli, &changes).await;
        assert_eq!(answer["error"], "invalid_request", "{changes:?}");
    }
}
