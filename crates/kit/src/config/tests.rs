use std::fs;

use super::*;

#[test]
fn durations() {
    assert_eq!(parse_duration("15m"), Ok(Duration::from_secs(900)));
    assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
    for wrong in ["", "15", "m", "-1s", "1.5h", "1 h", "99999999999999999999d"] {
        assert!(parse_duration(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn oidc_discovery_4_3_an_issuer_is_taken_as_it_was_written() {
    let read = |text: &str| Problems::new().issuer("IDP_ISSUER", text);
    for right in [
        "http://idp.localhost:8081",
        "https://idp.example.com",
        "https://tenant.example.com/",
        "https://login.example.com/tenant/v2.0",
        "https://idp.example.com/realms/lab/",
        "https://IDP.example.com:443",
    ] {
        assert_eq!(read(right).as_deref(), Some(right));
    }
    for wrong in [
        "http://idp.example.com",
        "http://idp.example.com/realm",
        "https://x?q",
        "https://x/#f",
        "https://user@x/",
        "https://user:secret@x/",
        " https://x",
        "https://x/a b",
        "https://x\\y",
        "https://x/\u{e9}",
        "x",
        "",
    ] {
        assert_eq!(read(wrong), None, "{wrong}");
    }
}

#[test]
fn rfc8414_3_our_own_issuer_has_no_path_nor_a_slash_at_its_end() {
    let read = |text: &str| Problems::new().own_issuer("IDP_ISSUER", text);
    for right in ["http://idp.localhost:8081", "https://idp.example.com"] {
        assert_eq!(read(right).as_deref(), Some(right));
    }
    for wrong in [
        "http://idp.example.com",
        "https://x/",
        "https://x/realm",
        "https://x?q",
        "x",
    ] {
        assert_eq!(read(wrong), None, "{wrong}");
    }
}

#[test]
fn an_empty_secret_is_none_and_white_space_makes_none() {
    for blank in ["", " ", "\t                \u{a0}\n"] {
        let mut problems = Problems::new();
        assert!(problems.secret("A", Some(blank), None).is_none());
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), blank).unwrap();
        assert!(problems.secret("B", None, Some(file.path())).is_none());
        let name = "x.toml: clients[a].secret";
        assert!(problems.secret(name, None, Some(file.path())).is_none());
        let lines = [
            "A: the secret is empty",
            "B_FILE: the secret is empty",
            "x.toml: clients[a].secret_file: the secret is empty",
        ];
        assert_eq!(problems.lines(), lines, "{blank:?}");
    }
}

#[test]
fn every_problem_is_kept() {
    let mut problems = Problems::new();
    assert_eq!(problems.http_url("A", "ftp://x"), None);
    assert_eq!(problems.http_url("B", "http://x/?q"), None);
    assert_eq!(
        problems.http_url("C", "http://x:1/"),
        Some("http://x:1".into())
    );
    assert!(
        problems
            .secret("D", None, Some(Path::new("/nowhere")))
            .is_none()
    );
    assert_eq!(problems.lines().len(), 3);
    assert!(problems.lines()[2].starts_with("D_FILE: /nowhere: "));
}

#[test]
fn a_wrong_number_or_url_is_explained() {
    let mut problems = Problems::new();
    for text in ["abc", "", "-1", "99999"] {
        assert_eq!(problems.parse::<u16>("PORT", text), None);
    }
    assert_eq!(problems.http_url("URL", "x y"), None);
    assert_eq!(
        problems.lines(),
        [
            "PORT: \"abc\": a whole number is expected",
            "PORT: \"\": a whole number is expected",
            "PORT: \"-1\": a whole number is expected",
            "PORT: \"99999\": the number is too large",
            "URL: \"x y\": a URL with its scheme is expected, such as http://host:port",
        ]
    );
}

#[test]
fn fuzz_durations() {
    fuzz::run_text(&["90s", "15m", "8h", "7d", "250ms"], |text| {
        if let Ok(time) = parse_duration(text) {
            let written = format!("{}ms", time.as_millis());
            assert_eq!(parse_duration(&written), Ok(time));
        }
    });
}
