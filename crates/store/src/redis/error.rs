//! What an error of Redis or of its connection means to a caller.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::StoreError;

/// An error for callers, without keys and values: of a Redis error only the code is
/// used, because its text can repeat the command's arguments.
pub(super) fn explain(error: &RedisError) -> StoreError {
    use ServerErrorKind::{Ask, BusyLoading, ClusterDown, MasterDown, Moved, ReadOnly, TryAgain};
    match error.kind() {
        ErrorKind::Io if error.is_timeout() => {
            StoreError::Unreachable("no answer in time".to_owned())
        }
        ErrorKind::Io => StoreError::Unreachable(error.to_string()),
        ErrorKind::Parse => StoreError::Unreachable("what answers there is not Redis".to_owned()),
        ErrorKind::ClusterConnectionNotFound => {
            StoreError::Unreachable("the node that has this key is not connected".to_owned())
        }
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

/// Whether the connection must be replaced. A plain refusal shows that it works. A
/// timeout does not: a peer that vanished shows as nothing else. After a failover
/// (`READONLY`, `MASTERDOWN`) the name may lead to another server. A cluster's
/// connection finds missing nodes by itself.
pub(super) fn is_connection_suspect(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Server(kind) => {
            matches!(
                kind,
                ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown
            )
        }
        ErrorKind::Extension
        | ErrorKind::UnexpectedReturnType
        | ErrorKind::ClusterConnectionNotFound => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(code: &str, detail: &str) -> RedisError {
        redis::make_extension_error(code.to_owned(), Some(detail.to_owned()))
    }

    #[test]
    fn an_error_does_not_repeat_redis_text() {
        let error = server("ERR", "unknown command, with args beginning with: 's3cret'");
        let said = explain(&error).to_string();
        assert_eq!(said, "the store refused: Redis answered ERR");
        assert!(!is_connection_suspect(&error));
    }

    #[test]
    fn a_lost_connection_is_reported_as_unreachable_and_replaced() {
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
    fn a_connection_to_a_read_only_replica_is_replaced() {
        let error = RedisError::from((ErrorKind::Server(ServerErrorKind::ReadOnly), "read-only"));
        assert!(matches!(explain(&error), StoreError::Unreachable(_)));
        assert!(is_connection_suspect(&error));
    }
}
