//! The users that the operator's manual describes, with passwords for tests.

/// What it says is what the tests give a server.
const MANUAL: &str = include_str!("../../../../docs/redis.md");

/// A user of Redis, as `docs/redis.md` has it.
#[derive(Clone, Copy, Debug)]
pub struct RedisUser {
    name: &'static str,
    rules: &'static str,
}

impl RedisUser {
    /// All of them: one for each service, and one for all services at once.
    ///
    /// # Panics
    /// When the manual has none.
    pub fn all() -> Vec<Self> {
        let read = |line: &'static str| {
            let (name, rules) = line.strip_prefix("user ")?.split_once(" on >PASSWORD ")?;
            Some(Self { name, rules })
        };
        let all: Vec<_> = MANUAL.lines().filter_map(read).collect();
        assert!(!all.is_empty(), "docs/redis.md has no users");
        all
    }

    /// The one that is called `name`.
    ///
    /// # Panics
    /// When there is none.
    pub fn named(name: &str) -> Self {
        let found = Self::all().into_iter().find(|user| user.name == name);
        found.unwrap_or_else(|| panic!("docs/redis.md has no user {name}"))
    }

    /// What it is called.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What all its keys begin with, without the prefix that all of ours have.
    ///
    /// # Panics
    /// When the manual gives it other keys.
    pub fn keys(&self) -> &'static str {
        let mut rules = self.rules.split(' ');
        let pattern = rules.find_map(|rule| rule.strip_prefix("~sso-lab:")?.strip_suffix('*'));
        pattern.unwrap_or_else(|| panic!("{} has no keys of ours", self.name))
    }

    /// Its password.
    pub fn password(&self) -> String {
        format!("password-of-{}", self.name)
    }

    /// What follows `ACL SETUSER`.
    pub fn rule(&self) -> String {
        format!("{} on >{} {}", self.name, self.password(), self.rules)
    }

    /// What stands before the host in its URL.
    pub fn login(&self) -> String {
        format!("{}:{}@", self.name, self.password())
    }
}

/// The line for strangers.
///
/// # Panics
/// When the manual has none.
pub(super) fn for_strangers() -> &'static str {
    let mut lines = MANUAL.lines();
    let found = lines.find(|line| line.starts_with("user default "));
    found.unwrap_or_else(|| panic!("docs/redis.md says nothing of strangers"))
}
