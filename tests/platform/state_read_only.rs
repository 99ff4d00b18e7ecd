//! Services whose state directory is a Secret that is mounted read-only, filled
//! with what `sso-lab secrets` made.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use kit::{
    config::{Addresses, Site},
    net::Trust,
};
use reqwest::Method;
use tempfile::TempDir;
use testkit::{Child, HeadlessBrowser, KubeApi, binary, free_offset};
use tests::kube::{NAMES, run};

const SOON: Duration = Duration::from_secs(60);

/// A Secret as a pod has it: read-only, and nobody may add to it.
struct Mounts(TempDir);

impl Mounts {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self(folder)
    }

    fn add(&self, name: &str, data: &BTreeMap<String, Vec<u8>>) -> PathBuf {
        let dir = self.0.path().join(name);
        fs::create_dir(&dir).unwrap();
        for (key, value) in data {
            fs::write(dir.join(key), value).unwrap();
            fs::set_permissions(dir.join(key), fs::Permissions::from_mode(0o444)).unwrap();
        }
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o555)).unwrap();
        dir
    }

    /// Starts `program` as a user who may write nothing there: modes do not
    /// count for root.
    fn start(&self, program: &str, dir: &Path, flags: &[&str]) -> Child {
        let environment = [
            ("REDIS_URL".to_owned(), String::new()),
            ("STATE_DIR".to_owned(), dir.display().to_string()),
        ];
        let log = tempfile::Builder::new().tempfile_in(self.0.path()).unwrap();
        let log = log.into_temp_path().keep().unwrap();
        let id = Command::new("id").arg("-u").output().unwrap().stdout;
        if id != b"0\n" {
            return Child::spawn(&binary(program), flags, &environment, log);
        }
        // The build's folder may be root's alone.
        let copy = self.0.path().join(program);
        if !copy.exists() {
            fs::copy(binary(program), &copy).unwrap();
        }
        let copy = copy.display().to_string();
        let nobody = ["--reuid=65532", "--regid=65532", "--clear-groups", &copy];
        let flags = [&nobody[..], flags].concat();
        Child::spawn(Path::new("/usr/bin/setpriv"), &flags, &environment, log)
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        // So that what is in them can be removed.
        for entry in fs::read_dir(self.0.path()).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                let _ = fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o755));
            }
        }
    }
}

async fn until_ready(child: &mut Child, port: u16) {
    let http = kit::net::http_client();
    let url = format!("http://127.0.0.1:{port}/readyz");
    let ready = async {
        while !http
            .get(&url)
            .send()
            .await
            .is_ok_and(|answer| answer.status().is_success())
        {
            assert!(child.ended().is_none(), "it ended: {}", child.output());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = tokio::time::timeout(SOON, ready).await.is_ok();
    assert!(in_time, "not ready: {}", child.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn services_start_from_it_mounted_read_only() {
    let api = KubeApi::start(&NAMES);
    let (code, output) = run(&api);
    assert_eq!(code, Some(0), "{output}");
    let mounts = Mounts::new();
    let (idp_dir, app2_dir) = (
        mounts.add("d-idp", &api.data("d-idp")),
        mounts.add("d-app2", &api.data("d-app2")),
    );
    let offset = free_offset(1);
    let offset_flag = format!("--port-offset={offset}");
    let addresses = Addresses::new("http", "localhost", offset);
    let at = |name: &str| idp_dir.join(name).display().to_string();
    let (mtls, clients) = (at("mtls.pem"), at("client-ca.pem"));
    let certificates = [
        offset_flag.as_str(),
        "--mtls-certificate-file",
        &mtls,
        "--mtls-key-file",
        &mtls,
        "--mtls-client-ca-file",
        &clients,
    ];
    let mut idp = mounts.start("idp", &idp_dir, &certificates);
    until_ready(&mut idp, addresses.port(Site::Idp)).await;
    // Its mTLS port presents the certificate that was made for it.
    let ca = Trust::in_pem(&api.data("d-idp")["client-ca.pem"]).unwrap();
    let mtls_at = addresses.mtls_port(Site::Idp).unwrap();
    let connected = ca.tls(&[]).connect("idp.localhost", mtls_at).await;
    assert!(connected.is_ok(), "{connected:?}");
    let mut app2 = mounts.start("app2-bff", &app2_dir, &[&offset_flag]);
    until_ready(&mut app2, addresses.port(Site::App2)).await;
    // Its pushed request is signed with the key, and known by its public half.
    let mut cli = HeadlessBrowser::new();
    let login = format!("{}/login", addresses.url(Site::App2));
    let answer = cli.raw(Method::GET, &login, &[], "").await;
    let to = answer.header("location").unwrap_or_default();
    assert!(
        to.contains("request_uri="),
        "{} {to} {}",
        answer.status,
        answer.body
    );
    for (dir, name) in [(&idp_dir, "d-idp"), (&app2_dir, "d-app2")] {
        let count = fs::read_dir(dir).unwrap().count();
        assert_eq!(count, api.data(name).len(), "nothing was added to {name}");
    }

    let mut some = api.data("d-app2");
    some.remove("bff-sealing.key");
    let part = mounts.add("part", &some);
    let elsewhere = format!("--port-offset={}", free_offset(1));
    let mut app2 = mounts.start("app2-bff", &part, &[&elsewhere]);
    let status = tokio::task::block_in_place(|| app2.wait(SOON)).expect("it ends");
    assert_eq!(status.code(), Some(2), "{}", app2.output());
    let file = part.join("bff-sealing.key").display().to_string();
    let said = format!("app2-bff: STATE_DIR: {file} does not exist and cannot be created: ");
    assert!(app2.output().contains(&said), "{}", app2.output());
}
