//! Secrets and passwords that everybody knows are refused outside localhost.

use kit::config::{Common, Problems, demo};

use super::{DEFAULT, Settings, User};

/// The most users whose hashes are tried with known passwords at the start, beside
/// the demo's own hashes: each takes three computations. A known password does
/// not sign anybody in, whichever user has it.
const MAX_TRIED: usize = 32;

impl Settings {
    /// Refuses secrets and password hashes that everybody knows, and secrets that
    /// are too short. `file` is what the configuration is called.
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
            let what = "everybody knows this password of the demo: outside localhost it needs --demo-credentials";
            problems.add(key, what);
        }
    }
}

/// Those of `users` whose password everybody knows.
fn known_passwords(users: &[User]) -> Vec<&User> {
    let (known, others): (Vec<_>, Vec<_>) = users
        .iter()
        .partition(|user| DEFAULT.contains(&format!("\"{}\"", user.password_hash)));
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
