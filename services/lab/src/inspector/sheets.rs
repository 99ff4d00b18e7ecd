//! From what services and browser keep to the sheets of the page: a pure function.

use kit::{clock::Timestamp, config::Site};
use serde_json::Value;
use web_kit::ui::utc;

use super::cookies::Kept;

/// What one party keeps.
pub(super) struct Sheet {
    pub(super) class: &'static str,
    pub(super) title: String,
    /// A sentence, where it says more than the rows.
    pub(super) note: &'static str,
    pub(super) tables: Vec<Table>,
}

/// Things of one kind.
pub(super) struct Table {
    pub(super) title: String,
    pub(super) rows: Vec<Row>,
}

/// One value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) text: String,
    /// How long it goes on, in milliseconds.
    pub(super) remaining_ms: Option<u64>,
}

impl Row {
    /// How long it goes on, in words.
    pub(super) fn left(&self) -> String {
        let seconds = self.remaining_ms.unwrap_or_default().div_ceil(1000);
        let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
        let rest = seconds % 60;
        match (days, hours, minutes) {
            (0, 0, 0) => format!("{rest}\u{a0}s"),
            (0, 0, _) => format!("{minutes}\u{a0}min {rest}\u{a0}s"),
            (0, ..) => format!("{hours}\u{a0}h {minutes}\u{a0}min {rest}\u{a0}s"),
            _ => format!("{days}\u{a0}d {hours}\u{a0}h {minutes}\u{a0}min"),
        }
    }
}

/// The sheets of a service that answered `said`.
pub(super) fn of_service(site: Site, said: &Value) -> Vec<Sheet> {
    if site == Site::Idp {
        return of_provider(said);
    }
    let name = site.short_name();
    let session = &said["session"];
    let (note, tables) = match session["place"].as_str() {
        None => (
            "No request of this journey has used a session here.",
            Vec::new(),
        ),
        Some("ended") => ("The session that this journey used has ended.", Vec::new()),
        Some("unknown") => (
            "The app cannot read its store now.",
            vec![table("Error", vec![text("error", session, "error")])],
        ),
        Some("cookies") => (
            "The session is in the browser's cookies, sealed. The store holds nothing of it.",
            vec![about(session)],
        ),
        Some(_) => (
            "The record is sealed as a whole with a key that only the app has. Tokens are shown by fingerprint and size.",
            record(session),
        ),
    };
    vec![Sheet {
        class: site.short_name(),
        title: format!("{name}: the session"),
        note,
        tables,
    }]
}

/// The sheet of the browser.
pub(super) fn of_browser(cookies: &[Kept]) -> Sheet {
    let tables = cookies.iter().map(|cookie| {
        let rows = vec![
            plain("value", hidden_text(&cookie.fingerprint, Some(cookie.size))),
            plain("attributes", cookie.attributes.clone()),
        ];
        table(&format!("{} at {}", cookie.name, cookie.service), rows)
    });
    Sheet {
        class: "lab",
        title: "The browser: its cookies".to_owned(),
        note: "As far as this journey's requests and answers told of them.",
        tables: tables.collect(),
    }
}

fn about(session: &Value) -> Table {
    let rows = vec![
        text("mode", session, "mode"),
        print("user", &session["user"]),
        print("login session (sid)", &session["login_session"]),
        time("created", &session["created_at"]),
        time("last extended", &session["extended_at"]),
        lasts("ends without use", &session["idle_ms"]),
        lasts("ends at the latest", &session["ends_ms"]),
    ];
    table("Who and how long", rows)
}

fn record(session: &Value) -> Vec<Table> {
    let bytes = session["sealed_bytes"].as_u64().unwrap_or_default();
    let stored = vec![
        print("key", &session["key"]),
        plain("value", format!("sealed, {bytes}\u{a0}bytes")),
    ];
    let secrets = vec![
        hidden("refresh token", &session["refresh_token"]),
        hidden("ID token", &session["id_token"]),
        hidden("User-Agent", &session["device"]),
    ];
    let tokens = session["access_tokens"].as_array();
    let tokens = tokens.into_iter().flatten().map(|token| {
        let rows = vec![hidden("token", token), lasts("ends", &token["ends_ms"])];
        let audience = token["for"].as_str().unwrap_or_default();
        table(&format!("Access token for {audience}"), rows)
    });
    let mut tables = vec![table("In the store", stored), about(session)];
    tables.extend(tokens);
    tables.push(table("Other parts", secrets));
    tables
}

