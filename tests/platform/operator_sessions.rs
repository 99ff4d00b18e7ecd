//! The operator's view of the login sessions: gRPC, and the command line.

use std::{path::Path, time::Duration};

use kit::config::Site;
use sso_proto::idp::{
    EndSessionsRequest, ListSessionsRequest, ListSessionsResponse, end_sessions_request::Which,
    sessions_client::SessionsClient,
};
use testkit::{Child, HeadlessBrowser, Platform, binary};
use tests::{ALICE, Party, all_in_one, offset_of, session_at, sign_in_to};
use tonic::{Code, Request, Status, transport::Channel};

/// The operator's key, for those who start a provider with one.
pub const KEY: &str = "an-operators-key-of-a-good-length";

async fn platform() -> Platform {
    Platform::start_with(&["--operator-key", KEY]).await
}

fn client(platform: &Platform) -> SessionsClient<Channel> {
    let url = platform.grpc_url(Site::Idp);
    SessionsClient::new(kit::net::Trust::default().grpc_channel(&url).unwrap())
}

fn with_key<T>(key: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let bearer = format!("Bearer {key}").parse().unwrap();
    request.metadata_mut().insert("authorization", bearer);
    request
}

async fn list(
    platform: &Platform,
    asked: ListSessionsRequest,
) -> Result<ListSessionsResponse, Status> {
    let answer = client(platform).list(with_key(KEY, asked)).await;
    answer.map(tonic::Response::into_inner)
}

async fn of(platform: &Platform, user: &str) -> Result<ListSessionsResponse, Status> {
    let asked = ListSessionsRequest {
        user: user.to_owned(),
        ..Default::default()
    };
    list(platform, asked).await
}

/// Ends `which` as the operator who has [`KEY`]; how many sessions it were.
pub async fn end(platform: &Platform, which: Which) -> Result<u32, Status> {
    let asked = EndSessionsRequest { which: Some(which) };
    let answer = client(platform).end(with_key(KEY, asked)).await;
    answer.map(|answer| answer.into_inner().ended)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_api_needs_its_key_and_is_absent_where_no_key_is_set() {
    let guarded = platform().await;
    let asked = ListSessionsRequest::default;
    for request in [
        Request::new(asked()),
        with_key("another-key-of-just-a-good-length", asked()),
        with_key("", asked()),
    ] {
        let refused = client(&guarded).list(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
    }
    let bare = Platform::start().await;
    let refused = list(&bare, asked()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_listed_in_bounded_pages() {
    let platform = platform().await;
    let party = Party::app1(&platform);
    for _ in 0..5 {
        party.tokens(&mut party.cli(), &[]).await;
    }
    let mut asked = ListSessionsRequest {
        page_size: 2,
        ..Default::default()
    };
    let mut sids = std::collections::BTreeSet::new();
    for size in [2, 2, 1] {
        let page = list(&platform, asked.clone()).await.unwrap();
        assert_eq!(page.sessions.len(), size);
        for session in &page.sessions {
            assert!(sids.insert(session.sid.clone()), "{session:?} twice");
            assert_eq!(session.username, "alice");
            assert_eq!(session.clients, ["app1"]);
            assert_eq!(session.began_at, platform.clock().now().secs());
        }
        asked.page_token = page.next_page_token;
    }
    assert!(asked.page_token.is_empty());
    assert_eq!(of(&platform, "alice").await.unwrap().sessions.len(), 5);
    assert!(of(&platform, "bob").await.unwrap().sessions.is_empty());
    let unknown = of(&platform, "nobody").await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    platform.advance(Duration::from_secs(7 * 24 * 3600 + 1));
    assert!(of(&platform, "alice").await.unwrap().sessions.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_session_or_all_of_a_user_are_ended() {
    let platform = platform().await;
    let party = Party::app1(&platform);
    let mut tokens = Vec::new();
    for _ in 0..3 {
        let granted = party.tokens(&mut party.cli(), &[]).await;
        tokens.push(granted.text("refresh_token"));
    }
    let found = of(&platform, "alice").await.unwrap();
    let (sub, sid) = (found.sessions[0].sub.clone(), found.sessions[0].sid.clone());
    assert_eq!(end(&platform, Which::Sid(sid.clone())).await.unwrap(), 1);
    let again = end(&platform, Which::Sid(sid)).await.unwrap_err();
    assert_eq!(again.code(), Code::NotFound);
    let unknown = end(&platform, Which::User("nobody".into()))
        .await
        .unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    assert_eq!(end(&platform, Which::User(sub)).await.unwrap(), 2);
    assert_eq!(
        end(&platform, Which::User("alice".into())).await.unwrap(),
        0
    );
    for token in tokens {
        let refused = party.machine.refresh(&token, &[]).await;
        assert_eq!(refused.error(), "invalid_grant");
    }
}

/// A command of `sso-lab` that ends by itself: exit code and output.
fn sso_lab(flags: &[&str], folder: &Path) -> (Option<i32>, String) {
    let log = folder.join("command.log");
    let mut child = Child::spawn(&binary("sso-lab"), flags, &[], log);
    let status = child.wait(Duration::from_secs(20)).unwrap();
    (status.code(), child.output())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_finds_the_operator_key_of_the_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let at = ["--state-dir", state.to_str().unwrap()];
    let (_child, addresses) = all_in_one(folder.path(), &at).await;
    let offset = offset_of(&addresses).to_string();
    let place = [&at[..], &["--port-offset", &offset]].concat();
    let key = std::fs::metadata(state.join("operator.key")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&key.permissions());
    assert_eq!(mode & 0o777, 0o600);

    let app1 = addresses.url(Site::App1);
    let mut cli = HeadlessBrowser::new();
    sign_in_to(&mut cli, &app1, ALICE).await;
    assert_eq!(session_at(&mut cli, &app1).await["authenticated"], true);
    let run = |flags: &[&str]| {
        let flags = [&["sessions"], flags, &place[..]].concat();
        tokio::task::block_in_place(|| sso_lab(&flags, folder.path()))
    };
    let (code, table) = run(&["list", "--user", "alice"]);
    assert_eq!(code, Some(0), "{table}");
    assert!(table.contains("SID") && table.contains("alice"), "{table}");
    let (code, said) = run(&["revoke", "--user", "alice"]);
    assert_eq!((code, said.trim()), (Some(0), "1 session ended"));
    // The app was told before the command said so.
    assert_eq!(session_at(&mut cli, &app1).await["authenticated"], false);
    let (code, said) = run(&["revoke", "--user", "alice"]);
    assert_eq!((code, said.lines().count()), (Some(1), 1), "{said}");
    let (code, said) = run(&["revoke", "--user", "nobody"]);
    assert_eq!((code, said.lines().count()), (Some(1), 1), "{said}");
    let (code, said) = run(&["revoke"]);
    assert_eq!(code, Some(2), "{said}");
    let (code, said) = run(&["list"]);
    assert_eq!((code, said.trim()), (Some(0), "Nobody is signed in."));
    let wrong = [
        "sessions",
        "list",
        "--operator-key",
        "wrong",
        "--port-offset",
    ];
    let (code, said) =
        tokio::task::block_in_place(|| sso_lab(&[&wrong[..], &[&offset]].concat(), folder.path()));
    assert_eq!((code, said.lines().count()), (Some(1), 1), "{said}");
}
