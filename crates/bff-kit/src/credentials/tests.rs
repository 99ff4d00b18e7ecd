//! Methods, and the kinds of tokens.

use kit::{
    Deps,
    clock::{ManualClock, Timestamp},
    random::SeededRandom,
    shutdown::Shutdown,
    state_dir::StateDir,
};
use oauth_types::claims::Actor;
use serde_json::json;
use token_verify::Issuer;

use super::*;
use crate::{
    audiences::{API1, API2},
    client_auth::client_key,
    meters::Meters,
    provider::ProviderSettings,
};

/// `choice`: whether a login may choose.
pub(crate) fn credentials(
    methods: PerApi<CredentialMethod>,
    choice: bool,
    with_machine: bool,
) -> Credentials {
    let deps = Deps {
        clock: Arc::new(ManualClock::new(Timestamp::from_secs(1000))),
        random: Arc::new(SeededRandom::new(1)),
        shutdown: Shutdown::new(),
    };
    let provider = ProviderSettings {
        issuer: Issuer::new("http://idp.test", "http://127.0.0.1:9"),
        client_id: "app1".to_owned(),
        auth: ClientAuth::SecretBasic("secret".to_owned().into()),
        redirect_uri: "http://app.test/callback".to_owned(),
    };
    let provider = Arc::new(Provider::new(provider, &deps, Meters::for_test()));
    let key = || client_key(&StateDir::default(), "m", &SeededRandom::new(1)).unwrap();
    let settings = CredentialSettings {
        methods,
        choice,
        machine_key: with_machine.then(key),
        mtls: None,
        api_key: with_machine.then(|| ApiKey::read("api1_key").unwrap()),
    };
    let margin = (&deps.clock, Duration::from_secs(30));
    Credentials::new(settings, &provider, AudienceBy::Resource, margin)
}

#[actix_web::test]
async fn a_session_uses_what_it_chose_where_the_app_has_it_and_else_what_the_app_is_set_to() {
    let set = PerApi {
        api1: CredentialMethod::TokenExchange,
        api2: CredentialMethod::Refresh,
    };
    let chosen = PerApi {
        api1: Some(CredentialMethod::JwtBearer),
        api2: None,
    };
    let known = credentials(set, true, true);
    assert_eq!(known.method(Chosen::default(), &API1), set.api1);
    assert_eq!(known.method(chosen, &API1), CredentialMethod::JwtBearer);
    assert_eq!(known.method(chosen, &API2), CredentialMethod::Refresh);
    let without = credentials(set, true, false);
    assert_eq!(without.method(chosen, &API1), set.api1);
    assert!(!without.has(CredentialMethod::ClientCredentials, &API2));
    assert!(known.has(CredentialMethod::ApiKey, &API1));
    assert!(
        !known.has(CredentialMethod::ApiKey, &API2),
        "API-2 takes tokens alone"
    );
    assert!(!without.has(CredentialMethod::ApiKey, &API1));
}

#[actix_web::test]
async fn a_token_of_another_kind_or_of_another_client_does_not_count() {
    let known = credentials(PerApi::default(), true, true);
    let claims = |client_id: &str, act: Option<Actor>| -> AccessToken {
        let claims = json!({
            "iss": "i", "aud": "a", "sub": "s", "client_id": client_id, "iat": 1, "exp": 2,
            "jti": "j", "act": act,
        });
        serde_json::from_value(claims).unwrap()
    };
    let act = |sub: &str, before: Option<&str>| {
        let before = before.map(|sub| Actor {
            sub: sub.to_owned(),
            act: None,
        });
        Some(Actor {
            sub: sub.to_owned(),
            act: before.map(Box::new),
        })
    };
    let cases = [
        (claims("app1", None), Some(UserToken::Own)),
        (
            claims("app1", act("app1", None)),
            Some(UserToken::Exchanged),
        ),
        (claims("app1-machine", None), Some(UserToken::Asserted)),
        (claims("app1", act("api-1", None)), None),
        (claims("app1", act("app1", Some("app2"))), None),
        (claims("app1-machine", act("app1-machine", None)), None),
        (claims("app2", None), None),
        (claims("app2-machine", None), None),
    ];
    for (claims, expected) in cases {
        for kind in UserToken::ALL {
            let is_so = known.is_of_kind(kind, &claims);
            assert_eq!(is_so, expected == Some(kind), "{kind:?} {claims:?}");
        }
    }
}

#[test]
fn each_method_is_read_by_its_name_and_an_unknown_one_is_answered_with_all() {
    for method in CredentialMethod::ALL {
        assert_eq!(method.as_str().parse(), Ok(method));
        let text = serde_json::to_string(&method).unwrap();
        assert_eq!(text, format!("\"{method}\""));
    }
    let known = "sticky".parse::<CredentialMethod>().unwrap_err();
    assert!(known.starts_with("refresh, token_exchange"), "{known}");
}
