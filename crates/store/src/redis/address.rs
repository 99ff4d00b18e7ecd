//! The addresses in a Redis URL.

use std::fmt;

use redis::{IntoConnectionInfo as _, RedisConnectionInfo};
use url::Url;

const EXPECTED: &str = "redis[s]://[user:password@]host[:port][/db], redis[s]+sentinel://[user:password@]host[:port],host…/master[/db] or redis[s]+cluster://[user:password@]host[:port],host… is expected";
const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;
/// The most hosts in a URL.
const MAX_HOSTS: usize = 32;
/// The most characters of a master's name.
const MAX_NAME: usize = 100;

/// One server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Node {
    pub(super) host: String,
    pub(super) port: u16,
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// How the servers are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One server.
    Single(Node),
    /// The master of this name, which the sentinels name.
    Sentinel {
        sentinels: Vec<Node>,
        master: String,
    },
    /// Some nodes of a cluster.
    Cluster(Vec<Node>),
}

/// A URL, read.
pub(super) struct Address {
    pub(super) kind: Kind,
    /// Whether connections use TLS, to sentinels too.
    pub(super) tls: bool,
    /// User, password, database.
    pub(super) settings: RedisConnectionInfo,
}

/// Reads a URL. An error does not contain it, because it can contain a password.
pub(super) fn parse(url: &str) -> Result<Address, String> {
    read(url).map_err(|why| format!("{why}: {EXPECTED}"))
}

fn read(url: &str) -> Result<Address, String> {
    let (scheme, rest) = url.split_once("://").ok_or("not a URL")?;
    let (way, kind) = scheme.split_once('+').unwrap_or((scheme, "single"));
    let tls = match way {
        "redis" => false,
        "rediss" => true,
        _ => return Err("not Redis".to_owned()),
    };
    if rest.contains(['?', '#']) {
        return Err("nothing may follow the path".to_owned());
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (Some(user), hosts),
        None => (None, authority),
    };
    let port = if kind == "sentinel" {
        SENTINEL_PORT
    } else {
        PORT
    };
    let nodes: Vec<Node> = hosts
        .split(',')
        .map(|host| node(host, port))
        .collect::<Result<_, _>>()?;
    if nodes.len() > MAX_HOSTS {
        return Err(format!("more than {MAX_HOSTS} hosts"));
    }
    let (kind, db) = match (kind, <[Node; 1]>::try_from(nodes)) {
        ("single", Ok([node])) => (Kind::Single(node), path),
        ("single", Err(_)) => return Err("one host alone, without a kind".to_owned()),
        ("sentinel", nodes) => {
            let sentinels = nodes.map_or_else(|many| many, Vec::from);
            let (master, db) = path.split_once('/').unwrap_or((path, ""));
            let master = master_name(master)?;
            (Kind::Sentinel { sentinels, master }, db)
        }
        ("cluster", nodes) => {
            if !matches!(path, "" | "0") {
                return Err("a cluster has no databases".to_owned());
            }
            (Kind::Cluster(nodes.map_or_else(|many| many, Vec::from)), "")
        }
        _ => return Err("an unknown kind".to_owned()),
    };
    if !db.is_empty() && db.parse::<u16>().is_err() {
        return Err("the database is not a number".to_owned());
    }
    let settings = settings(user, db)?;
    Ok(Address {
        kind,
        tls,
        settings,
    })
}

fn node(text: &str, port: u16) -> Result<Node, String> {
    let url = Url::parse(&format!("redis://{text}")).map_err(|why| why.to_string())?;
    let is_whole = url.username().is_empty() && url.password().is_none() && url.path().is_empty();
    match url.host_str() {
        Some(host) if is_whole && !host.is_empty() => Ok(Node {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(port),
        }),
        _ => Err("a host is missing".to_owned()),
    }
}

fn master_name(text: &str) -> Result<String, String> {
    let is_good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if text.is_empty() || text.len() > MAX_NAME || !text.bytes().all(is_good) {
        return Err("the path is the name of the master that the sentinels watch".to_owned());
    }
    Ok(text.to_owned())
}

