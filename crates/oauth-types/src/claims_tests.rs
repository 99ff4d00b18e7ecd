use proptest::prelude::*;
use serde_json::json;

use super::*;

fn read(changes: &Value) -> Option<AccessToken> {
    let mut claims = json!({
        "iss": "i", "aud": "a", "sub": "s", "client_id": "c", "iat": 1, "exp": 2,
        "jti": "j", "scope": "x y",
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    serde_json::from_value(claims).ok()
}

#[test]
fn rfc9068_2_2_claims_in_another_shape_count_as_left_out_where_a_token_can_do_without() {
    let odd = json!({
        "auth_time": "2026-11-28T12:00:00Z", "acr": 1, "sid": ["s"], "email": {}, "roles": 5, "amr": "pwd", "groups": {},
        "updated_at": "2026-11-28T12:00:00Z", "email_verified": "true",
        "azp": 7, "scp": [1], "permissions": {"a": []},
    });
    let read_odd = read(&odd).unwrap();
    assert_eq!(
        (
            read_odd.acr,
            read_odd.sid,
            read_odd.email,
            read_odd.auth_time
        ),
        (None, None, None, None)
    );
    assert!(read_odd.roles.is_empty());
    let one = read(&json!({"roles": "clerk", "acr": "1", "sid": "s"})).unwrap();
    assert_eq!(one.roles, ["clerk"]);
    assert_eq!(
        (one.acr.as_deref(), one.sid.as_deref()),
        (Some("1"), Some("s"))
    );
}

#[test]
fn rfc7519_2_a_date_is_a_number_or_its_digits_and_nothing_else() {
    let dates = |value: Value| {
        let token = read(&json!({"exp": value, "iat": value, "auth_time": value}))?;
        Some((token.exp, token.iat, token.auth_time))
    };
    for date in [
        json!(1_795_867_747),
        json!(1_795_867_747.5),
        json!("1795867747"),
        json!("1795867747.5"),
    ] {
        let read = 1_795_867_747;
        assert_eq!(
            dates(date.clone()),
            Some((read, read, Some(read))),
            "{date}"
        );
    }
    for odd in [
        json!("2026-11-28T12:00:00Z"),
        json!("NaN"),
        json!("inf"),
        json!("-1"),
        json!(true),
        json!([1]),
    ] {
        assert_eq!(dates(odd.clone()), None, "{odd}");
    }
}

#[test]
fn rights_and_who_acts_have_to_be_certain() {
    let scope = |value| read(&json!({ "scope": value })).map(|token| token.scope.to_string());
    assert_eq!(scope(json!(["x", "y"])).as_deref(), Some("x y"));
    assert_eq!(scope(json!(null)).as_deref(), Some(""));
    for odd in [json!(5), json!({"x": true}), json!(["x", 5]), json!("\"")] {
        assert_eq!(scope(odd.clone()), None, "{odd}");
    }
    assert!(read(&json!({"act": {"sub": "api-1", "iss": 5, "more": []}})).is_some());
    for odd in [json!("api-1"), json!({"sub": 5}), json!([])] {
        assert!(read(&json!({ "act": odd })).is_none(), "{odd}");
    }
}

#[test]
fn rfc7800_3_1_a_binding_is_read_or_the_token_is_refused() {
    let of = |value: Value| read(&json!({ "cnf": value })).map(|token| token.cnf);
    let binding = |jkt: Option<&str>, x5t: Option<&str>| {
        Some(Some(Confirmation {
            jkt: jkt.map(str::to_owned),
            x5t_s256: x5t.map(str::to_owned),
        }))
    };
    assert_eq!(of(json!(null)), Some(None));
    assert_eq!(of(json!({"jkt": "k"})), binding(Some("k"), None));
    let both = json!({"x5t#S256": "c", "jkt": "k", "kid": 5});
    assert_eq!(of(both), binding(Some("k"), Some("c")));
    // Bound, by a method that is not known: never a bearer token.
    assert_eq!(of(json!({"jwk": {}})), binding(None, None));
    for odd in [
        json!("x"),
        json!(["x"]),
        json!({"jkt": 5}),
        json!({"x5t#S256": ["c"]}),
    ] {
        assert_eq!(of(odd.clone()), None, "{odd}");
    }
}

#[test]
fn rfc9449_5_the_token_type_follows_the_binding() {
    let key = Confirmation::of_key("k".to_owned());
    let certificate = Confirmation {
        x5t_s256: Some("c".to_owned()),
        ..Confirmation::default()
    };
    assert_eq!(Confirmation::token_type(Some(&key)), "DPoP");
    assert_eq!(Confirmation::token_type(Some(&certificate)), "Bearer");
    assert_eq!(Confirmation::token_type(None), "Bearer");
    assert_eq!(
        serde_json::to_value(&certificate).unwrap(),
        json!({"x5t#S256": "c"})
    );
}

#[test]
fn rfc7800_3_1_telemetry_names_the_binding_and_never_its_value() {
    let of = |jkt: bool, x5t: bool| {
        Confirmation::bound_to(Some(&Confirmation {
            jkt: jkt.then(|| "k".to_owned()),
            x5t_s256: x5t.then(|| "c".to_owned()),
        }))
    };
    assert_eq!(Confirmation::bound_to(None), "none");
    assert_eq!(of(true, false), "jkt");
    assert_eq!(of(false, true), "x5t#S256");
    assert_eq!(of(true, true), "x5t#S256 jkt");
    assert_eq!(of(false, false), "unknown");
}

#[test]
fn rfc8693_4_4_a_may_act_of_another_shape_names_nobody() {
    let of = |value: Value| read(&json!({ "may_act": value })).unwrap().may_act;
    let named = |sub: &str, iss: Option<&str>| {
        Some(MayAct {
            sub: sub.to_owned(),
            iss: iss.map(str::to_owned),
        })
    };
    assert_eq!(of(json!(null)), None);
    let whole = json!({"sub": "api-1", "iss": "i", "email": "x"});
    assert_eq!(of(whole), named("api-1", Some("i")));
    for odd in [
        json!("api-1"),
        json!({"email": "x"}),
        json!({"sub": ["api-1"]}),
        json!({"sub": "api-1", "iss": 5}),
        json!([]),
    ] {
        assert_eq!(of(odd.clone()), named("", None), "{odd}");
    }
}

#[test]
fn rfc8693_4_1_a_chain_of_actors_is_counted() {
    let act = json!({"sub": "c", "act": {"sub": "b", "act": {"sub": "a"}}});
    let act = read(&json!({ "act": act })).unwrap().act.unwrap();
    assert_eq!((act.count(), act.sub.as_str()), (3, "c"));
}

#[test]
fn rfc7519_4_1_3_aud_is_a_string_or_a_list() {
    let one: Audience = serde_json::from_str("\"https://api-1\"").unwrap();
    let many: Audience = serde_json::from_str("[\"https://api-1\",\"x\"]").unwrap();
    assert!(one.contains("https://api-1") && many.contains("https://api-1"));
    assert!(!one.contains("x") && !many.contains("https://api-2"));
}

/// Any JSON whose members have the names that claims have.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 6, |inner| {
        let name = prop_oneof![Just("sub"), Just("iss"), Just("act"), Just("x")];
        let name = name.prop_map(str::to_owned);
        let members = prop::collection::hash_map(name, inner.clone(), 0..4);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            members.prop_map(|members| members.into_iter().collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn whatever_may_act_is_it_names_the_party_that_it_states_or_nobody(value in any_json()) {
        let token = read(&json!({ "may_act": value.clone() })).unwrap();
        match token.may_act {
            None => prop_assert!(value.is_null()),
            Some(named) if named.sub.is_empty() => {}
            Some(named) => {
                prop_assert_eq!(&value["sub"], &json!(named.sub));
            }
        }
    }

    #[test]
    fn whatever_act_is_its_chain_is_what_it_nests(value in any_json()) {
        if let Some(token) = read(&json!({ "act": value.clone() })) {
            let nested = std::iter::successors(Some(&value), |value| value.get("act"));
            let nested = nested.take_while(|value| value.is_object()).count();
            prop_assert_eq!(token.act.map_or(0, |act| act.count()), nested);
        }
    }

    #[test]
    fn a_scope_that_is_read_keeps_the_limits(value in any_json()) {
        if let Some(token) = read(&json!({ "scope": value })) {
            prop_assert!(token.scope.iter().count() <= crate::scope::MAX_SCOPES);
            prop_assert!(token.scope.iter().all(str::is_ascii));
        }
    }
}
