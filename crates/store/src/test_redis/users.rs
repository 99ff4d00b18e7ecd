//! The Redis users of `docs/redis.md`, with passwords for tests.

/// The tests configure their servers by this page.
const MANUAL: &str = include_str!("../../../../docs/redis.md");

/// A user of Redis, as `docs/redis.md` has it.
#[derive(Clone, Copy, Debug)]
pub struct RedisUser {
    name: &'static str,
    rules: &'static str,
}

impl RedisUser {
    /// All users: one for each service, and one for all services together.
    ///
    /// # Panics
    /// If the page has none.
    pub fn all() -> Vec<Self> {
        let read = |line: &'static str| {
            let (name, rules) = line.strip_prefix("user ")?.split_once(" on >PASSWORD ")?;
            Some(Self { name, rules })
        };
        let all: Vec<_> = MANUAL.lines().filter_map(read).collect();
        assert!(!all.is_empty(), "docs/redis.md has no users");
        all
    }

    /// The user `name`.
    ///
    /// # Panics
    /// If there is none.
    pub fn named(name: &str) -> Self {
        let found = Self::all().into_iter().find(|user| user.name == name);
        found.unwrap_or_else(|| panic!("docs/redis.md has no user {name}"))
    }

    /// Its name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The prefix of its keys, without the prefix of all keys.
    ///
    /// # Panics
    /// If the page gives it other keys.
    pub fn keys(&self) -> &'static str {
        let mut rules = self.rules.split(' ');
        let pattern = rules.find_map(|rule| rule.strip_prefix("~sso-lab:")?.strip_suffix('*'));
        pattern.unwrap_or_else(|| panic!("{} has no keys of ours", self.name))
    }

    /// Its password.
    pub fn password(&self) -> String {
        format!("password-of-{}", self.name)
    }

    /// The arguments of `ACL SETUSER`.
    pub fn rule(&self) -> String {
        format!("{} on >{} {}", self.name, self.password(), self.rules)
    }

    /// The part of its URL before the host.
    pub fn login(&self) -> String {
        format!("{}:{}@", self.name, self.password())
    }
}

/// The line of the user `default`.
///
/// # Panics
/// If the page has none.
pub(super) fn default_user() -> &'static str {
    let mut lines = MANUAL.lines();
    let found = lines.find(|line| line.starts_with("user default "));
    found.unwrap_or_else(|| panic!("docs/redis.md has no user default"))
}
