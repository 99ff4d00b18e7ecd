//! What an error of Redis or of its connection means to a caller.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::StoreError;

/// In words that hold no key and no value: an answer of Redis is known by its
/// code alone, because its text can repeat the command's arguments.
pub(super) fn explain(error: &RedisError) -> StoreError {
    use ServerErrorKind::{Ask, BusyLoading, ClusterDown, MasterDown, Moved, ReadOnly, TryAgain};
    match error.kind() {
        ErrorKind::Io if error.is_timeout() => {
            StoreError::Unreachable("no answer in time".to_owned())
        }
        ErrorKind::Io => StoreError::Unreachable(error.to_string()),
        ErrorKind::Parse => StoreError::Unreachable("what answers there is not Redis".to_owned()),
        ErrorKind::AuthenticationFailed => {
            StoreError::Refused("Redis does not accept the user and password".to_owned())
        }
        ErrorKind::Server(kind) => match kind {
            // Another server is or will be the right one, or this one will be.
            Ask | BusyLoading | ClusterDown | MasterDown | Moved | ReadOnly | TryAgain => {
                StoreError::Unreachable(answered(error))
            }
            _ => StoreError::Refused(answered(error)),
        },
        ErrorKind::Extension => StoreError::Refused(answered(error)),
        _ => StoreError::Refused(format!("the Redis client reports: {}", error.category())),
    }
}

fn answered(error: &RedisError) -> String {
    let code = error.code().unwrap_or("ERR");
    let meaning = match code {
        "LOADING" => ": it is still loading its data",
        "CLUSTERDOWN" => ": the cluster does not serve this key now",
        "MOVED" | "ASK" => ": the key is on another node of a cluster",
        "NOREPLICAS" => ": too few replicas follow it",
        "READONLY" => ": it is a replica that takes no writes",
        "OOM" => ": it is out of memory",
        "NOPERM" => ": its user may not run this command or touch this key",
        "NOAUTH" | "WRONGPASS" => ": it does not accept the user and password",
        "WRONGTYPE" => ": the key holds another type",
        _ => "",
    };
    format!("Redis answered {code}{meaning}")
}

/// Whether another connection may do better. Not after a plain refusal, which
/// shows that this one works. Yes after a timeout, because a peer that has
/// vanished shows as nothing else; and after a failover, when the name may
/// lead to another server now.
pub(super) fn is_connection_suspect(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Server(kind) => {
            matches!(
                kind,
                ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown
            )
        }
        ErrorKind::Extension | ErrorKind::UnexpectedReturnType => false,
        _ => true,
    }
}

/// Whether the keys may be on other nodes of a cluster by now.
pub(super) fn is_topology_suspect(error: &RedisError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Server(ServerErrorKind::ClusterDown | ServerErrorKind::Moved)
    ) || is_connection_suspect(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(code: &str, detail: &str) -> RedisError {
        redis::make_extension_error(code.to_owned(), Some(detail.to_owned()))
    }

    #[test]
    fn an_answers_text_is_not_repeated() {
        let error = server("ERR", "unknown command, with args beginning with: 's3cret'");
        let said = explain(&error).to_string();
        assert_eq!(said, "the store refused: Redis answered ERR");
        assert!(!is_connection_suspect(&error));
    }

    #[test]
    fn a_lost_connection_is_unreachable_and_replaced() {
        for kind in [std::io::ErrorKind::BrokenPipe, std::io::ErrorKind::TimedOut] {
            let error = RedisError::from(std::io::Error::from(kind));
            assert!(
                matches!(explain(&error), StoreError::Unreachable(_)),
                "{kind}"
            );
            assert!(is_connection_suspect(&error), "{kind}");
        }
    }

    #[test]
    fn a_replica_that_takes_no_writes_is_left_for_another_connection() {
        let error = RedisError::from((ErrorKind::Server(ServerErrorKind::ReadOnly), "read-only"));
        assert!(matches!(explain(&error), StoreError::Unreachable(_)));
        assert!(is_connection_suspect(&error));
        assert!(is_topology_suspect(&error));
    }
}
