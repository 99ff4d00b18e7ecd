//! What tests speak through. The actors: [`Cli`] (a browser without JavaScript),
//! [`Browser`] (a real Chromium), [`Machine`] (an OAuth client). The ground they
//! stand on: [`Platform`] (all services in this process, with a manual clock),
//! [`Processes`] (the real binaries and a real Redis), [`Tap`] (all that goes over
//! a wire), [`Gate`] (a way to a server that can fail), [`Otlp`] (a receiver of
//! traces), [`TlsFront`] (TLS before any of them), [`KubeApi`] (a stand-in for the Kubernetes API). No service of ours is
//! faked here.
//!
//! A helper that fails panics, which fails the test.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failing helper fails the test that called it"
)]

mod browser;
mod child;
mod cli;
mod gate;
mod kube_api;
mod machine;
mod otlp;
mod platform;
mod processes;
mod start;
mod tap;
mod tls_front;

pub use browser::{Browser, BrowserCookie};
pub use child::Child;
pub use cli::{Cli, Cookie, Form, Hop, Jar, Page, SameSite};
pub use gate::{Gate, GateCall};
pub use kube_api::KubeApi;
pub use machine::{Answer, AssertionKey, ClientAuth, Machine, Pkce, UnverifiedClaims, bent};
pub use otlp::{Otlp, SpanRecord};
pub use platform::Platform;
pub use processes::{Plan, Processes, binary, free_offset};
pub use store::test_redis::{RedisCluster, RedisSentinels, RedisServer, RedisUser};
pub use tap::Tap;
pub use tls_front::{Spoken, TlsFront};
