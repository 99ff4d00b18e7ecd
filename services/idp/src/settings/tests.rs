//! The configuration file, read and refused.

use super::*;

fn parse(text: &str) -> Result<Settings, Vec<String>> {
    Settings::parse("test.toml", text, &Addresses::default(), None)
        .map_err(|problems| problems.lines().to_vec())
}

#[test]
fn the_built_in_configuration_is_the_contracts() {
    let settings = parse(DEFAULT).unwrap();
    let app1 = settings.client("app1").unwrap();
    assert_eq!(app1.redirect_uris, ["http://app1.localhost:8082/callback"]);
    assert!(app1.first_party && app1.rotate_refresh_tokens);
    assert!(!settings.client("demo_rp").unwrap().first_party);
    assert_eq!(settings.user_named("alice").unwrap().roles, ["manager"]);
    assert_eq!(settings.lifetimes.access_token, Duration::from_secs(900));
    assert!(
        settings.user_named("carol").is_none(),
        "she needs a second factor"
    );
}

#[test]
fn every_error_is_named_at_once_with_file_and_key() {
    let text = DEFAULT
        .replace("code = \"60s\"", "code = \"61s\"")
        .replacen("auth = [\"private_key_jwt\"]", "auth = [\"password\"]", 1)
        .replace(
            "redirect_uris = [\"${app1}/callback\"]",
            "redirect_uris = [\"http://x/#f\"]",
        )
        .replace("client = \"api-1\"", "client = \"nobody\"");
    let errors = parse(&text).unwrap_err();
    let all = errors.join("\n");
    assert_eq!(errors.len(), 4, "{all}");
    assert!(all.contains("test.toml: lifetimes.code: "), "{all}");
    assert!(all.contains("test.toml: clients[app2].auth: "), "{all}");
    assert!(
        all.contains("test.toml: clients[app1].redirect_uris: "),
        "{all}"
    );
    assert!(all.contains("test.toml: exchanges[0].client: "), "{all}");
}

/// The built-in configuration with something else in alice's table.
fn with_alices(field: &str, value: &str) -> Result<Settings, Vec<String>> {
    let (before, alice) = DEFAULT.split_once("username = \"alice\"").unwrap();
    let alice = format!("username = \"alice\"{alice}");
    let line = alice.lines().find(|line| line.starts_with(field)).unwrap();
    parse(&format!(
        "{before}{}",
        alice.replacen(line, &format!("{field} = {value}"), 1)
    ))
}

#[test]
fn all_that_goes_into_a_token_is_bounded_and_said_with_the_users_name() {
    let many = |count: usize, length: usize| format!("{:?}", vec!["r".repeat(length); count]);
    for (field, most, over) in [
        ("roles", many(19, 128), many(200, 30)),
        ("roles", many(100, 20), many(101, 1)),
        ("roles", many(1, 128), many(1, 129)),
        (
            "name",
            format!("{:?}", "n".repeat(2048)),
            format!("{:?}", "n".repeat(2049)),
        ),
        (
            "email",
            format!("{:?}", "e".repeat(254)),
            format!("{:?}", "e".repeat(255)),
        ),
        (
            "name",
            format!("{:?}", "\"".repeat(1024)),
            format!("{:?}", "\"".repeat(1025)),
        ),
    ] {
        assert!(with_alices(field, &most).is_ok(), "{field}");
        let errors = with_alices(field, &over).unwrap_err();
        let key = format!("test.toml: users[alice].{field}: ");
        assert!(
            !errors.is_empty() && errors.iter().all(|error| error.starts_with(&key)),
            "{errors:?}"
        );
    }
    let sub = DEFAULT.replace("u-7f3c1e0a52", &"s".repeat(256));
    assert!(parse(&sub).unwrap_err()[0].contains("users[alice].sub: "));
    for (from, to, key) in [
        (
            "\"app1\"\nname",
            format!("\"{}\"\nname", "c".repeat(129)),
            "client_id: ",
        ),
        (
            "https://api-2/read",
            format!("https://api-2/{}", "r".repeat(800)),
            "resources[1].scopes: ",
        ),
    ] {
        let all = parse(&DEFAULT.replace(from, &to)).unwrap_err().join("\n");
        assert!(all.contains(key), "{key} in {all}");
    }
}

#[test]
fn rfc8265_names_that_are_the_same_once_prepared_are_refused() {
    for (first, second) in [
        ("zo\u{eb}", "zoe\u{308}"),
        ("bob ", "bob"),
        ("\u{ff42}ob", "bob"),
    ] {
        let text = DEFAULT
            .replace("username = \"alice\"", &format!("username = \"{first}\""))
            .replace("username = \"bob\"", &format!("username = \"{second}\""));
        let errors = parse(&text).unwrap_err();
        assert!(
            errors[0].contains("is defined twice"),
            "{first:?}: {errors:?}"
        );
    }
    let errors = with_alices("username", &format!("{:?}", "a".repeat(129))).unwrap_err();
    assert!(errors[0].contains("1 to 128 characters"), "{errors:?}");
    let errors = with_alices("username", "\"ali\u{1F600}ce\"").unwrap_err();
    assert!(errors[0].contains("U+1F600"), "{errors:?}");
}

