//! `private_key_jwt` (RFC 7523) as libraries really make it.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Answer, Child, ClientAuth, Machine, Platform, RedisServer, binary, free_offset};
use token_verify::testing::TestKey;

use crate::receiver::{BUILT_IN, file};

/// A client with `keys`, and the lifetimes changed by `lifetimes`.
fn config(keys: &Value, lifetimes: &str) -> String {
    let keys = json!({ "keys": keys }).to_string();
    let client = format!(
        "\n[[clients]]\nclient_id = \"lib\"\nname = \"A library\"\nauth = [\"private_key_jwt\"]\n\
         jwks = {}\ngrants = [\"client_credentials\"]\naudiences = [\"https://api-1\"]\n",
        inline(&serde_json::from_str(&keys).unwrap())
    );
    let default = "client_assertion = \"1h\"";
    assert!(BUILT_IN.contains(default));
    let built_in = BUILT_IN.replace(default, lifetimes);
    format!("{built_in}{client}")
}

/// JSON as an inline table of TOML.
fn inline(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members = members
                .iter()
                .map(|(name, value)| format!("{name} = {}", inline(value)));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
        Value::Array(all) => {
            let all = all.iter().map(inline).collect::<Vec<_>>();
            format!("[{}]", all.join(", "))
        }
        other => other.to_string(),
    }
}

struct Scene {
    platform: Platform,
    machine: Machine,
    _config: tempfile::NamedTempFile,
}

impl Scene {
    async fn set(config: &str) -> Self {
        let config = file(config);
        let flags = ["--config", config.path().to_str().unwrap()];
        let platform = Platform::start_with(&flags).await;
        Self::on(platform, config)
    }

    /// With its records in `redis`, and at most 100 used assertions of a client.
    async fn set_with_few_on(redis: &RedisServer, config: &str) -> Self {
        let config = file(config);
        let flags = [
            "--config",
            config.path().to_str().unwrap(),
            "--idp-assertions-per-client",
            "100",
        ];
        let platform = Platform::start_with_idp_on(redis, &flags).await;
        Self::on(platform, config)
    }

    fn on(platform: Platform, config: tempfile::NamedTempFile) -> Self {
        Self {
            machine: platform.machine(ClientAuth::public("lib")),
            platform,
            _config: config,
        }
    }

    fn now(&self) -> i64 {
        self.platform.clock().now().secs()
    }

    /// Good claims but for `change`.
    fn claims(&self, jti: &str, change: &Value) -> Value {
        let now = self.now();
        let mut claims = json!({
            "iss": "lib", "sub": "lib", "aud": self.platform.issuer(), "jti": jti,
            "iat": now, "exp": now + 60,
        });
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    }

    async fn send(&self, assertion: &str) -> Answer {
        send_as(&self.machine, assertion).await
    }
}