fn of_provider(said: &Value) -> Vec<Sheet> {
    let login = &said["login"];
    let (note, mut tables) = if login.is_null() {
        (
            "No request of this journey has used a login session.",
            Vec::new(),
        )
    } else if login["ended"] == true {
        (
            "The login session that this journey used has ended.",
            Vec::new(),
        )
    } else if login["error"].is_string() {
        let rows = vec![text("error", login, "error")];
        (
            "The provider cannot read its store now.",
            vec![table("Error", rows)],
        )
    } else {
        let rows = vec![
            print("login session (sid)", &login["login_session"]),
            print("user", &login["user"]),
            time("signed in", &login["signed_in_at"]),
            text("acr", login, "acr"),
            plain("amr", list(&login["amr"])),
            lasts("ends", &login["ends_ms"]),
        ];
        (
            "Each grant has one refresh token. The provider stores its generation, never the token.",
            vec![table("Login session", rows)],
        )
    };
    let grants = login["grants"].as_array().into_iter().flatten();
    tables.extend(grants.map(grant));
    let keys = said["keys"].as_array().into_iter().flatten();
    vec![
        Sheet {
            class: "idp",
            title: "idp: the login session and its grants".to_owned(),
            note,
            tables,
        },
        Sheet {
            class: "idp",
            title: "idp: the signing keys".to_owned(),
            note: "Everybody can read their public halves at /jwks. The private halves are sealed in the store.",
            tables: keys.map(key).collect(),
        },
    ]
}

fn grant(grant: &Value) -> Table {
    let generation = grant["generation"].as_u64();
    let rows = vec![
        print("id", &grant["id"]),
        text("state", grant, "state"),
        text("scope", grant, "scope"),
        plain("audiences", list(&grant["audiences"])),
        plain(
            "generation of the refresh token",
            generation.map_or_else(|| "none".to_owned(), |number| number.to_string()),
        ),
        lasts("refresh token ends", &grant["refresh_ms"]),
        lasts("ends", &grant["ends_ms"]),
    ];
    let client = grant["client_id"].as_str().unwrap_or_default();
    table(&format!("Grant to {client}"), rows)
}

fn key(key: &Value) -> Table {
    let rows = vec![
        text("kid", key, "kid"),
        text("state", key, "state"),
        time("created", &key["created_at"]),
        lasts("published until", &key["published_ms"]),
    ];
    table(key["alg"].as_str().unwrap_or_default(), rows)
}

/// A table without the rows that say nothing.
fn table(title: &str, rows: Vec<Row>) -> Table {
    let says = |row: &Row| !row.text.is_empty() || row.remaining_ms.is_some();
    Table {
        title: title.to_owned(),
        rows: rows.into_iter().filter(says).collect(),
    }
}

const fn plain(name: &'static str, text: String) -> Row {
    Row {
        name,
        text,
        remaining_ms: None,
    }
}

fn text(name: &'static str, of: &Value, member: &str) -> Row {
    plain(name, of[member].as_str().unwrap_or_default().to_owned())
}

fn print(name: &'static str, fingerprint: &Value) -> Row {
    let shown = fingerprint.as_str().map(|print| hidden_text(print, None));
    plain(name, shown.unwrap_or_default())
}

fn hidden(name: &'static str, value: &Value) -> Row {
    let shown = value["fingerprint"].as_str();
    let shown = shown.map(|print| hidden_text(print, value["size"].as_u64()));
    plain(name, shown.unwrap_or_default())
}

fn hidden_text(fingerprint: &str, size: Option<u64>) -> String {
    match size {
        Some(size) => format!("●{fingerprint}, {size}\u{a0}bytes"),
        None => format!("●{fingerprint}"),
    }
}

fn time(name: &'static str, secs: &Value) -> Row {
    let shown = secs.as_i64().map(|secs| utc(Timestamp::from_secs(secs)));
    plain(name, shown.unwrap_or_default())
}

fn lasts(name: &'static str, millis: &Value) -> Row {
    Row {
        name,
        text: String::new(),
        remaining_ms: millis.as_u64(),
    }
}