#[test]
fn users_hashes_have_a_few_costs_at_most_and_each_is_bounded() {
    let alices = parse(DEFAULT)
        .unwrap()
        .user_named("alice")
        .unwrap()
        .password_hash
        .to_string();
    let dear = alices.replace("m=19456", "m=1048576");
    let errors = parse(&DEFAULT.replace(&alices, &dear)).unwrap_err();
    assert!(
        errors[0].contains("users[alice].password_hash: m (KiB"),
        "{errors:?}"
    );
    let (rest, _) = DEFAULT.split_once("[[users]]").unwrap();
    let users = |count: u32| {
        let user = |n| {
            let hash = alices.replace("t=2", &format!("t={n}"));
            format!(
                "[[users]]\nsub = \"{n}\"\nusername = \"u{n}\"\nname = \"\"\nemail = \"\"\npassword_hash = \"{hash}\"\n"
            )
        };
        let users: String = (1..=count).map(user).collect();
        parse(&format!("{rest}{users}"))
    };
    assert!(users(4).is_ok());
    let errors = users(5).unwrap_err();
    assert!(errors[0].contains("5 different costs"), "{errors:?}");
}

#[test]
fn a_clients_other_addresses_keep_to_the_rules_of_redirect_uris() {
    let settings = parse(DEFAULT).unwrap();
    let app1 = settings.client("app1").unwrap();
    assert_eq!(
        app1.post_logout_redirect_uris,
        ["http://app1.localhost:8082/"]
    );
    let told_at = app1.backchannel_logout_uri.as_ref().unwrap();
    let uri = "http://app1.localhost:8082/backchannel-logout";
    assert_eq!(told_at.as_str(), uri);
    let text = DEFAULT
        .replace("[\"${app1}/\"]", "[\"http://x.example/\"]")
        .replace("\"${app1}/backchannel-logout\"", "\"https://x/#f\"")
        .replace("\"${app2}/login\"", "\"http://x.example/login\"")
        .replace("backchannel_logout_uri = \"${app2}", "# \"");
    let errors = parse(&text).unwrap_err();
    let all = errors.join("\n");
    assert_eq!(errors.len(), 4, "{all}");
    for key in [
        "clients[app2].initiate_login_uri: ",
        "clients[app1].post_logout_redirect_uris: ",
        "clients[app1].backchannel_logout_uri: ",
        "clients[app2].backchannel_logout_session_required: ",
    ] {
        assert!(all.contains(key), "{key} in {all}");
    }
}

#[test]
fn an_error_names_the_line_and_never_shows_it() {
    let text = DEFAULT.replace("secret = \"app1-secret\"", "secret = app1-secret");
    let errors = parse(&text).unwrap_err();
    assert!(errors[0].starts_with("test.toml, line "), "{errors:?}");
    assert!(!errors[0].contains("app1-secret"), "{errors:?}");
}

#[test]
fn rfc6749_4_4_a_public_client_cannot_act_as_itself() {
    let text = DEFAULT.replace(
        "auth = [\"client_secret_basic\"]\nsecret = \"batch-secret\"",
        "auth = [\"none\"]",
    );
    let errors = parse(&text).unwrap_err();
    assert!(errors[0].contains("clients[batch].grants"), "{errors:?}");
}

#[test]
fn rfc7662_2_1_who_may_introspect_is_a_setting_of_each_confidential_client() {
    let settings = parse(DEFAULT).unwrap();
    for (client, own) in [
        ("api-1", &["https://api-1"][..]),
        ("api-2", &["https://api-2"]),
        ("app1", &[]),
    ] {
        assert_eq!(settings.client(client).unwrap().introspects, own);
    }
    assert!(settings.client("api-2").unwrap().grants.is_empty());
    let own = "introspects = [\"https://api-2\"]";
    for (from, to, key) in [
        (own, "introspects = [\"https://nowhere\"]", "introspects: "),
        (own, "", "grants: at least one"),
        (
            "auth = [\"client_secret_basic\"]\nsecret = \"api-2-secret\"",
            "auth = [\"none\"]",
            "introspects: ",
        ),
        (
            own,
            "introspects = [\"https://api-2\"]\nintrospection_signed_response_alg = \"none\"",
            "introspection_signed_response_alg: ",
        ),
    ] {
        let errors = parse(&DEFAULT.replace(from, to)).unwrap_err();
        let key = format!("test.toml: clients[api-2].{key}");
        assert!(errors[0].starts_with(&key), "{key} in {errors:?}");
    }
}

