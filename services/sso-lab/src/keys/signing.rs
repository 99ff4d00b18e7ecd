//! `sso-lab keys list` and `rotate`: the signing keys of a running deployment.

use std::process::ExitCode;

use kit::clock::Timestamp;
use sso_proto::idp::{
    KeyState, ListKeysRequest, RotateKeysRequest, SigningKey, keys_client::KeysClient,
};
use tonic::Status;
use web_kit::ui::utc;

use crate::{
    operator::{Operator, OperatorArgs},
    output::columns,
};

/// Runs `keys list`. The exit code is 0, 1 after a failure, or 2 for bad arguments.
pub(super) async fn run_list(at: &OperatorArgs) -> ExitCode {
    match at.operator() {
        Ok(operator) => operator.finish(list(&operator).await),
        Err(refused) => refused,
    }
}

/// Runs `keys rotate`: the keys of `algorithm` or, if that is empty, all. The exit code is
/// as for [`run_list`].
pub(super) async fn run_rotate(at: &OperatorArgs, algorithm: String, at_once: bool) -> ExitCode {
    match at.operator() {
        Ok(operator) => operator.finish(rotate(&operator, algorithm, at_once).await),
        Err(refused) => refused,
    }
}

async fn list(operator: &Operator) -> Result<String, Status> {
    let request = operator.request(ListKeysRequest {})?;
    let listed = KeysClient::new(operator.channel.clone())
        .list(request)
        .await?;
    Ok(table(&listed.into_inner().keys))
}

async fn rotate(operator: &Operator, algorithm: String, at_once: bool) -> Result<String, Status> {
    let request = operator.request(RotateKeysRequest { algorithm, at_once })?;
    let rotated = KeysClient::new(operator.channel.clone())
        .rotate(request)
        .await?;
    let rotated = rotated.into_inner();
    let what = match (rotated.made.len(), at_once) {
        (0, _) => "no new key: the newest ones are",
        (1, false) => "1 new key, published and not used yet:",
        (_, false) => "new keys, published and not used yet:",
        (1, true) => "1 new key, which signs from now on; every other one is withdrawn:",
        (_, true) => "new keys, which sign from now on; every other one is withdrawn:",
    };
    Ok(format!("{what}\n{}", table(&rotated.keys)))
}

fn table(keys: &[SigningKey]) -> String {
    let at = |secs: Option<i64>| {
        secs.map_or_else(|| "-".to_owned(), |secs| utc(Timestamp::from_secs(secs)))
    };
    let header = [
        "KID",
        "ALG",
        "STATE",
        "MADE",
        "SIGNS FROM",
        "SIGNS UNTIL",
        "PUBLISHED UNTIL",
    ];
    let mut rows = vec![header.map(str::to_owned)];
    rows.extend(keys.iter().map(|key| {
        let state = match key.state() {
            KeyState::Next => "next",
            KeyState::Signing => "signing",
            KeyState::Retired => "retired",
            KeyState::Unspecified => "?",
        };
        [
            key.kid.clone(),
            key.algorithm.clone(),
            state.to_owned(),
            at(key.created_at),
            at(Some(key.signs_from)),
            at(key.signs_until),
            at(key.published_until),
        ]
    }));
    columns(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_shown_with_its_state_and_its_times() {
        let key = SigningKey {
            kid: "k1".into(),
            algorithm: "ES256".into(),
            state: KeyState::Signing.into(),
            signs_from: 1_700_000_000,
            ..SigningKey::default()
        };
        let shown = table(&[key]);
        let lines: Vec<_> = shown.lines().collect();
        assert!(
            lines[0].starts_with("KID  ALG    STATE    MADE  SIGNS FROM"),
            "{shown}"
        );
        assert!(
            lines[1].starts_with("k1   ES256  signing  -     2023-11-14"),
            "{shown}"
        );
    }
}
