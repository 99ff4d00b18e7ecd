//! The figures of docs/credentials.md: what each way costs by which an app gets its
//! credential for an API.

use std::{fmt::Write as _, io};

use serde_json::Value;

use crate::results::{self, Credentials, Way};

/// The methods, in the order in which tables show them.
pub const METHODS: [&str; 7] = [
    "refresh",
    "token_exchange",
    "client_credentials",
    "jwt_bearer",
    "mtls",
    "api_key",
    "identity_header",
];

/// Whether `audience` takes a credential by `method`.
pub fn suits(method: &str, audience: &str) -> bool {
    let takes_tokens_alone = audience == "https://api-2";
    !takes_tokens_alone || METHODS[..4].contains(&method)
}

/// What an API knows that says `whoami`.
pub fn knows(whoami: &Value) -> &'static str {
    if whoami["stated_by"].is_string() {
        return "the user, by the app's word";
    }
    match (&whoami["sub"], &whoami["act"]) {
        (Value::String(sub), _) if *sub == whoami["client_id"] => "the app alone",
        (Value::String(_), Value::Object(_)) => "the user, and that the app acts",
        (Value::String(_), _) => "the user",
        _ => "no user",
    }
}

/// A line of progress.
pub fn line(way: &Way) -> String {
    format!(
        "{} at {}: {:.2} requests, {:.1} ms with a renewal, {:.1} ms without, {} bytes",
        name(way),
        way.audience,
        way.requests,
        way.renewed_ms,
        way.kept_ms,
        way.bytes
    )
}

fn name(way: &Way) -> String {
    let bound = if way.bound { " with `BFF_DPOP`" } else { "" };
    format!("`{}`{bound}", way.method)
}

/// The table, from the stored figures.
pub fn tables() -> io::Result<String> {
    Ok(of_credentials(&results::read("credentials")?))
}

/// The table of a run of `scripts/bench credentials`.
pub fn of_credentials(figures: &Credentials) -> String {
    let mut text = format!(
        "{} with all services in one process (build profile `{}`), over {} sessions for each row. A renewal includes the requests to the provider; a session renews its credential once in the lifetime of an access token (15 minutes).\n\n",
        figures.machine, figures.profile, figures.sessions
    );
    text.push_str("| method | API | the API knows | requests to the provider per renewal | their time | a call with a renewal | a call without | credential |\n|---|---|---|---|---|---|---|---|\n");
    for way in &figures.ways {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.2} | {:.1} ms | {:.1} ms | {:.1} ms | {} bytes |",
            name(way),
            way.audience.trim_start_matches("https://"),
            way.knows,
            way.requests,
            way.token_ms,
            way.renewed_ms,
            way.kept_ms,
            way.bytes
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_an_api_knows_follows_from_what_it_says() {
        let user = json!({"sub": "alice", "client_id": "app1"});
        let delegated = json!({"sub": "alice", "client_id": "app1", "act": {"sub": "app1"}});
        let app = json!({"sub": "app1-machine", "client_id": "app1-machine"});
        let key = json!({"sub": null, "api_key": {}});
        let stated = json!({"sub": "alice", "stated_by": "spiffe://sso-lab/app1"});
        let known = [&user, &delegated, &app, &key, &stated].map(knows);
        let expected = [
            "the user",
            "the user, and that the app acts",
            "the app alone",
            "no user",
            "the user, by the app's word",
        ];
        assert_eq!(known, expected);
    }
}
