//! `sso-lab secrets` against a stand-in for the Kubernetes API.

use std::{collections::BTreeMap, fs, time::Duration};

use testkit::KubeApi;
use tests::kube::{NAMES, Run, SPEC, run};

const SOON: Duration = Duration::from_secs(60);

fn all(api: &KubeApi) -> BTreeMap<String, BTreeMap<String, Vec<u8>>> {
    let names = api.names();
    names
        .into_iter()
        .map(|name| (name.clone(), api.data(&name)))
        .collect()
}

fn text(api: &KubeApi, secret: &str, key: &str) -> String {
    String::from_utf8(api.data(secret)[key].clone()).unwrap()
}

/// What belongs together fits together.
fn assert_whole(api: &KubeApi) {
    assert_eq!(api.names(), NAMES);
    assert_eq!(api.data("d-idp").len(), 12);
    assert_eq!(
        text(api, "d-idp", "app1-client-secret"),
        text(api, "d-app1", "client-secret")
    );
    assert_eq!(
        api.data("d-app2")["bff-sealing.key"],
        api.data("d-app1")["bff-sealing.key"]
    );
    let pem = text(api, "d-app2", "app2-client.pem");
    let key = bff_kit::ClientKey::from_pem(&pem).unwrap();
    assert_eq!(text(api, "d-idp", "app2-client.jwks.json"), key.jwks_file());
    let password = text(api, "d-redis", "redis-password");
    assert_eq!(
        text(api, "d-redis", "redis-url"),
        format!("redis://:{password}@d-redis:6379")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_secret_is_generated_once_and_no_value_is_printed() {
    let api = KubeApi::start(&NAMES);
    let (code, output) = run(&api);
    assert_eq!(code, Some(0), "{output}");
    assert_whole(&api);
    assert!(
        output.contains("d-redis: made redis-password, redis-url"),
        "{output}"
    );
    assert_eq!(api.labels("d-idp")["app.kubernetes.io/managed-by"], "Helm");
    let made = all(&api);
    let (code, again) = run(&api);
    assert_eq!(code, Some(0), "{again}");
    assert!(
        !again.contains("made") && again.contains("d-app1: kept bff-sealing.key, client-secret")
    );
    assert_eq!(all(&api), made);
    let seen = [api.requests().join("\n"), output, again].concat();
    for value in made.values().flat_map(BTreeMap::values) {
        let value = String::from_utf8_lossy(value);
        for line in value
            .lines()
            .filter(|line| line.len() > 20 && !line.contains("---"))
        {
            assert!(!seen.contains(line), "a value is in {seen}");
        }
    }
    let writes = api.requests();
    let writes = writes.iter().filter(|asked| !asked.starts_with("GET "));
    assert_eq!(writes.count(), NAMES.len(), "each Secret is written once");
}

#[tokio::test(flavor = "multi_thread")]
async fn existing_secrets_are_not_changed_and_missing_ones_are_added() {
    let api = KubeApi::start(&NAMES);
    api.put(
        "d-redis",
        &[("redis-password", b"by hand: p@ss/word\n"), ("own", b"1")],
    );
    api.put("d-idp", &[("operator.key", b"an-operators-own-key")]);
    api.put("d-app1", &[]);
    let (code, output) = run(&api);
    assert_eq!(code, Some(0), "{output}");
    let redis = api.data("d-redis");
    assert_eq!(redis["redis-password"], b"by hand: p@ss/word\n");
    assert_eq!(redis["own"], b"1");
    assert_eq!(
        text(&api, "d-redis", "redis-url"),
        "redis://:by%20hand%3A%20p%40ss%2Fword@d-redis:6379"
    );
    assert_eq!(text(&api, "d-idp", "operator.key"), "an-operators-own-key");
    assert_eq!(api.data("d-app1").len(), 2);
    assert!(api.labels("d-idp").is_empty(), "its labels are its maker's");
    // A copy that no longer fits is told, and left.
    let before = api.data("d-idp");
    api.put(
        "d-app1",
        &[("client-secret", b"another one"), ("bff-sealing.key", b"x")],
    );
    let (code, output) = run(&api);
    assert_eq!(code, Some(0), "{output}");
    assert!(
        output.contains("d-idp/app1-client-secret does not fit d-app1/client-secret"),
        "{output}"
    );
    assert!(!output.contains("another one"), "{output}");
    assert_eq!(api.data("d-idp"), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgraded_deployment_logs_when_it_was_upgraded_and_a_new_one_does_not() {
    let api = KubeApi::start(&NAMES);
    let (code, output) = run(&api);
    assert_eq!(code, Some(0), "{output}");
    assert_eq!(text(&api, "d-idp", "idp-records.upgraded"), "never");

    let api = KubeApi::start(&NAMES);
    api.put("d-idp", &[("idp-refresh.key", b"of the version before")]);
    let (code, output) = run(&api);
    assert_eq!(code, Some(0), "{output}");
    let moment = text(&api, "d-idp", "idp-records.upgraded");
    assert!(moment.parse::<i64>().is_ok(), "{moment}");
    // A key that is taken out and made anew changes nothing of it.
    let mut kept = api.data("d-idp");
    kept.remove("idp-records.key");
    let kept: Vec<_> = kept.iter().map(|(key, value)| (&**key, &**value)).collect();
    api.put("d-idp", &kept);
    let (code, output) = run(&api);
    assert_eq!(code, Some(0), "{output}");
    assert_whole(&api);
    assert_eq!(text(&api, "d-idp", "idp-records.upgraded"), moment);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_at_once_agree() {
    let api = KubeApi::start(&NAMES);
    // Neither has seen what the other one writes first.
    api.let_writes_meet(2);
    let runs = [(); 2].map(|()| Run::begin(&api, SPEC, &[]));
    for run in runs {
        let (code, output) = run.end();
        assert_eq!(code, Some(0), "{output}");
    }
    assert_whole(&api);
    // Somebody is faster between the look and the write.
    api.put("d-app1", &[]);
    api.overtake_next_write("d-app1", "client-secret", b"the faster ones");
    let (code, output) = run(&api);
    assert_eq!(code, Some(0), "{output}");
    assert_eq!(text(&api, "d-app1", "client-secret"), "the faster ones");
    assert_eq!(api.data("d-app1").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_run_is_completed_by_the_next() {
    for writes in 0..NAMES.len() {
        let api = KubeApi::start(&NAMES);
        api.hang_after(writes);
        let mut cut = Run::begin(&api, SPEC, &[]);
        let hanging = async {
            let is_write = |asked: &&String| !asked.starts_with("GET ");
            while api.requests().iter().filter(is_write).count() <= writes {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(SOON, hanging).await.unwrap();
        cut.child.kill();
        api.hang_no_more();
        let half = all(&api);
        assert_eq!(half.len(), writes);
        let (code, output) = run(&api);
        assert_eq!(code, Some(0), "{output}");
        assert_whole(&api);
        for (name, data) in half {
            assert_eq!(api.data(&name), data, "{name} was changed");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_api_server_is_asked_again_with_the_newest_token() {
    let api = KubeApi::start(&NAMES);
    api.refuse_next(&[503, 403, 429]);
    let (code, output) = run(&api);
    assert_eq!(code, Some(0), "{output}");

    let api = KubeApi::start(&NAMES);
    fs::write(api.service_account().join("token"), "over").unwrap();
    let waiting = Run::begin(&api, SPEC, &[]);
    let asked = async {
        while api.requests().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, asked).await.unwrap();
    api.replace_token("second-token");
    let (code, output) = waiting.end();
    assert_eq!(code, Some(0), "{output}");
    assert_whole(&api);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permanent_error_is_one_line_and_exit_code_1() {
    let soon = ["--timeout", "1s"];
    let api = KubeApi::start(&["d-idp"]);
    let (code, output) = Run::begin(&api, SPEC, &soon).end();
    assert_eq!(code, Some(1), "{output}");
    assert_eq!(output.lines().count(), 1, "{output}");
    assert!(
        output.contains("403 Forbidden") && output.contains("d-ca"),
        "{output}"
    );
    assert!(api.names().is_empty(), "nothing half done");

    // Another cluster's CA: it is never told the token.
    let (api, other) = (KubeApi::start(&NAMES), KubeApi::start(&NAMES));
    fs::copy(
        other.service_account().join("ca.crt"),
        api.service_account().join("ca.crt"),
    )
    .unwrap();
    let (code, output) = Run::begin(&api, SPEC, &soon).end();
    assert_eq!(code, Some(1), "{output}");
    assert!(output.contains("certificate"), "{output}");
    assert!(api.requests().is_empty());

    let missing = SPEC.replace("d-app1/client-secret", "by-hand/client-secret");
    let api = KubeApi::start(&[&NAMES[..], &["by-hand"]].concat());
    let (code, output) = Run::begin(&api, &missing, &soon).end();
    assert_eq!(code, Some(1), "{output}");
    let said = "d-idp/app1-client-secret: by-hand/client-secret does not exist";
    assert!(output.contains(said), "{output}");
    api.put("by-hand", &[("client-secret", b"made by hand")]);
    let (code, output) = Run::begin(&api, &missing, &soon).end();
    assert_eq!(code, Some(0), "{output}");
    assert_eq!(text(&api, "d-idp", "app1-client-secret"), "made by hand");

    let wrong = SPEC.replace("\"token\"", "\"magic\"");
    let (code, output) = Run::begin(&api, &wrong, &soon).end();
    assert_eq!(code, Some(2), "{output}");
    assert_eq!(output.lines().count(), 3, "{output}");
}
