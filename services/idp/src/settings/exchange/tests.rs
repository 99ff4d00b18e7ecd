//! Policies of token exchange and trusted issuers, read and refused.

use kit::config::Addresses;

use super::super::{DEFAULT, Settings};

fn parse(more: &str) -> Result<Settings, Vec<String>> {
    let text = format!("{DEFAULT}\n{more}");
    Settings::parse("test.toml", &text, &Addresses::default(), None)
        .map_err(|problems| problems.lines().to_vec())
}

/// Whether `errors` are those of these keys, one each.
fn are(errors: &[String], keys: &[&str]) {
    assert_eq!(errors.len(), keys.len(), "{errors:#?}");
    for (error, key) in errors.iter().zip(keys) {
        let start = format!("test.toml: {key}: ");
        assert!(error.starts_with(&start), "{error} is not about {key}");
    }
}

#[test]
fn every_error_of_an_exchange_is_named_at_once_with_its_key() {
    let errors = parse(
        r#"
        [[exchanges]]
        client = "nobody"
        issuer = "https://unknown.example"
        from = "anything"
        to = "https://nowhere"
        mode = "both"
        own_tokens = true
        actors = ["alice", "mallory"]
        max_actors = 5
        scopes = { "x" = [] }
        [[exchanges]]
        client = "batch"
        from = "https://nowhere"
        to = "https://api-2"
        actors = []
        max_actors = 0
        scopes = { "https://api-1/read" = ["https://api-1/read"] }
        "#,
    );
    are(
        &errors.unwrap_err(),
        &[
            "exchanges[5].client",
            "exchanges[5].issuer",
            "exchanges[5].to",
            "exchanges[5].mode",
            "exchanges[5].own_tokens",
            "exchanges[5].max_actors",
            "exchanges[5].actors",
            "exchanges[6].from",
            "exchanges[6].scopes",
            "exchanges[6].max_actors",
            "exchanges[6].actors",
        ],
    );
}

#[test]
fn every_error_of_a_trusted_issuer_is_named_at_once_with_its_key() {
    let errors = parse(
        r#"
        [[trusted_issuers]]
        issuer = "http://partner.example"
        internal_url = "partner"
        users = { "1" = "mallory" }
        [[trusted_issuers]]
        issuer = "https://partner.example"
        jwks = { keys = [] }
        jwks_file = "x"
        users = {}
        [[trusted_issuers]]
        issuer = "https://partner.example"
        jwks = { keys = [] }
        users = { "1" = "alice" }
        "#,
    );
    are(
        &errors.unwrap_err(),
        &[
            "trusted_issuers[0].issuer",
            "trusted_issuers[0].internal_url",
            "trusted_issuers[0].users",
            "trusted_issuers[1].jwks",
            "trusted_issuers[2].jwks",
            "trusted_issuers",
        ],
    );
}

#[test]
fn a_trusted_issuer_maps_a_bounded_number_of_bounded_subjects() {
    let users = |count: usize, prefix: &str| {
        let all = (0..count).map(|n| format!("\"{prefix}{n}\" = \"alice\""));
        let all = all.collect::<Vec<_>>().join(", ");
        let issuer = "issuer = \"https://partner.example\"";
        parse(&format!(
            "[[trusted_issuers]]\n{issuer}\nusers = {{ {all} }}\n"
        ))
    };
    let settings = users(1000, "").unwrap();
    let trusted = settings.trusted_issuer("https://partner.example").unwrap();
    let alice = settings.user_named("alice").unwrap();
    assert_eq!(trusted.users["7"], alice.sub);
    assert_eq!(trusted.reached_at, trusted.issuer);
    are(&users(1001, "").unwrap_err(), &["trusted_issuers[0].users"]);
    let long = "s".repeat(255);
    are(&users(1, &long).unwrap_err(), &["trusted_issuers[0].users"]);
}

#[test]
fn a_client_acts_for_the_users_whom_its_policies_issuers_name() {
    let settings = parse(
        r#"
        [[trusted_issuers]]
        issuer = "https://partner.example"
        users = { "1" = "alice" }
        [[exchanges]]
        client = "api-1"
        issuer = "https://partner.example"
        from = "urn:partner"
        to = "https://api-2"
        scopes = { "*" = ["https://api-2/read"] }
        "#,
    )
    .unwrap();
    let client = |id| settings.client(id).unwrap();
    let user = |name| settings.user_named(name).unwrap();
    assert!(settings.maps(client("api-1"), user("alice")));
    assert!(!settings.maps(client("api-1"), user("bob")));
    assert!(!settings.maps(client("app1"), user("alice")));
}

#[test]
fn rfc8693_4_4_only_a_client_may_be_the_one_that_may_act() {
    let text = DEFAULT.replacen("title = ", "may_act = \"alice\"\ntitle = ", 1);
    let errors = Settings::parse("test.toml", &text, &Addresses::default(), None);
    are(errors.unwrap_err().lines(), &["resources[0].may_act"]);
}

#[test]
fn rfc9700_4_15_no_user_has_the_sub_of_a_client() {
    let text = DEFAULT.replacen("u-7f3c1e0a52", "batch", 1);
    let errors = Settings::parse("test.toml", &text, &Addresses::default(), None);
    are(errors.unwrap_err().lines(), &["users[alice].sub"]);
}

#[test]
fn rfc7523_2_1_a_client_that_names_users_has_the_grant_and_keys() {
    let client = |grant: &str, more: &str| {
        parse(&format!(
            "[[clients]]\nclient_id = \"c\"\nname = \"c\"\nauth = [\"client_secret_basic\"]\n\
             secret = \"a-secret-of-its-own\"\naudiences = [\"https://api-1\"]\n\
             grants = [\"{grant}\"]\n{more}\n"
        ))
    };
    let users = "jwt_bearer_users = [\"alice\"]";
    let errors = client("client_credentials", users).unwrap_err();
    are(&errors, &["clients[c].jwt_bearer_users"]);
    let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    let errors = client(grant, users).unwrap_err();
    are(&errors, &["clients[c].jwks_file"]);
    let settings = parse("").unwrap();
    let batch = settings.client("batch-jwt").unwrap();
    for (name, may) in [("alice", true), ("bob", true)] {
        let user = settings.user_named(name).unwrap();
        assert_eq!(settings.may_name(batch, user), may);
        assert!(!settings.may_name(settings.client("batch").unwrap(), user));
    }
}
