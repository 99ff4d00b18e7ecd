//! What differs between the apps.

use kit::config::Site;

use crate::sessions::SessionMode;

/// One app: everything else is shared.
#[derive(Clone, Copy, Debug)]
pub struct App {
    /// Its service name, in traces and metrics.
    pub service: &'static str,
    /// The client that it is at the provider.
    pub client_id: &'static str,
    /// Its name on its pages.
    pub name: &'static str,
    /// Its site.
    pub site: Site,
    /// The other app's site.
    pub other: Site,
    /// The default mode of its sessions.
    pub mode: SessionMode,
    /// How its authorization request reaches the provider.
    pub request: RequestBy,
}

/// How an authorization request reaches the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestBy {
    /// In the URL, through the browser (RFC 6749 §4.1.1).
    Url,
    /// Pushed first; the browser carries only a `request_uri` (RFC 9126).
    Push,
}
