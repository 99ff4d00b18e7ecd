//! What tests act through. The actors: [`HeadlessBrowser`] (a browser without
//! JavaScript), [`Browser`] (a real Chromium), [`Machine`] (an OAuth client). The
//! surroundings: [`Platform`] (all services in this process, with a manual clock),
//! [`Processes`] (the real binaries and a real Redis), [`WireTap`] (records all bytes
//! of a connection), [`FaultProxy`] (a proxy that fails on demand), [`Otlp`] (a
//! receiver of traces), [`TlsFront`] (TLS before any of them), [`KubeApi`] (a stand-in
//! for the Kubernetes API), [`Terminal`] (a program in a pseudo-terminal),
//! [`TestCa`] (a certificate authority). No service of this repository is faked here.
//!
//! A helper that fails panics, which fails the test.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failing helper fails the test that called it"
)]

mod browser;
mod certificates;
mod child;
mod fault_proxy;
mod headless;
mod kube_api;
mod machine;
mod otlp;
mod platform;
mod processes;
mod start;
mod terminal;
mod tls_front;
mod wire_tap;

pub use browser::{Browser, BrowserCookie, WindowHandle};
pub use certificates::{TestCa, TestCertificate, client_certificate, lab_ca};
pub use child::Child;
pub use fault_proxy::{FaultProxy, ProxiedCall};
pub use headless::HeadlessBrowser;
pub use headless_browser::{Cookie, Form, Jar, Page, Response, SameSite};
pub use kube_api::KubeApi;
pub use machine::{
    Answer, AssertionKey, ClientAuth, Machine, Pkce, ProofKey, ProofRequest, UnverifiedClaims,
    tampered,
};
pub use otlp::{Otlp, SpanRecord};
pub use platform::Platform;
pub use processes::{LAB_SECRET, Plan, Processes, binary, free_offset};
pub use rcgen;
pub use store::test_redis::{RedisCluster, RedisSentinels, RedisServer, RedisUser};
pub use terminal::Terminal;
pub use tls_front::{Protocol, TlsFront};
pub use wire_tap::WireTap;
