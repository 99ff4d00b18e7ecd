//! Checking a password: Argon2id, off the event loop, a bounded number at once,
//! and in the same time for a user who does not exist.

use std::sync::Arc;

use argon2::{
    Argon2, Params,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use kit::random::Random;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    pages::LoginPage,
    settings::{Settings, User},
};

/// Stands in for the hash of a user who does not exist, where no user does.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$MAtn/eDx5uyIBpAeErzOrg$rLbe0sd9RnpwhRsnoucPYodooXL39283gEVAXl2GhjU";

/// The length of a salt, in bytes (RFC 9106 §3.1).
const SALT_LEN: usize = 16;

/// Whether `text` is an Argon2id hash whose cost is bounded.
pub fn is_argon2id(text: &str) -> bool {
    let Ok(hash) = PasswordHash::new(text) else {
        return false;
    };
    let bounded = Params::try_from(&hash).is_ok_and(|p| p.m_cost() <= 1 << 20 && p.t_cost() <= 16);
    hash.algorithm.as_str() == "argon2id" && bounded
}

/// The hash of `password` for a user's table: Argon2id, in PHC format. `Err` says
/// why there is none.
pub fn hash(password: &str, random: &dyn Random) -> Result<String, String> {
    let length = password.chars().count();
    if length == 0 || length > LoginPage::MAX_PASSWORD {
        let longest = LoginPage::MAX_PASSWORD;
        return Err(format!("a password has 1 to {longest} characters"));
    }
    let salt: [u8; SALT_LEN] = random.bytes();
    let hash = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt);
    let hash: PasswordHash = hash.map_err(|error| error.to_string())?;
    Ok(hash.to_string())
}

/// However many cores a node has, a pod's memory is limited: this many checks take
/// 152 MiB, of the 256 that the chart gives it.
const MOST_AT_ONCE: usize = 8;

/// Checks passwords.
#[derive(Clone, Debug)]
pub struct Passwords {
    /// Each check takes 19 MiB and a core: more at once than cores gains nothing.
    slots: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self {
            slots: Arc::new(Semaphore::new(cores.min(MOST_AT_ONCE))),
        }
    }
}

/// The right to check one password, held until its hash is done.
pub struct Slot(OwnedSemaphorePermit);

impl Passwords {
    /// Waits for one of the few slots.
    pub async fn slot(&self) -> Option<Slot> {
        Arc::clone(&self.slots).acquire_owned().await.ok().map(Slot)
    }

    /// The user with this name and password.
    pub async fn check<'s>(
        &self,
        slot: Slot,
        settings: &'s Settings,
        username: &str,
        password: &str,
    ) -> Option<&'s User> {
        let user = settings.user_named(username);
        // Whatever is wrong, one hash is computed, so that the time tells nothing.
        let any = settings
            .users()
            .first()
            .map_or(NOBODY, |user| &user.password_hash);
        let hash = user.map_or(any, |user| &user.password_hash).to_owned();
        let too_long = password.chars().count() > LoginPage::MAX_PASSWORD;
        let password = if too_long {
            String::new()
        } else {
            password.to_owned()
        };
        let matches = tokio::task::spawn_blocking(move || {
            // A caller that goes away frees no slot while its hash still runs.
            let Slot(_held) = slot;
            PasswordHash::new(&hash).is_ok_and(|hash| {
                Argon2::default()
                    .verify_password(password.as_bytes(), &hash)
                    .is_ok()
            })
        });
        let matches = matches.await.unwrap_or(false);
        user.filter(|user| matches && user.enabled && !too_long)
    }
}

#[cfg(test)]
mod tests {
    use kit::config::Addresses;

    use super::*;
    use crate::settings::DEFAULT;

    fn settings(text: &str) -> Settings {
        Settings::parse("test", text, &Addresses::default(), None).unwrap()
    }

    async fn check<'s>(settings: &'s Settings, username: &str, password: &str) -> Option<&'s User> {
        let passwords = Passwords::default();
        let slot = passwords.slot().await.unwrap();
        passwords.check(slot, settings, username, password).await
    }

    #[tokio::test]
    async fn only_the_right_password_of_an_enabled_user() {
        let settings = settings(DEFAULT);
        let found = check(&settings, "alice", "wonderland").await;
        assert_eq!(found.unwrap().username, "alice");
        for (user, password) in [
            ("alice", "builder"),
            ("Alice", "wonderland"),
            ("nobody", "wonderland"),
            ("alice", ""),
        ] {
            assert!(
                check(&settings, user, password).await.is_none(),
                "{user}/{password}"
            );
        }
    }

    #[tokio::test]
    async fn a_disabled_user_cannot_sign_in() {
        let text = DEFAULT.replace(
            "username = \"alice\"",
            "username = \"alice\"\nenabled = false",
        );
        assert!(
            check(&settings(&text), "alice", "wonderland")
                .await
                .is_none()
        );
    }

    #[tokio::test]
    async fn what_it_hashes_it_takes() {
        let random = kit::random::OsRandom;
        let made = hash("Jabberwocky 1871 ß", &random).unwrap();
        assert!(is_argon2id(&made), "{made}");
        assert_ne!(made, hash("Jabberwocky 1871 ß", &random).unwrap());
        let alices = settings(DEFAULT)
            .user_named("alice")
            .unwrap()
            .password_hash
            .clone();
        let settings = settings(&DEFAULT.replace(&alices, &made));
        assert!(
            check(&settings, "alice", "Jabberwocky 1871 ß")
                .await
                .is_some()
        );
        assert!(check(&settings, "alice", "wonderland").await.is_none());
        let longest = "x".repeat(LoginPage::MAX_PASSWORD);
        assert!(hash(&longest, &random).is_ok());
        for wrong in [String::new(), longest + "x"] {
            assert!(hash(&wrong, &random).is_err());
        }
    }

    #[test]
    fn only_argon2id_with_a_bounded_cost_is_taken() {
        assert!(is_argon2id(NOBODY));
        assert!(!is_argon2id(&NOBODY.replace("argon2id", "argon2i")));
        assert!(!is_argon2id(&NOBODY.replace("m=19456", "m=4000000")));
        assert!(!is_argon2id("wonderland"));
    }
}
