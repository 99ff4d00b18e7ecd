//! A browser without a screen and without JavaScript: it keeps cookies (RFC 6265bis),
//! follows redirects, fills in and submits HTML forms, and sends the `Sec-Fetch-*`
//! and `Origin` headers that Chromium sends. Everything that a server sends is bounded.
//!
//! `testkit` and `sso-lab check` act through [`Browser`]. A real Chromium, for pages
//! with scripts, is `testkit::Browser`.

mod browser;
mod cookie;
mod document;
mod error;
mod form;
mod headers;
mod jar;
mod response;

pub use browser::{Browser, Transport};
pub use cookie::{Cookie, SameSite};
pub use error::Error;
pub use form::{Form, NoSuchField};
pub use jar::Jar;
pub use response::{NotJson, Page, Response};

/// The maximum number of redirects of a navigation, as in Chromium.
pub const MAX_REDIRECTS: usize = 20;
