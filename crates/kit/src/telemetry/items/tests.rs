//! What is told of a request, and what never is.

use super::*;
use crate::{journey::test_keys, random::OsRandom};

fn list(fill: impl FnOnce(&mut Items)) -> Vec<Value> {
    let keys = Arc::new(test_keys());
    let journey = keys.begin(&OsRandom);
    let mut items = Items::new(keys, journey);
    fill(&mut items);
    assert!(items.text().len() <= MAX_LIST);
    serde_json::from_str(&items.text()).unwrap()
}

fn jwt(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.c2lnbmF0dXJl", part(header), part(claims))
}

#[test]
fn values_are_shown_by_the_list_and_named_otherwise() {
    let items = list(|items| {
        let query = b"client_id=app1&state=a-secret-state&scope=openid+profile&new=1";
        items.parameters(Place::Query, query);
    });
    assert_eq!(
        items[0],
        json!({ "place": "query", "name": "client_id", "value": "app1", "size": 4 })
    );
    assert_eq!(items[2]["value"], "openid profile");
    for hidden in [&items[1], &items[3]] {
        assert!(hidden.get("value").is_none(), "{hidden}");
        assert_eq!(hidden["fingerprint"].as_str().map(str::len), Some(6));
    }
    assert_eq!(items[1]["size"], 14);
}

#[test]
fn of_a_password_not_even_the_size_is_told() {
    let items = list(|items| items.parameters(Place::Form, b"username=alice&password=wonderland"));
    assert_eq!(items[1], json!({ "place": "form", "name": "password" }));
    let basic = list(|items| items.authorization("Basic YXBwMTpzZWNyZXQ="));
    assert_eq!(
        basic,
        [json!({ "place": "header", "name": "Authorization", "value": "Basic" })]
    );
}

#[test]
fn equal_values_have_equal_names_wherever_they_are() {
    let items = list(|items| {
        items.location("http://idp.localhost:8081/authorize?state=S555&client_id=app1#x");
        items.parameters(Place::Query, b"state=S555");
        items.cookie("login", "S555");
    });
    assert_eq!(items[0]["value"], "http://idp.localhost:8081/authorize");
    let name = &items[1]["fingerprint"];
    assert_eq!(
        (name, name),
        (&items[3]["fingerprint"], &items[4]["fingerprint"])
    );
    assert_eq!(items[2]["value"], "app1");
}

#[test]
fn a_cookie_that_is_set_has_its_attributes_and_no_value() {
    let items = list(|items| {
        items.set_cookie("__Host-session=secret; HttpOnly; SameSite=Lax; Secure; Path=/");
    });
    assert_eq!(items[0]["name"], "__Host-session");
    assert_eq!(
        items[0]["attributes"],
        "HttpOnly; SameSite=Lax; Secure; Path=/"
    );
    assert!(!items[0].to_string().contains("secret"));
}

#[test]
fn a_token_is_decoded_and_its_signature_is_not_there() {
    let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": "k", "jwk": { "x": "y" } });
    let claims = json!({
        "iss": "http://idp", "aud": "https://api-1", "sub": "u1", "scope": "openid",
        "jti": "grant-id", "sid": "session-id", "nonce": "the-nonce", "email": "a@b",
    });
    let token = jwt(&header, &claims);
    let items = list(|items| {
        items.json(
            json!({ "access_token": token, "expires_in": 900, "refresh_token": "r0" })
                .to_string()
                .as_bytes(),
        );
        items.authorization(&format!("Bearer {token}"));
        items.parameters(Place::Query, b"nonce=the-nonce");
    });
    let found = items.iter().find(|item| item["place"] == "token").unwrap();
    assert_eq!(found["name"], "access_token");
    assert_eq!(
        found["header"],
        json!({ "alg": "ES256", "typ": "at+jwt", "kid": "k" })
    );
    assert_eq!(found["claims"]["aud"], "https://api-1");
    assert_eq!(found["claims"]["sub"], "u1");
    let nonce = items.last().unwrap();
    assert_eq!(
        found["claims"]["nonce"]["fingerprint"],
        nonce["fingerprint"]
    );
    let text = serde_json::to_string(&items).unwrap();
    for secret in [
        "grant-id",
        "session-id",
        "the-nonce",
        "a@b",
        "r0\"",
        "c2lnbmF0dXJl",
        &token,
    ] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    assert_eq!(
        items
            .iter()
            .filter(|item| item["fingerprint"] == found["fingerprint"])
            .count(),
        2
    );
}

#[test]
fn what_is_no_name_is_not_shown_as_one() {
    let token = jwt(
        &json!({ "alg": "ES256" }),
        &json!({ "sub": "u1", "iss": "http://idp" }),
    );
    let items = list(|items| {
        items.parameters(Place::Query, token.as_bytes());
        items.parameters(Place::Query, b"a%20b=1&=2&fine=3");
    });
    let names: Vec<_> = items.iter().map(|item| item["name"].clone()).collect();
    let other = "(another name)";
    assert_eq!(names, [other, other, other, "fine"]);
}

#[test]
fn a_list_is_bounded() {
    let items = list(|items| {
        for number in 0..1000 {
            items.value(Place::Form, &format!("name{number}"), &"x".repeat(10_000));
        }
        items.json(&vec![b'['; MAX_JSON + 1]);
    });
    assert!(items.len() > 20, "{}", items.len());
}

#[test]
fn fuzz_items() {
    let token = jwt(&json!({ "alg": "none" }), &json!({ "sub": "u" }));
    fuzz::run(
        &[&*token, "state=a&client_id=b", r#"{"scope":"openid"}"#],
        |input| {
            let text = String::from_utf8_lossy(input);
            list(|items| {
                items.parameters(Place::Form, input);
                items.json(input);
                items.authorization(&text);
                items.location(&text);
                items.set_cookie(&text);
            });
        },
    );
}

#[test]
fn a_secret_in_the_form_of_a_token_is_not_decoded() {
    let token = jwt(&json!({"alg": "ES256", "kid": "k"}), &json!({"sub": "s"}));
    let form = format!("client_secret={token}&password={token}");
    let items = list(|items| items.parameters(Place::Form, form.as_bytes()));
    assert_eq!(
        items[0],
        json!({ "place": "form", "name": "client_secret" })
    );
    assert_eq!(items[1], json!({ "place": "form", "name": "password" }));
}

#[test]
fn objects_inside_of_answers_and_claims_are_named_by_a_hash() {
    let items = list(|items| {
        let answer = json!({"error": {"detail": "a-secret"}, "scope": ["a-secret"]});
        items.json(answer.to_string().as_bytes());
        let claims = json!({
            "aud": ["https://api-1"], "act": {"sub": "api-1", "act": {"sub": "x"}},
            "cnf": {"jkt": "k", "more": "a-secret"}, "amr": [{"x": "a-secret"}],
        });
        let token = jwt(&json!({"alg": "ES256", "kid": {"x": "a-secret"}}), &claims);
        items.value(Place::Json, "access_token", &token);
    });
    assert!(!json!(items).to_string().contains("a-secret"), "{items:?}");
    let claims = &items[2]["claims"];
    assert_eq!(claims["act"]["act"]["sub"], "x");
    assert_eq!(claims["aud"][0], "https://api-1");
}

#[test]
fn what_follows_a_full_list_is_not_read() {
    let many = "a&".repeat(10_000);
    let items = list(|items| {
        items.parameters(Place::Query, many.as_bytes());
        items.value(Place::Query, "b", "");
    });
    assert!(items.iter().all(|item| item["name"] == "a"));
}
