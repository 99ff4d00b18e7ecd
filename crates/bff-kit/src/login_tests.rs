use super::*;
use crate::credentials::tests::credentials;

fn known(choice: bool) -> Credentials {
    credentials(PerApi::default(), choice, true)
}

fn read(query: &str, choice: bool) -> Result<LoginOptions, String> {
    LoginOptions::read(query, choice, &known(choice), Weaknesses::default())
}

#[test]
fn without_options_a_login_leads_home_and_a_live_session_is_enough() {
    let options = read("", true).unwrap();
    assert_eq!(options.return_to.as_str(), "/");
    assert!(!options.asks_for_more());
    assert!(!read("return_to=/docs", true).unwrap().asks_for_more());
    for more in [
        "prompt=login",
        "prompt=none",
        "max_age=0",
        "acr_values=urn:x",
    ] {
        assert!(read(more, true).unwrap().asks_for_more(), "{more}");
    }
}

#[test]
fn invalid_options_are_refused() {
    let long = format!("acr_values={}", "a".repeat(MAX_ACR_VALUES + 1));
    let wrong = [
        "return_to=//evil",
        "return_to=http://evil",
        "return_to=%2F%5Cevil",
        "return_to=/&return_to=/docs",
        "prompt=none+login",
        "prompt=whatever",
        "prompt=login++login",
        "max_age=-1",
        "max_age=x",
        "max_age=99999999999",
        "acr_values=%0A",
        "mode=sticky",
        &long,
    ];
    for query in wrong {
        assert!(read(query, true).is_err(), "{query}");
    }
}

#[test]
fn a_login_chooses_its_mode_only_where_it_may() {
    let options = read("mode=hybrid", true).unwrap();
    assert_eq!(options.mode, Some(SessionMode::Hybrid));
    assert!(read("mode=hybrid", false).is_err());
}

#[test]
fn a_login_chooses_its_credentials_only_where_it_may() {
    let query = "api1_credential=jwt_bearer&api2_credential=token_exchange";
    let ask = read(query, true).unwrap();
    let chosen = PerApi {
        api1: Some(CredentialMethod::JwtBearer),
        api2: Some(CredentialMethod::TokenExchange),
    };
    assert_eq!(ask.credentials, chosen);
    assert!(read(query, false).is_err());
    for wrong in ["api1_credential=sticky", "api2_credential="] {
        let refused = read(wrong, true);
        assert!(
            refused.is_err() || refused.unwrap().credentials.is_default(),
            "{wrong}"
        );
    }
}

#[test]
fn oidc_core_3_1_2_1_prompt_login_and_max_age_ask_for_a_fresh_sign_in() {
    let now = Timestamp::from_secs(1000);
    let since = |query: &str| {
        read(query, true)
            .unwrap()
            .signed_in_since(now)
            .map(Timestamp::secs)
    };
    assert_eq!(since("prompt=none"), None);
    assert_eq!(since("max_age=60"), Some(940));
    assert_eq!(since("prompt=login"), Some(1000));
    assert_eq!(since("prompt=login+consent&max_age=60"), Some(1000));
}

#[test]
fn fuzz_what_a_login_asks_for() {
    let seeds = ["return_to=/docs&prompt=login+consent&max_age=60&acr_values=urn:x&mode=hybrid"];
    fuzz::run_text(&seeds, |query| {
        if let Ok(ask) = read(query, false) {
            assert_eq!(ask.mode, None);
            assert!(ask.return_to.as_str().starts_with('/'));
            let acr = ask.acr_values.unwrap_or_default();
            assert!(acr.len() <= MAX_ACR_VALUES && !acr.contains(['\r', '\n']));
            let words = ask.prompt.unwrap_or_default();
            assert!(
                words
                    .split(' ')
                    .all(|word| word.is_empty() || PROMPTS.contains(&word))
            );
        }
    });
}

#[test]
fn another_provider_is_known_by_its_name_alone() {
    assert!(!read("", true).unwrap().second_provider);
    let options = read("provider=attacker", false).unwrap();
    assert!(options.second_provider && options.asks_for_more());
    for unknown in ["provider=", "provider=idp", "provider=ATTACKER"] {
        let refused = read(unknown, true);
        assert!(
            refused.is_err() || !refused.unwrap().second_provider,
            "{unknown}"
        );
    }
}
