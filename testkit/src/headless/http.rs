//! The HTTP client under a [`super::HeadlessBrowser`].

use std::{sync::Arc, time::Duration};

use reqwest::{
    dns::{Addrs, Name, Resolve, Resolving},
    header::HeaderMap,
};

/// `forwarded`: the client address that the requests state, as behind a proxy.
///
/// `kept`: the number of idle connections to each host. Without them, a balancer
/// sends each request to the next replica, so a flow that works does not depend on
/// the memory of one process.
pub(super) fn client(kept: usize, forwarded: Option<&str>) -> reqwest::Client {
    let mut headers = HeaderMap::new();
    if let Some(address) = forwarded {
        headers.insert("x-forwarded-for", address.parse().unwrap());
    }
    reqwest::Client::builder()
        .default_headers(headers)
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(kept)
        .timeout(Duration::from_secs(30))
        .no_proxy()
        .dns_resolver(Arc::new(Localhost))
        .build()
        .unwrap()
}

struct Localhost;

impl Resolve for Localhost {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let addresses = kit::net::resolve(name.as_str(), 0).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
