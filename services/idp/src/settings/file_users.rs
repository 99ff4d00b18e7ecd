//! The users' tables, in the configuration itself or in a file of their own: so
//! that a deployment can keep its users apart, where fewer may look.

use std::path::Path;

use kit::config::Problems;

use super::{
    User,
    file::Reader,
    tables::{UserTable, UsersFile},
};

impl Reader<'_> {
    /// Those of the configuration, and those of the file that it names.
    pub(super) fn users(&mut self, tables: Vec<UserTable>, file: Option<&Path>) -> Vec<User> {
        let here = tables.into_iter();
        let mut users: Vec<_> = here.filter_map(|table| self.user(table)).collect();
        if let Some(file) = file {
            users.extend(self.users_in(&self.at(file)));
        }
        users
    }

    fn users_in(&mut self, path: &Path) -> Vec<User> {
        let name = path.display().to_string();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                self.wrong("users_file", format_args!("{name}: {error}"));
                return Vec::new();
            }
        };
        let mut there = Reader {
            file: &name,
            state_dir: self.state_dir,
            problems: Problems::new(),
        };
        let tables: UsersFile = there.tables(&text).unwrap_or_default();
        let users = tables.users.into_iter();
        let users = users.filter_map(|table| there.user(table)).collect();
        self.problems.extend(there.problems);
        users
    }

    fn user(&mut self, table: UserTable) -> Option<User> {
        let key = |field: &str| format!("users[{}].{field}", table.username);
        let before = self.problems.lines().len();
        if !crate::passwords::is_argon2id(&table.password_hash) {
            self.wrong(
                key("password_hash"),
                "an Argon2id hash in PHC format is expected, such as `sso-lab config hash-password` makes",
            );
        }
        if table.sub.is_empty() || table.sub.len() > 255 || !table.sub.is_ascii() {
            self.wrong(key("sub"), "1 to 255 ASCII characters (OIDC Core §2)");
        }
        if table.username.trim().is_empty() {
            self.wrong(key("username"), "a name is expected");
        }
        let user = User {
            sub: table.sub,
            username: table.username,
            name: table.name,
            email: table.email,
            email_verified: table.email_verified,
            roles: table.roles,
            enabled: table.enabled,
            password_hash: table.password_hash,
        };
        (self.problems.lines().len() == before).then_some(user)
    }
}
