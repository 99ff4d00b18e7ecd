//! The surroundings of what is measured: Redis, the provider, a receiver of traces,
//! an API; and the processes under test, one at a time.

use std::path::Path;

use kit::config::{Addresses, Site};
use tempfile::TempDir;
use testkit::{Child, HeadlessBrowser, Otlp, free_offset};

use super::nginx;
use crate::programs::{
    ONE_USER, binary, flags, free_port, own, own_builds, redis, sign_in, until_open, until_ready,
};

/// How far the ports of a second replica are from those of the first.
const LISTEN_OFFSET: u16 = 100;

/// The surroundings. They end when it is dropped.
pub struct Environment {
    // In the order in which they end.
    _idp: Child,
    _api: Child,
    pub redis: Child,
    otlp: Otlp,
    addresses: Addresses,
    offset: u16,
    api: u16,
    redis_url: String,
    folder: TempDir,
}

/// A process under test.
pub struct Tested {
    process: Child,
    /// What is asked.
    pub url: String,
}

impl Tested {
    /// Its id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }
}

impl Environment {
    /// Starts all; the provider's access tokens live for `token_life`.
    pub async fn start(token_life: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path();
        let api = free_port();
        let (redis, redis_url) = redis(at).await;
        let offset = free_offset(1);
        let config = idp::settings::DEFAULT;
        let config = config.replace(
            r#"access_token = "15m""#,
            &format!("access_token = {token_life:?}"),
        );
        std::fs::write(at.join("idp.toml"), config).expect("a folder of our own");
        let api_process = nginx::api(at, api);
        until_open(api).await;
        let mut environment = vec![
            own("REDIS_URL", &redis_url),
            own("IDP_CONFIG", &at.join("idp.toml").display().to_string()),
        ];
        environment.extend(ONE_USER.map(|name| own(name, "1000")));
        let addresses = Addresses::new("http", "localhost", offset);
        let flags = flags(at, offset);
        let idp = Child::spawn(&binary("idp"), &flags, &environment, at.join("idp.log"));
        until_ready(&addresses.url(Site::Idp)).await;
        Self {
            _idp: idp,
            _api: api_process,
            redis,
            otlp: Otlp::start().await,
            addresses,
            offset,
            api,
            redis_url,
            folder,
        }
    }

    /// The app with sessions in `mode`.
    pub async fn app(&self, mode: &str) -> Tested {
        self.app_in(&own_builds(), mode).await
    }

    /// The same, as the build in `folder`.
    pub async fn app_in(&self, folder: &Path, mode: &str) -> Tested {
        self.app_at(folder, mode, 0).await
    }

    /// A second replica of the app, as the build in `folder`.
    pub async fn replica_in(&self, folder: &Path, mode: &str) -> Tested {
        self.app_at(folder, mode, LISTEN_OFFSET).await
    }

    /// The build in `folder`, whose instructions valgrind counts into files in `profiles`.
    pub async fn counted_app(&self, folder: &Path, mode: &str, profiles: &Path) -> Tested {
        let program = folder.join("app1-bff").display().to_string();
        let out = profiles.join("%p").display().to_string();
        let out = format!("--callgrind-out-file={out}");
        let before = ["--tool=callgrind".to_owned(), out, program];
        self.spawn_app(Path::new("valgrind"), &before, mode, 0)
            .await
    }

    async fn app_at(&self, folder: &Path, mode: &str, listen_offset: u16) -> Tested {
        let program = folder.join("app1-bff");
        self.spawn_app(&program, &[], mode, listen_offset).await
    }

    /// Starts `program` with the arguments `before` and the app's own.
    async fn spawn_app(
        &self,
        program: &Path,
        before: &[String],
        mode: &str,
        listen_offset: u16,
    ) -> Tested {
        let mut environment = self.environment();
        environment.push(own("BFF_SESSION_MODE", mode));
        environment.extend(ONE_USER.map(|name| own(name, "1000")));
        environment.push(own("REDIS_URL", &self.redis_url));
        environment.push(own("LISTEN_OFFSET", &listen_offset.to_string()));
        let flags = [before, &flags(self.folder.path(), self.offset)].concat();
        let log = self.folder.path().join(format!("app-{listen_offset}.log"));
        let process = Child::spawn(program, &flags, &environment, log);
        let port = self.addresses.port(Site::App1) + listen_offset;
        until_ready(&format!("http://127.0.0.1:{port}")).await;
        Tested {
            process,
            url: format!("http://127.0.0.1:{port}/api1/data"),
        }
    }

    /// Our proxy path without a session.
    pub async fn proxy(&self) -> Tested {
        let port = free_port();
        let log = self.folder.path().join("proxy.log");
        let mut environment = self.environment();
        environment.push(own("PORT", &port.to_string()));
        let process = Child::spawn(&binary("examples/proxy"), &[""; 0], &environment, log);
        until_ready(&format!("http://127.0.0.1:{port}")).await;
        Tested {
            process,
            url: format!("http://127.0.0.1:{port}/api1/data"),
        }
    }

    /// nginx's bare `proxy_pass`.
    pub async fn floor(&self) -> Tested {
        let port = free_port();
        let process = nginx::floor(self.folder.path(), port, self.api);
        until_open(port).await;
        Tested {
            process,
            url: format!("http://127.0.0.1:{port}/api1/data"),
        }
    }

    /// Where browsers find the app.
    pub fn app_url(&self) -> String {
        self.addresses.url(Site::App1)
    }

    /// Metrics are on in any case; one trace in a hundred is kept.
    fn environment(&self) -> Vec<(String, String)> {
        vec![
            own("WORKERS", "1"),
            own("API1_URL", &format!("http://127.0.0.1:{}", self.api)),
            own("OTEL_EXPORTER_OTLP_ENDPOINT", self.otlp.endpoint()),
            own("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
            own("OTEL_TRACES_SAMPLER_ARG", "0.01"),
        ]
    }
}

/// Signs in at the app and returns the cookies of the calls that follow.
pub async fn sent_after_sign_in(browser: &mut HeadlessBrowser, app: &str) -> String {
    sign_in(browser, app).await;
    // The second call brings the cookies that the first one set.
    for _ in 0..2 {
        browser.goto(&format!("{app}/api1/data")).await;
    }
    cookies(browser)
}

/// The cookies that the browser sends with a call to API-1.
pub fn cookies(cli: &HeadlessBrowser) -> String {
    let jar = cli.jar();
    let sent = jar.of("app1.localhost");
    let sent = sent.filter(|cookie| "/api1/data".starts_with(&cookie.path));
    let sent: Vec<_> = sent
        .map(|cookie| format!("{}={}", cookie.name, cookie.value))
        .collect();
    sent.join("; ")
}
