//! The story in a real Chromium: what a person sees, and what the browser holds.
#![expect(
    clippy::unwrap_used,
    reason = "a helper that cannot go on fails the test that called it"
)]

mod accessibility;
mod alice;
mod api1_docs;
mod attack_click;
mod attack_cookies;
mod attack_csrf;
mod attack_login;
mod attack_script;
mod credentials;
mod device;
mod explain;
mod first_light;
mod lab_attacks;
mod lab_spa;
mod labels;
mod live_page;
mod modes;
mod provider_forms;
mod scenarios;
mod script;
mod spa;
mod tabs;
mod tls;
mod victim;