async fn send_as(machine: &Machine, assertion: &str) -> Answer {
    let assertion_type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let parameters = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", assertion_type),
        ("client_assertion", assertion),
    ];
    machine.token(&parameters).await
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc7523_3_clock_skew_and_a_fixed_hour_of_lifetime_are_accepted() {
    let key = TestKey::es256();
    let header = json!({"alg": "ES256", "kid": "1"});
    let scene = Scene::set(&config(&json!([key.jwk("1")]), "")).await;
    let now = scene.now();
    let taken = [
        json!({"iat": now + 5, "nbf": now + 5, "exp": now + 5 + 600}),
        json!({"iat": now + 8, "exp": now + 8 + 3600}),
        json!({"iat": f64::from(u32::try_from(now).unwrap()) + 0.5, "exp": f64::from(u32::try_from(now).unwrap()) + 60.5}),
        json!({"iat": now.to_string(), "exp": (now + 60).to_string()}),
    ];
    for (at, change) in taken.iter().enumerate() {
        let claims = scene.claims(&format!("j{at}"), change);
        let answer = scene.send(&key.sign(&header, &claims)).await;
        assert_eq!(answer.status, 200, "{change}: {}", answer.body);
    }
    let refused = [
        json!({"exp": now + 3611}),
        json!({"exp": now - 10}),
        json!({"exp": "3600"}),
        json!({"iat": now + 11}),
        json!({"nbf": now + 61}),
    ];
    for (at, change) in refused.iter().enumerate() {
        let claims = scene.claims(&format!("r{at}"), change);
        let answer = scene.send(&key.sign(&header, &claims)).await;
        assert_eq!(
            answer.refusal(),
            (401, "invalid_client".to_owned()),
            "{change}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc7523_3_a_jti_is_remembered_as_long_as_its_assertion_is_valid() {
    let key = TestKey::es256();
    let header = json!({"alg": "ES256", "kid": "1"});
    let lifetimes = "client_assertion = \"2h\"";
    let scene = Scene::set(&config(&json!([key.jwk("1")]), lifetimes)).await;
    let claims = scene.claims("once", &json!({"exp": scene.now() + 7200}));
    scene.send(&key.sign(&header, &claims)).await.granted();
    for _ in 0..2 {
        scene.platform.advance(Duration::from_secs(3600));
        let again = scene.send(&key.sign(&header, &claims)).await;
        assert_eq!(again.refusal(), (401, "invalid_client".to_owned()));
        assert!(again.body.contains("jti"), "{}", again.body);
    }
    let longer = scene.claims("longer", &json!({"exp": scene.now() + 7211}));
    let refused = scene.send(&key.sign(&header, &longer)).await;
    assert!(refused.body.contains("7200 s at most"), "{}", refused.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8705_5_aud_may_be_the_mtls_alias_of_an_endpoint() {
    let key = TestKey::es256();
    let header = json!({"alg": "ES256", "kid": "1"});
    let scene = Scene::set(&config(&json!([key.jwk("1")]), "")).await;
    let metadata = "/.well-known/openid-configuration";
    let metadata = scene.machine.get(metadata).await.json();
    let aliases = metadata["mtls_endpoint_aliases"].as_object().unwrap();
    let alias = |name: &str| aliases[name].as_str().unwrap();
    let mtls = alias("token_endpoint").strip_suffix("/token").unwrap();
    assert_ne!(mtls, scene.platform.issuer());
    let taken = [
        json!(alias("token_endpoint")),
        json!(metadata["token_endpoint"]),
        json!(["https://elsewhere", alias("token_endpoint")]),
        json!(alias("introspection_endpoint")),
        json!(alias("pushed_authorization_request_endpoint")),
    ];
    let refused = [
        json!(mtls),
        json!(format!("{mtls}/userinfo")),
        json!(format!("{mtls}/token/")),
        json!(format!("{mtls}/token?x")),
        json!(alias("token_endpoint").replace("idp.", "other.")),
    ];
    let expected = taken.iter().map(|aud| (aud, 200));
    let expected = expected.chain(refused.iter().map(|aud| (aud, 401)));
    for (at, (aud, status)) in expected.enumerate() {
        let claims = scene.claims(&format!("j{at}"), &json!({ "aud": aud }));
        let answer = scene.send(&key.sign(&header, &claims)).await;
        assert_eq!(answer.status, status, "{aud}: {}", answer.body);
        let names_aud = answer.body.contains("client_assertion: aud must be");
        assert_eq!(names_aud, status == 401, "{aud}: {}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8725_3_11_an_assertion_whose_typ_is_that_of_a_grant_authenticates_nobody() {
    let key = TestKey::es256();
    let scene = Scene::set(&config(&json!([key.jwk("1")]), "")).await;
    for (at, (typ, status)) in [
        (json!("JWT"), 200),
        (json!("jwt"), 200),
        (json!("client-authentication+jwt"), 200),
        (json!("application/client-authentication+jwt"), 200),
        (json!("authorization-grant+jwt"), 401),
        (json!("application/authorization-grant+jwt"), 401),
        (json!("at+jwt"), 401),
        (json!("logout+jwt"), 401),
        (json!("token-introspection+jwt"), 401),
        (json!("dpop+jwt"), 401),
        (json!(""), 401),
    ]
    .into_iter()
    .enumerate()
    {
        let header = json!({"alg": "ES256", "kid": "1", "typ": typ});
        let claims = scene.claims(&format!("j{at}"), &json!({}));
        let answer = scene.send(&key.sign(&header, &claims)).await;
        assert_eq!(answer.status, status, "{typ}: {}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_used_assertions_of_a_client_have_a_bound_in_the_store_and_none_counts_twice() {
    let (key, other) = (TestKey::es256(), TestKey::es256());
    let header = json!({"alg": "ES256", "kid": "1"});
    let both = config(&json!([key.jwk("1")]), "");
    let second = config(&json!([other.jwk("1")]), "");
    let at = second.rfind("\n[[clients]]").unwrap();
    let second = second[at..].replace("\"lib\"", "\"lib2\"");
    let redis = RedisServer::start();
    let scene = Scene::set_with_few_on(&redis, &format!("{both}{second}")).await;
    let hour = json!({"exp": scene.now() + 3600});
    let sign = |jti: &str| key.sign(&header, &scene.claims(jti, &hour));
    let first = sign("first");
    scene.send(&first).await.granted();
    for n in 1..100 {
        scene.send(&sign(&n.to_string())).await.granted();
    }
    for n in 100..120 {
        let refused = scene.send(&sign(&n.to_string())).await;
        let said = (429, "temporarily_unavailable".to_owned());
        assert_eq!(refused.refusal(), said, "{}", refused.body);
        let wait: i64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((3600..=3630).contains(&wait), "{wait}");
    }
    let kept = || {
        redis
            .ask("KEYS sso-lab:idp:jti:lib:*")
            .matches(":jti:")
            .count()
    };
    assert_eq!(kept(), 100);
    // Another client is not held up.
    let mut claims = scene.claims("x", &json!({"iss": "lib2", "sub": "lib2"}));
    claims["exp"] = json!(scene.now() + 60);
    let machine = scene.machine.identified_by(ClientAuth::public("lib2"));
    let theirs = other.sign(&header, &claims);
    send_as(&machine, &theirs).await.granted();
    // What was refused for the limit may be sent again later, and what was used may not.
    scene.platform.advance(Duration::from_secs(3590));
    let refused = scene.send(&first).await;
    assert_ne!(refused.status, 200, "{}", refused.body);
    scene.platform.advance(Duration::from_secs(40));
    let later = json!({"exp": scene.now() + 3600});
    let later = key.sign(&header, &scene.claims("100", &later));
    scene.send(&later).await.granted();
    let again = scene.send(&later).await;
    assert_eq!(again.refusal(), (401, "invalid_client".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc7517_4_5_the_key_matches_by_kid_type_algorithm_and_use() {
    let (ec, rsa) = (TestKey::es256(), TestKey::rs256());
    let mut for_encryption = TestKey::es256().jwk("1");
    for_encryption["use"] = json!("enc");
    let unheard = json!({"kty": "quantum", "kid": "1"});
    let keys = json!([
        unheard,
        for_encryption,
        rsa.jwk("1"),
        TestKey::es256().jwk("1"),
        ec.jwk("1")
    ]);
    let scene = Scene::set(&config(&keys, "")).await;
    let mut jti = 0;
    for key in [&ec, &rsa] {
        for header in [
            json!({"alg": key.alg(), "kid": "1"}),
            json!({"alg": key.alg()}),
        ] {
            jti += 1;
            let claims = scene.claims(&jti.to_string(), &json!({}));
            let answer = scene.send(&key.sign(&header, &claims)).await;
            assert_eq!(answer.status, 200, "{header}: {}", answer.body);
        }
    }
    let strangers = TestKey::es256();
    for header in [
        json!({"alg": "ES256", "kid": "1"}),
        json!({"alg": "ES256"}),
        json!({"alg": "ES256", "crit": ["b64"]}),
    ] {
        let claims = scene.claims("stranger", &json!({}));
        let answer = scene.send(&strangers.sign(&header, &claims)).await;
        assert_eq!(
            answer.refusal(),
            (401, "invalid_client".to_owned()),
            "{header}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_jwks_file_is_an_error_at_the_start_with_file_and_key() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    let private = TestKey::eddsa();
    let bad = [
        ("not-json", "nonsense".to_owned()),
        ("no-set", json!([private.jwk("1")]).to_string()),
        ("empty", json!({"keys": []}).to_string()),
        (
            "symmetric",
            json!({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}).to_string(),
        ),
        ("endless", format!("{{\"keys\": [{}]}}", " ".repeat(70_000))),
    ];
    let mut text = BUILT_IN.to_owned();
    for (name, content) in &bad {
        std::fs::write(path(name), content).unwrap();
        text += &client(name, path(name).to_str().unwrap());
    }
    text += &client("absent", path("absent").to_str().unwrap());
    text += &client("folder", home.path().to_str().unwrap());
    std::fs::write(path("idp.toml"), text).unwrap();
    let flags = [
        format!("--port-offset={}", free_offset(1)),
        format!("--config={}", path("idp.toml").display()),
    ];
    let environment = [("REDIS_URL".to_owned(), String::new())];
    let mut child = Child::spawn(&binary("idp"), &flags, &environment, path("log"));
    let ended = tokio::task::block_in_place(|| child.wait(Duration::from_secs(60)));
    let output = child.output();
    assert_eq!(ended.and_then(|status| status.code()), Some(2), "{output}");
    for name in [
        "not-json",
        "no-set",
        "empty",
        "symmetric",
        "endless",
        "absent",
        "folder",
    ] {
        let line = format!("idp.toml: clients[{name}].jwks_file: ");
        assert!(output.contains(&line), "{line} in {output}");
    }
    assert!(
        !output.contains("clients[app2]"),
        "app2 writes its own: {output}"
    );
}

fn client(name: &str, file: &str) -> String {
    format!(
        "\n[[clients]]\nclient_id = \"{name}\"\nname = \"x\"\nauth = [\"private_key_jwt\"]\n\
         jwks_file = \"{file}\"\ngrants = [\"client_credentials\"]\naudiences = [\"https://api-1\"]\n"
    )
}
