//! Where Redis is: its URL, and its name's addresses.

use std::{io, net::SocketAddr};

use redis::{
    ConnectionInfo, IntoConnectionInfo as _, RedisError, RedisFuture,
    io::{AsyncDNSResolver, tcp::TcpSettings},
};
use url::Url;

const EXPECTED: &str = "redis://[user:password@]host[:port][/db] is expected";

/// Reads a URL. The sentence that refuses one does not repeat it: it can hold
/// a password.
pub(super) fn parse(url: &str) -> Result<ConnectionInfo, String> {
    let url = Url::parse(url).map_err(|why| format!("not a URL ({why}): {EXPECTED}"))?;
    if url.scheme() != "redis" {
        return Err(format!("only redis:// is supported: {EXPECTED}"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!(
            "nothing may follow the database number: {EXPECTED}"
        ));
    }
    let db = url.path().strip_prefix('/').unwrap_or_default();
    if !db.is_empty() && db.parse::<u16>().is_err() {
        return Err(format!("the database is not a number: {EXPECTED}"));
    }
    let address = url
        .into_connection_info()
        .map_err(|why| format!("not usable ({}): {EXPECTED}", why.category()))?;
    let settings = address.redis_settings();
    if settings.username().is_some() && settings.password().is_none() {
        return Err(format!("a user without a password: {EXPECTED}"));
    }
    // Commands are small and each is waited for.
    Ok(address.set_tcp_settings(TcpSettings::default().set_nodelay(true)))
}

/// Resolves as all of this project's services do: `*.localhost` is loopback.
pub(super) struct LocalhostAware;

impl AsyncDNSResolver for LocalhostAware {
    fn resolve<'a, 'b: 'a>(
        &'a self,
        host: &'b str,
        port: u16,
    ) -> RedisFuture<'a, Box<dyn Iterator<Item = SocketAddr> + Send + 'a>> {
        Box::pin(async move {
            let addresses = kit::net::resolve(host, port).await?;
            if addresses.is_empty() {
                return Err(RedisError::from(io::Error::other(
                    "its name has no address",
                )));
            }
            Ok(Box::new(addresses.into_iter()) as Box<dyn Iterator<Item = SocketAddr> + Send>)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_the_url_is_taken() {
        let full = parse("redis://sso:p%40ss@store.localhost:6380/3").unwrap();
        assert_eq!(full.addr().to_string(), "store.localhost:6380");
        let settings = full.redis_settings();
        assert_eq!(settings.username(), Some("sso"));
        assert_eq!(settings.password(), Some("p@ss"));
        assert_eq!(settings.db(), 3);

        let short = parse("redis://[::1]").unwrap();
        assert_eq!(short.addr().to_string(), "::1:6379");
        assert_eq!(short.redis_settings().db(), 0);
        assert_eq!(
            parse("redis://:pw@h").unwrap().redis_settings().username(),
            None
        );
    }

    #[test]
    fn a_refused_url_is_not_repeated() {
        let wrong = [
            "",
            "hunter2",
            "redis:",
            "redis://",
            "redis://:hunter2@",
            "redis://h:99999",
            "redis://:hunter2@h/x",
            "redis://:hunter2@h/1/2",
            "redis://:hunter2@h/-1",
            "redis://:hunter2@h?protocol=resp3",
            "redis://:hunter2@h#insecure",
            "redis://hunter2@h",
            "redis://:hunter2%ff@h",
            "rediss://:hunter2@h",
            "redis+sentinel://:hunter2@h/m",
            "redis+cluster://:hunter2@h,g",
            "unix:///tmp/hunter2",
            "http://:hunter2@h",
        ];
        for url in wrong {
            let refusal = parse(url)
                .err()
                .unwrap_or_else(|| panic!("{url} was taken"));
            assert!(!refusal.contains("hunter2"), "{url}: {refusal}");
            assert!(refusal.contains("redis://"), "{url}: {refusal}");
        }
    }
}
