//! One command or one script, on one key.

use redis::{Cmd, FromRedisValue, RedisResult, ScriptInvocation, ToRedisArgs, aio::ConnectionLike};

use super::PREFIX;

/// What is sent for one operation of the store.
pub(super) struct Call<'s> {
    /// The key, with the prefix.
    pub(super) key: String,
    request: Request<'s>,
}

enum Request<'s> {
    /// A command that only reads: it may be sent again.
    Read(Cmd),
    /// A command that changes something: it is sent once, whatever happens,
    /// because a lost reply does not say whether it was carried out.
    Change(Cmd),
    /// A script, which changes something. The library loads it into a server that
    /// does not know it: the first attempt did nothing.
    Script(ScriptInvocation<'s>),
}

impl<'s> Call<'s> {
    /// The command `name` on `key`, which only reads.
    pub(super) fn read(name: &str, key: &str) -> Self {
        let (key, cmd) = command(name, key);
        Self {
            key,
            request: Request::Read(cmd),
        }
    }

    /// The command `name` on `key`, which changes something.
    pub(super) fn change(name: &str, key: &str) -> Self {
        let (key, cmd) = command(name, key);
        Self {
            key,
            request: Request::Change(cmd),
        }
    }

    /// `script` on `key`.
    pub(super) fn script(script: &'s redis::Script, key: &str) -> Self {
        let key = prefixed(key);
        Self {
            request: Request::Script(script.key(&key)),
            key,
        }
    }

    /// PING, which has no key.
    pub(super) fn ping() -> Self {
        Self {
            key: String::new(),
            request: Request::Read(redis::cmd("PING")),
        }
    }

    /// With one more argument.
    pub(super) fn arg(mut self, arg: impl ToRedisArgs) -> Self {
        match &mut self.request {
            Request::Read(cmd) | Request::Change(cmd) => {
                cmd.arg(arg);
            }
            Request::Script(invocation) => {
                invocation.arg(arg);
            }
        }
        self
    }

    pub(super) const fn is_read(&self) -> bool {
        matches!(self.request, Request::Read(_))
    }

    pub(super) async fn send<V: FromRedisValue>(
        &self,
        connection: &mut (impl ConnectionLike + Send),
    ) -> RedisResult<V> {
        match &self.request {
            Request::Read(cmd) | Request::Change(cmd) => cmd.query_async(connection).await,
            Request::Script(invocation) => invocation.invoke_async(connection).await,
        }
    }
}

fn command(name: &str, key: &str) -> (String, Cmd) {
    let (mut cmd, key) = (Cmd::new(), prefixed(key));
    cmd.arg(name).arg(&key);
    (key, cmd)
}

/// `key` as Redis has it.
pub(super) fn prefixed(key: &str) -> String {
    [PREFIX, key].concat()
}
