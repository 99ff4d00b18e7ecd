//! The calls that an app's page offers.

use web_kit::ui::Site;

/// A call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) title: &'static str,
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) owner: Site,
    /// How the app reaches the API.
    pub(super) route: &'static str,
}

impl Call {
    /// All calls, in the order in which to try them.
    pub(super) const ALL: &'static [Self] = &[
        Self::new("List the orders", "GET", "/api1/data", Site::Api1, "HTTP"),
        Self::new("List the stock", "GET", "/api2/data", Site::Api2, "gRPC"),
        Self::new(
            "Place an order",
            "POST",
            "/api1/data",
            Site::Api1,
            "HTTP, then gRPC to api-2",
        ),
        Self::new("Reserve stock", "POST", "/api2/data", Site::Api2, "gRPC"),
        Self::new(
            "Report on both",
            "GET",
            "/api1/report",
            Site::Api1,
            "HTTP, then HTTP to api-2",
        ),
        Self::new(
            "What API\u{2011}1 knows of you",
            "GET",
            "/api1/whoami",
            Site::Api1,
            "HTTP",
        ),
        Self::new(
            "What API\u{2011}2 knows of you",
            "GET",
            "/api2/whoami",
            Site::Api2,
            "gRPC",
        ),
    ];

    const fn new(
        title: &'static str,
        method: &'static str,
        path: &'static str,
        owner: Site,
        route: &'static str,
    ) -> Self {
        Self {
            title,
            method,
            path,
            owner,
            route,
        }
    }

    /// Whether the page offers it ten times at once. After a login the session has no token
    /// for API-2, so the ten calls show that one of them gets it for all.
    pub(super) fn can_storm(&self) -> bool {
        self.path == "/api2/data"
    }

    pub(super) fn is_order(&self) -> bool {
        self.method == "POST"
    }
}
