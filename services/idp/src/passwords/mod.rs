//! Checks passwords: Argon2id, off the event loop, a bounded number at once, and at
//! the same cost for every user.

mod cost;
mod queue;
pub mod typed;

use std::sync::Arc;

use argon2::{
    Argon2,
    password_hash::{PasswordHasher as _, phc::PasswordHash},
};
pub use cost::{Costs, Hash, MAX_COSTS};
use kit::{config::demo, random::Random};
use queue::Queue;
pub use queue::{Busy, Slot};
use typed::Password;
use web_kit::client::AddrBucket;

/// The length of a salt, in bytes (RFC 9106 §3.1).
const SALT_LEN: usize = 16;

/// The memory that all concurrent checks take, in KiB: a pod has 256 MiB.
const MEMORY: u32 = 152 * 1024;
/// The most concurrent checks: more gain nothing, however many cores there are.
const MAX_CONCURRENT: usize = 4;

/// The hash of `password` for the users' table: Argon2id in PHC format. `Err` tells
/// why the password is refused.
pub fn hash(password: &str, random: &dyn Random) -> Result<String, String> {
    let password = typed::new_password(password)?;
    let salt: [u8; SALT_LEN] = random.bytes();
    let hash = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt);
    let hash: PasswordHash = hash.map_err(|error| error.to_string())?;
    Ok(hash.to_string())
}

/// Checks passwords.
pub struct Passwords {
    costs: Costs,
    /// Known passwords, which nobody can sign in with.
    refused: &'static [&'static str],
    queue: Arc<Queue>,
}

impl Passwords {
    /// For users with these `hashes`. A check costs the same for each of them, and for
    /// an unknown user.
    pub fn new<'h>(hashes: impl Iterator<Item = &'h Hash>, allows_demo_credentials: bool) -> Self {
        let costs = Costs::of(hashes);
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let in_memory = usize::try_from(MEMORY / costs.memory()).unwrap_or(1).max(1);
        Self {
            costs,
            refused: if allows_demo_credentials {
                &[]
            } else {
                &demo::PASSWORDS
            },
            queue: Queue::new(cores.min(MAX_CONCURRENT).min(in_memory)),
        }
    }

    /// A slot to check one password; waiting addresses take turns. Dropping the future
    /// leaves the queue.
    pub async fn slot(&self, from: AddrBucket) -> Result<Slot, Busy> {
        self.queue.slot(from).await
    }

    /// Whether `hash` is the hash of `password`. The same hashes are computed whatever
    /// is wrong, and for an unknown user, who has no hash.
    pub async fn check(&self, slot: Slot, hash: Option<&Hash>, password: Password) -> bool {
        let work = self.costs.work(hash);
        let is_possible = password.is_possible() && !password.is_one_of(self.refused);
        let matches = tokio::task::spawn_blocking(move || {
            // Held until the hash is computed, even if the caller is gone.
            let _held = slot;
            work.matches(password.candidates())
        });
        let matches = matches.await.unwrap_or(false);
        matches && is_possible
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use kit::config::Addresses;
    use web_kit::client::ClientAddr;

    use super::*;
    use crate::settings::{DEFAULT, Settings};

    fn settings(text: &str) -> Settings {
        Settings::parse("test", text, &Addresses::default(), None).unwrap()
    }

    async fn check(settings: &Settings, username: &str, password: &str) -> bool {
        check_where(settings, username, password, true).await
    }

    async fn check_where(
        settings: &Settings,
        username: &str,
        password: &str,
        allows_demo: bool,
    ) -> bool {
        let users = settings.users().iter();
        let passwords = Passwords::new(users.map(|user| &user.password_hash), allows_demo);
        let from: IpAddr = [192, 0, 2, 1].into();
        let slot = passwords.slot(ClientAddr::from(from).bucket()).await;
        let hash = settings
            .user_named(username)
            .map(|user| &user.password_hash);
        passwords
            .check(slot.unwrap(), hash, Password::typed(password))
            .await
    }

    #[tokio::test]
    async fn only_the_right_password() {
        let settings = settings(DEFAULT);
        assert!(check(&settings, "alice", "wonderland").await);
        for (user, password) in [
            ("alice", "builder"),
            ("Alice", "wonderland"),
            ("nobody", "wonderland"),
            ("alice", ""),
        ] {
            assert!(!check(&settings, user, password).await, "{user}/{password}");
        }
    }

    #[tokio::test]
    async fn a_password_that_everybody_knows_signs_nobody_in_where_it_is_refused() {
        let settings = settings(DEFAULT);
        assert!(!check_where(&settings, "alice", "wonderland", false).await);
        let made = hash("chess club", &kit::random::OsRandom).unwrap();
        let settings = self::settings(&with_alices_hash(&made));
        assert!(check_where(&settings, "alice", "chess club", false).await);
    }

    #[tokio::test]
    async fn what_it_hashes_it_takes() {
        let random = kit::random::OsRandom;
        let made = hash("Jabberwocky 1871 ß", &random).unwrap();
        made.parse::<Hash>().unwrap();
        assert_ne!(made, hash("Jabberwocky 1871 ß", &random).unwrap());
        let settings = settings(&with_alices_hash(&made));
        assert!(check(&settings, "alice", "Jabberwocky 1871 ß").await);
        assert!(!check(&settings, "alice", "wonderland").await);
    }

    #[tokio::test]
    async fn rfc8265_4_2_a_password_in_nfd_or_with_a_wide_space_is_the_same() {
        let made = hash("caf\u{e9} noir", &kit::random::OsRandom).unwrap();
        let settings = settings(&with_alices_hash(&made));
        for typed in [
            "caf\u{e9} noir",
            "cafe\u{301} noir",
            "cafe\u{301}\u{a0}noir",
        ] {
            assert!(check(&settings, "alice", typed).await, "{typed:?}");
        }
        assert!(!check(&settings, "alice", "cafe noir").await);
    }

    #[tokio::test]
    async fn a_hash_of_the_raw_password_made_before_goes_on_working() {
        let raw = "cafe\u{301}\u{3000}noir";
        let before: PasswordHash = Argon2::default()
            .hash_password_with_salt(raw.as_bytes(), &[7; SALT_LEN])
            .unwrap();
        let settings = settings(&with_alices_hash(&before.to_string()));
        assert!(check(&settings, "alice", raw).await);
        assert!(!check(&settings, "alice", "caf\u{e9} noir").await);
    }

    fn with_alices_hash(made: &str) -> String {
        let alices = settings(DEFAULT)
            .user_named("alice")
            .unwrap()
            .password_hash
            .to_string();
        DEFAULT.replace(&alices, made)
    }
}