/// The built-in configuration without its users, and `users` in a state directory.
fn with_users_file(users: Option<&str>, more: &str) -> (Result<Settings, String>, String) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("users.toml");
    if let Some(users) = users {
        std::fs::write(&path, users).unwrap();
    }
    let rest = &DEFAULT[..DEFAULT.find("[[users]]").unwrap()];
    let text = format!("users_file = \"users.toml\"\n{rest}{more}");
    let read = Settings::parse("test.toml", &text, &Addresses::default(), Some(home.path()));
    let read = read.map_err(|problems| problems.to_string());
    (read, path.display().to_string())
}

#[test]
fn users_may_be_in_a_file_of_their_own_or_in_both() {
    let users = &DEFAULT[DEFAULT.find("[[users]]").unwrap()..];
    let (alice, bob) = users.split_at(users.rfind("[[users]]").unwrap());
    for (file, here) in [(users, ""), (alice, bob), ("", users)] {
        let settings = with_users_file(Some(file), here).0.unwrap();
        assert_eq!(settings.users().len(), 2);
        assert_eq!(settings.user_named("bob").unwrap().roles, ["clerk"]);
    }
    let twice = with_users_file(Some(users), bob).0.unwrap_err();
    assert!(
        twice.contains("users (username): \"bob\" is defined twice"),
        "{twice}"
    );
}

#[test]
fn what_is_wrong_with_the_users_file_is_said_with_its_name_and_beside_all_else() {
    let users = &DEFAULT[DEFAULT.find("[[users]]").unwrap()..];
    let wrong = users
        .replace("$argon2id$", "$argon2i$")
        .replace("u-2b90d4c8e1", "");
    let (read, path) = with_users_file(
        Some(&wrong),
        "[[exchanges]]\nclient = \"x\"\nfrom = \"\"\nto = \"\"\nscopes = {}\n",
    );
    let said = read.unwrap_err();
    for line in [
        "users[alice].password_hash: ",
        "users[bob].password_hash: ",
        "users[bob].sub: ",
    ] {
        assert!(
            said.contains(&format!("{path}: {line}")),
            "{line} in {said}"
        );
    }
    assert!(said.contains("test.toml: exchanges[5].client: "), "{said}");
    assert!(said.contains("sso-lab config hash-password"), "{said}");
    let (read, path) = with_users_file(None, "");
    let said = read.unwrap_err();
    assert!(
        said.starts_with(&format!("test.toml: users_file: {path}: ")),
        "{said}"
    );
    let (read, path) = with_users_file(Some("[[users]]\npassword = hidden"), "");
    let said = read.unwrap_err();
    assert!(said.starts_with(&format!("{path}, line 2: ")), "{said}");
    assert!(!said.contains("hidden"), "{said}");
    let (read, path) = with_users_file(Some("[lifetimes]"), "");
    assert!(read.unwrap_err().starts_with(&format!("{path}, line 1: ")));
}

#[test]
fn a_clients_secret_file_is_in_the_state_directory_or_where_its_path_says() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("app1-secret"), "kept\n").unwrap();
    let whole = home.path().join("app1-secret").display().to_string();
    for name in ["app1-secret", &whole] {
        let file = format!("secret_file = {name:?}");
        let text = DEFAULT.replace("secret = \"app1-secret\"", &file);
        let dir = Some(home.path());
        let settings = Settings::parse("test", &text, &Addresses::default(), dir).unwrap();
        assert!(settings.client("app1").unwrap().has_secret("kept"));
    }
}

#[test]
fn an_unknown_key_is_an_error() {
    let errors = parse(&format!("surprise = 1\n{DEFAULT}")).unwrap_err();
    assert!(errors[0].contains("surprise"), "{errors:?}");
}

#[test]
fn a_scope_belongs_to_its_resource_alone() {
    let settings = parse(DEFAULT).unwrap();
    let scope: Scope = "openid https://api-1/read https://api-2/read"
        .parse()
        .unwrap();
    assert_eq!(
        settings.scope_at(&scope, "https://api-1").to_string(),
        "https://api-1/read"
    );
    assert!(settings.scope_at(&scope, "https://nowhere").is_empty());
}

#[test]
fn fuzz_the_configuration_file() {
    fuzz::run_text(&[DEFAULT], |text| {
        let read = Settings::parse("my.toml", text, &Addresses::default(), None);
        if let Err(problems) = read {
            let lines = problems.lines();
            assert!(!lines.is_empty() && lines.iter().all(|line| line.contains("my.toml")));
        }
    });
}
