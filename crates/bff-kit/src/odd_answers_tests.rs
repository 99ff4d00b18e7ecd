//! Providers whose answers have unusual shapes.

use super::*;

#[actix_web::test]
async fn oidc_discovery_4_an_issuer_with_a_slash_at_its_end_or_a_path_is_taken_exactly() {
    for issuer in [
        "https://tenant.example.com/",
        "https://login.example.com/tenant/v2.0",
        "https://idp.example.com/realms/lab/",
    ] {
        let flow = flow_at(issuer, RequestBy::Push);
        let begun = flow.begin("").await;
        let params = flow.idp.pushed.lock().clone();
        let begun = Begun { params, ..begun };
        let seen = flow.good_answer(&begun).await;
        assert_eq!(
            seen.status,
            StatusCode::SEE_OTHER,
            "{issuer}: {}",
            seen.body
        );
        // RFC 9207, the document and the id_token name it exactly.
        let near = match issuer.strip_suffix('/') {
            Some(without) => without.to_owned(),
            None => format!("{issuer}/"),
        };
        *flow.idp.claims.lock() = json!({ "iss": near });
        let seen = flow.good_answer(&pushed_again(&flow).await).await;
        assert_eq!(seen.status, StatusCode::BAD_GATEWAY, "{near}");
        let begun = pushed_again(&flow).await;
        let state = &begun.params["state"];
        let iss: String = url::form_urlencoded::byte_serialize(near.as_bytes()).collect();
        let seen = flow
            .answer(&begun, &format!("code=c&state={state}&iss={iss}"))
            .await;
        assert_eq!(seen.status, StatusCode::BAD_REQUEST, "{near}");
        let other = flow_at(issuer, RequestBy::Url);
        *other.idp.document.lock() = json!({ "issuer": near });
        let seen = other.setup.ask(TestRequest::get().uri("/login")).await;
        assert_eq!(seen.status, StatusCode::BAD_GATEWAY, "{near}");
    }
}

/// Another login whose request was pushed.
async fn pushed_again(flow: &Flow) -> Begun {
    let begun = flow.begin("").await;
    let params = flow.idp.pushed.lock().clone();
    Begun { params, ..begun }
}

#[actix_web::test]
async fn oidc_core_2_claims_that_nobody_reads_may_have_any_shape() {
    let odd = [
        json!({"updated_at": "2026-11-28T12:00:00Z", "email_verified": "true"}),
        json!({"address": "a street", "phone_number_verified": "yes", "birthdate": 1990}),
        json!({"picture": "no address", "locale": {}, "zoneinfo": 5, "gender": ["x"]}),
        json!({"auth_time": "long ago", "acr": 1, "amr": "pwd", "azp": ["x"], "at_hash": 7}),
        json!({"profile": false, "website": [], "groups": {"a": 1}, "x": null}),
        json!({"aud": ["app1"], "exp": f64::from(u32::try_from(START.secs() + 900).unwrap()) + 0.5}),
        json!({"iat": START.secs().to_string(), "exp": (START.secs() + 900).to_string()}),
        json!({"name": 5, "email": {}, "sid": ["s"], "preferred_username": "alice"}),
    ];
    for claims in odd {
        let flow = flow(RequestBy::Url);
        *flow.idp.claims.lock() = claims.clone();
        let begun = flow.begin("").await;
        let seen = flow.good_answer(&begun).await;
        assert_eq!(
            seen.status,
            StatusCode::SEE_OTHER,
            "{claims}: {}",
            seen.body
        );
    }
    // What is read has to say something.
    for claims in [
        json!({"sub": 5}),
        json!({"sub": ""}),
        json!({"iss": [ISSUER]}),
        json!({"aud": {"app1": true}}),
        json!({"aud": []}),
        json!({"exp": "soon"}),
        json!({"iat": null}),
        json!({"nonce": ["x"]}),
    ] {
        let flow = flow(RequestBy::Url);
        *flow.idp.claims.lock() = claims.clone();
        let begun = flow.begin("").await;
        let seen = flow.good_answer(&begun).await;
        assert_eq!(seen.status, StatusCode::BAD_GATEWAY, "{claims}");
    }
}

#[actix_web::test]
async fn oidc_core_3_1_3_7_13_auth_time_is_read_in_digits_too() {
    let flow = flow(RequestBy::Url);
    for (auth_time, status) in [
        (json!(START.secs().to_string()), StatusCode::SEE_OTHER),
        (json!("yesterday"), StatusCode::BAD_GATEWAY),
    ] {
        *flow.idp.claims.lock() = json!({ "auth_time": auth_time });
        let begun = flow.begin("?max_age=60").await;
        assert_eq!(flow.good_answer(&begun).await.status, status, "{auth_time}");
    }
}

#[actix_web::test]
async fn rfc6749_5_1_an_answer_whose_other_members_are_odd_makes_a_session() {
    for odd in [
        json!({"expires_in": "3599"}),
        json!({"expires_in": "soon", "token_type": "bearer"}),
        json!({"scope": ["openid", "email"], "refresh_token": null}),
        json!({"scope": {}, "not-before-policy": {}, "error": null, "ext_expires_in": "0"}),
    ] {
        let flow = flow(RequestBy::Url);
        *flow.idp.answer.lock() = odd.clone();
        let begun = flow.begin("").await;
        let seen = flow.good_answer(&begun).await;
        assert_eq!(seen.status, StatusCode::SEE_OTHER, "{odd}: {}", seen.body);
    }
    // A refusal is one whatever its status.
    let flow = flow(RequestBy::Url);
    *flow.idp.answer.lock() = json!({"access_token": null, "error": "invalid_grant"});
    let begun = flow.begin("").await;
    let seen = flow.good_answer(&begun).await;
    assert_eq!(seen.status, StatusCode::BAD_REQUEST, "{}", seen.body);
}

#[actix_web::test]
async fn oidc_discovery_3_members_that_nobody_reads_may_have_any_shape() {
    let flow = flow(RequestBy::Url);
    *flow.idp.document.lock() = json!({
        "response_types_supported": "code", "subject_types_supported": 5,
        "id_token_signing_alg_values_supported": null, "scopes_supported": {"openid": []},
        "userinfo_endpoint": 7, "registration_endpoint": "", "end_session_endpoint": ["x"],
        "claims_supported": "all", "ui_locales_supported": [[1]],
        "token_endpoint_auth_methods_supported": ["own", 5],
        "authorization_response_iss_parameter_supported": "true",
    });
    let begun = flow.begin("").await;
    assert_eq!(flow.good_answer(&begun).await.status, StatusCode::SEE_OTHER);
}