/// Read by the client library, which decodes the percent-encoding.
fn settings(user: Option<&str>, db: &str) -> Result<RedisConnectionInfo, String> {
    let user = user.map(|user| format!("{user}@")).unwrap_or_default();
    let address = format!("redis://{user}host/{db}")
        .into_connection_info()
        .map_err(|why| format!("not usable ({})", why.category()))?;
    let settings = address.redis_settings().clone();
    if settings.username().is_some() && settings.password().is_none() {
        return Err("a user without a password".to_owned());
    }
    // CLIENT SETINFO would be one more command that the user needs a right for.
    Ok(settings.set_skip_set_lib_name())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: &str, port: u16) -> Node {
        let host = host.to_owned();
        Node { host, port }
    }

    #[test]
    fn every_part_of_a_url_is_read() {
        let full = parse("redis://sso:p%40ss@store.localhost:6380/3").unwrap();
        assert_eq!(full.kind, Kind::Single(at("store.localhost", 6380)));
        assert!(!full.tls);
        assert_eq!(full.settings.username(), Some("sso"));
        assert_eq!(full.settings.password(), Some("p@ss"));
        assert_eq!(full.settings.db(), 3);

        let short = parse("rediss://[::1]").unwrap();
        assert_eq!(short.kind, Kind::Single(at("::1", 6379)));
        assert!(short.tls);
        assert_eq!(short.settings.db(), 0);
        assert_eq!(parse("redis://:pw@h").unwrap().settings.username(), None);
    }

    #[test]
    fn a_sentinel_url_has_the_masters_name() {
        let address = parse("rediss+sentinel://sso:pw@a,b:1,[::1]:2/my-master.1/4").unwrap();
        let sentinels = vec![at("a", 26379), at("b", 1), at("::1", 2)];
        let master = "my-master.1".to_owned();
        assert_eq!(address.kind, Kind::Sentinel { sentinels, master });
        assert!(address.tls);
        assert_eq!(address.settings.username(), Some("sso"));
        assert_eq!(address.settings.db(), 4);
        let one = parse("redis+sentinel://a/m").unwrap();
        assert!(matches!(one.kind, Kind::Sentinel { sentinels, .. } if sentinels.len() == 1));
    }

    #[test]
    fn a_cluster_url_has_several_nodes() {
        let address = parse("redis+cluster://:pw@a,b:1/0").unwrap();
        assert_eq!(address.kind, Kind::Cluster(vec![at("a", 6379), at("b", 1)]));
        assert_eq!(address.settings.password(), Some("pw"));
        assert!(parse("rediss+cluster://a").unwrap().tls);
    }

    #[test]
    fn an_error_does_not_repeat_the_url() {
        let many = vec!["h"; MAX_HOSTS + 1].join(",");
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
            "redis://:hunter2@h,g",
            "redis+single://:hunter2@h,g",
            "redis+mirror://:hunter2@h",
            "redis+sentinel://:hunter2@h",
            "redis+sentinel://:hunter2@h/",
            "redis+sentinel://:hunter2@h,/m",
            "redis+sentinel://:hunter2@h/m m",
            "redis+sentinel://:hunter2@h/m/x",
            "redis+cluster://:hunter2@h,g/1",
            "redis+cluster://:hunter2@h,:1",
            &format!("redis+cluster://:hunter2@{many}"),
            "unix:///tmp/hunter2",
            "http://:hunter2@h",
        ];
        for url in wrong {
            let refusal = parse(url)
                .err()
                .unwrap_or_else(|| panic!("{url} was taken"));
            assert!(!refusal.contains("hunter2"), "{url}: {refusal}");
            assert!(refusal.contains("redis[s]://"), "{url}: {refusal}");
        }
    }

    #[test]
    fn fuzz_redis_urls() {
        let seeds = [
            "redis://user:s3cret%40x@127.0.0.1:6379/2",
            "rediss+sentinel://:s3cret@a.example,[::1]:26380/mymaster/3",
            "redis+cluster://u:s3cret@a:7000,b:7001",
        ];
        fuzz::run_text(&seeds, |url| match parse(url) {
            Ok(address) => {
                let nodes = match address.kind {
                    Kind::Single(node) => vec![node],
                    Kind::Sentinel { sentinels, master } => {
                        assert!(!master.is_empty() && master.len() <= MAX_NAME);
                        sentinels
                    }
                    Kind::Cluster(nodes) => nodes,
                };
                assert!((1..=MAX_HOSTS).contains(&nodes.len()));
                assert!(nodes.iter().all(|node| !node.host.is_empty()));
            }
            // The URL may have the password anywhere.
            Err(why) => assert!(!why.contains("s3cret"), "{why}"),
        });
    }
}