fn list(all: &Value) -> String {
    let all = all.as_array().into_iter().flatten();
    let all: Vec<_> = all.filter_map(Value::as_str).collect();
    all.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row<'s>(sheets: &'s [Sheet], table: &str, name: &str) -> &'s Row {
        let mut tables = sheets.iter().flat_map(|sheet| &sheet.tables);
        let table = tables.find(|one| one.title == table).unwrap();
        table.rows.iter().find(|row| row.name == name).unwrap()
    }

    #[test]
    fn a_record_in_the_store_is_shown_by_its_parts() {
        let session = json!({
            "place": "store", "mode": "stateful", "user": "aaaaaa", "login_session": "bbbbbb",
            "created_at": 1_800_000_000, "extended_at": 1_800_000_000,
            "idle_ms": 61_000, "ends_ms": 7_260_000, "key": "cccccc", "sealed_bytes": 2048,
            "id_token": { "fingerprint": "dddddd", "size": 900 },
            "refresh_token": null, "device": null,
            "access_tokens": [
                { "fingerprint": "eeeeee", "size": 700, "for": "https://api-1", "ends_ms": 5_000 },
            ],
        });
        let sheets = of_service(Site::App1, &json!({ "session": session }));
        assert_eq!(
            row(&sheets, "In the store", "value").text,
            "sealed, 2048\u{a0}bytes"
        );
        assert_eq!(row(&sheets, "In the store", "key").text, "●cccccc");
        let ends = row(&sheets, "Access token for https://api-1", "ends");
        assert_eq!(
            (ends.remaining_ms, &*ends.left()),
            (Some(5_000), "5\u{a0}s")
        );
        let idle = row(&sheets, "Who and how long", "ends without use");
        assert_eq!(idle.left(), "1\u{a0}min 1\u{a0}s");
        let latest = row(&sheets, "Who and how long", "ends at the latest");
        assert_eq!(latest.left(), "2\u{a0}h 1\u{a0}min 0\u{a0}s");
        let others = &sheets[0].tables.last().unwrap().rows;
        assert_eq!(others.len(), 1, "the parts that are there: {others:?}");
    }

    #[test]
    fn a_long_life_is_in_days() {
        let left = |millis: u64| lasts("ends", &json!(millis)).left();
        assert_eq!(
            left((7 * 86_400 - 60) * 1000),
            "6\u{a0}d 23\u{a0}h 59\u{a0}min"
        );
        assert_eq!(left(86_399_000), "23\u{a0}h 59\u{a0}min 59\u{a0}s");
    }

    #[test]
    fn where_nothing_is_kept_the_page_says_so() {
        let note = |said: &Value| {
            let sheets = of_service(Site::App2, said);
            (sheets[0].note, sheets[0].tables.len())
        };
        let (unused, tables) = note(&json!({ "session": null }));
        assert!(unused.contains("No request") && tables == 0);
        let (stateless, tables) = note(&json!({ "session": { "place": "cookies" } }));
        assert!(stateless.contains("holds nothing") && tables == 1);
        assert!(
            note(&json!({ "session": { "place": "ended" } }))
                .0
                .contains("has ended")
        );
        let provider = of_service(Site::Idp, &json!({ "keys": [], "login": null }));
        assert!(provider[0].note.contains("No request"));
    }

    #[test]
    fn grants_and_keys_of_the_provider_are_shown() {
        let said = json!({
            "keys": [{ "kid": "k1", "alg": "ES256", "state": "signing", "created_at": null, "published_ms": null }],
            "login": {
                "login_session": "aaaaaa", "user": "bbbbbb", "signed_in_at": 1_800_000_000,
                "acr": "pwd", "amr": ["pwd"], "ends_ms": 1_000,
                "grants": [{
                    "id": "cccccc", "client_id": "app1", "scope": "openid", "state": "active",
                    "audiences": ["https://api-1", "https://api-2"], "generation": 3,
                    "refresh_ms": 9_000, "ends_ms": 9_000,
                }],
            },
        });
        let sheets = of_service(Site::Idp, &said);
        let number = row(&sheets, "Grant to app1", "generation of the refresh token");
        assert_eq!(number.text, "3");
        assert_eq!(row(&sheets, "ES256", "kid").text, "k1");
        assert_eq!(row(&sheets, "ES256", "state").text, "signing");
    }
}
