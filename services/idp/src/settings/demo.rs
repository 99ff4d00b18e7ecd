//! Refuses the published demo secrets and passwords outside localhost.

use kit::config::{Common, Problems, demo};

use super::{DEFAULT, Settings, User};

/// The most users whose hashes are compared with the demo passwords at the start, beside
/// the built-in hashes: each takes three computations. A demo password signs nobody in,
/// whichever user has it.
const MAX_TRIED: usize = 32;

impl Settings {
    /// Whether the demo users alice and bob can sign in with their demo passwords.
    pub fn has_demo_users(&self) -> bool {
        ["alice", "bob"].into_iter().all(|name| {
            let user = self.user_named(name);
            user.is_some_and(|user| user.enabled && is_built_in(user))
        })
    }

    /// Refuses demo secrets, hashes of demo passwords, and secrets that are too short.
    /// `file` is the name of the configuration.
    pub fn check_credentials(&self, file: &str, common: &Common, problems: &mut Problems) {
        for client in self.clients() {
            if let Some(secret) = &client.secret {
                let key = format!("{file}: clients[{}].secret", client.client_id);
                common.check_client_secret(&key, secret, problems);
            }
        }
        if common.allows_demo_credentials() {
            return;
        }
        for user in known_passwords(self.users()) {
            let key = format!("{file}: users[{}].password_hash", user.username);
            let what =
                "a published demo password: outside localhost it requires --demo-credentials";
            problems.add(key, what);
        }
    }
}

/// Whether `user` has one of the built-in hashes.
fn is_built_in(user: &User) -> bool {
    DEFAULT.contains(&format!("\"{}\"", user.password_hash))
}

/// The `users` with a demo password.
fn known_passwords(users: &[User]) -> Vec<&User> {
    let (known, others): (Vec<_>, Vec<_>) = users.iter().partition(|user| is_built_in(user));
    let tried = &others[..others.len().min(MAX_TRIED)];
    let found = std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let share = tried.len().div_ceil(threads).max(1);
        let parts = tried.chunks(share).map(|part| {
            scope.spawn(|| {
                let has_known = |user: &&&User| {
                    let hash = &user.password_hash;
                    demo::PASSWORDS
                        .iter()
                        .any(|known| hash.verifies(known.as_bytes()))
                };
                part.iter().filter(has_known).copied().collect::<Vec<_>>()
            })
        });
        let parts: Vec<_> = parts.collect();
        let found = parts.into_iter().filter_map(|part| part.join().ok());
        found.flatten().collect::<Vec<_>>()
    });
    known.into_iter().chain(found).collect()
}
