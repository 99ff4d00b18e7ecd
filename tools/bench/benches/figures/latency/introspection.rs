//! A call to API-2 whose token API-2 verifies itself, or asks the provider about, with the
//! cache and without.

use kit::config::Site;

use super::{Args, Case, run as measure};
use crate::lab::Lab;

/// What each way is called, the flags of the process, and whether tokens are opaque.
const WAYS: [(&str, &[&str], bool); 4] = [
    ("JWT, verified by the API", &[], false),
    (
        "introspection, with the cache",
        &["--api2-tokens=introspection"],
        false,
    ),
    (
        "introspection at each call",
        &["--api2-tokens=introspection", "--introspection-cache=0s"],
        false,
    ),
    (
        "introspection at each call, opaque token",
        &["--api2-tokens=introspection", "--introspection-cache=0s"],
        true,
    ),
];

/// Measures, and keeps the figures.
pub async fn run(args: &Args) {
    let (mut labs, mut cases) = (Vec::new(), Vec::new());
    for (name, flags, is_opaque) in WAYS {
        let title = "title = \"Inventory\"";
        let change = |config: &str| {
            let opaque = format!("{title}\naccess_token_format = \"opaque\"");
            assert!(config.contains(title));
            if is_opaque {
                config.replace(title, &opaque)
            } else {
                config.to_owned()
            }
        };
        let lab = Lab::start(flags, change).await;
        let token = lab.batch_token("https://api-2").await;
        cases.push(Case {
            name,
            what: "calls",
            url: format!("{}/whoami", lab.url(Site::Api2)),
            files: Vec::new(),
            authorization: format!("Bearer {token}"),
            pid: lab.pid(),
        });
        labs.push(lab);
    }
    measure("introspection", args, labs[0].profile(), &cases);
}
