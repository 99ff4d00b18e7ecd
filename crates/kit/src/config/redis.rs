//! The settings of the shared store, which parses the URL.

use std::path::PathBuf;

use clap::Args;
use secrecy::SecretString;

use super::Problems;
use crate::files;

/// Flags and environment of every binary that can share a store.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Common settings")]
pub struct RedisArgs {
    /// URL of the shared store; empty: in memory
    ///
    /// One server: redis://[user:password@]host[:port][/db]
    /// With sentinels: redis+sentinel://[user:password@]host[:port],host…/master[/db]
    /// A cluster: redis+cluster://[user:password@]host[:port],host…
    /// With TLS: rediss:// in place of redis://, and rediss+sentinel:// or rediss+cluster://
    #[arg(
        long,
        env = "REDIS_URL",
        verbatim_doc_comment,
        default_value = "",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub redis_url: String,
    /// File that holds REDIS_URL
    #[arg(long, env = "REDIS_URL_FILE", value_name = "FILE")]
    pub redis_url_file: Option<PathBuf>,
    /// Certificates (PEM) to trust for rediss, in addition to the system's
    #[arg(long, env = "REDIS_CA_FILE", value_name = "FILE")]
    pub redis_ca_file: Option<PathBuf>,
    /// Password of the sentinels themselves, if they require one
    #[arg(
        long,
        env = "REDIS_SENTINEL_PASSWORD",
        hide_env_values = true,
        value_name = "PASSWORD"
    )]
    pub redis_sentinel_password: Option<String>,
    /// File that holds REDIS_SENTINEL_PASSWORD
    #[arg(long, env = "REDIS_SENTINEL_PASSWORD_FILE", value_name = "FILE")]
    pub redis_sentinel_password_file: Option<PathBuf>,
}

/// The Redis deployment, and how to connect.
#[derive(Clone, Debug)]
pub struct RedisSettings {
    /// The URL of a server, of its sentinels or of a cluster.
    pub url: SecretString,
    /// Certificates (PEM) that are trusted in addition to the system's.
    pub ca: Option<Vec<u8>>,
    /// The password of the sentinels themselves.
    pub sentinel_password: Option<SecretString>,
}

impl RedisSettings {
    /// The Redis at `url`, without further settings.
    pub fn at(url: &str) -> Self {
        Self {
            url: url.into(),
            ca: None,
            sentinel_password: None,
        }
    }
}

impl RedisArgs {
    /// The shared store, if one is set. Errors are added to `problems`.
    pub fn read(&self, problems: &mut Problems) -> Option<RedisSettings> {
        // The default is empty: in memory.
        let direct = Some(self.redis_url.as_str()).filter(|url| !url.is_empty());
        let url = problems.secret("REDIS_URL", direct, self.redis_url_file.as_deref());
        let sentinel_password = problems.secret(
            "REDIS_SENTINEL_PASSWORD",
            self.redis_sentinel_password.as_deref(),
            self.redis_sentinel_password_file.as_deref(),
        );
        let ca = self.redis_ca_file.as_ref().and_then(|file| {
            let read = files::read_text(file).map(String::into_bytes);
            read.map_err(|e| problems.add("REDIS_CA_FILE", format_args!("{}: {e}", file.display())))
                .ok()
        });
        Some(RedisSettings {
            url: url?,
            ca,
            sentinel_password,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        redis: RedisArgs,
    }

    #[test]
    fn redis_files_are_read_and_a_missing_one_is_a_problem() {
        let read = |flags: &[&str]| {
            let mut problems = Problems::new();
            let program = Program::parse_from([&["program"], flags].concat());
            let redis = program.redis.read(&mut problems);
            problems.into_result(redis)
        };
        let ca = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(ca.path(), "pem").unwrap();
        let ca = ca.path().to_str().unwrap();
        let given = ["--redis-url", "rediss://h", "--redis-ca-file", ca];
        let redis = read(&given).unwrap().unwrap();
        assert_eq!(redis.ca.as_deref(), Some(&b"pem"[..]));
        assert!(redis.sentinel_password.is_none());
        assert!(read(&["--redis-ca-file", ca]).unwrap().is_none());
        let wrong = [
            "--redis-ca-file",
            "/nowhere",
            "--redis-sentinel-password-file",
            "/nowhere",
        ];
        assert_eq!(read(&wrong).unwrap_err().lines().len(), 2);
    }
}
