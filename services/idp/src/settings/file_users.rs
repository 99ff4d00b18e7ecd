//! The users' tables, in the configuration itself or in a file of their own, which a
//! deployment can protect separately.

use std::path::Path;

use kit::config::Problems;

use super::{
    User,
    bounds::{self, MAX_EMAIL, MAX_NAME, MAX_ROLE, MAX_ROLES, MAX_ROLES_TOGETHER, MAX_SUB},
    reader::Reader,
    tables::{UserTable, UsersFile},
};
use crate::passwords::{Costs, Hash, MAX_COSTS, typed};

impl Reader<'_> {
    /// The users of the configuration and of the file that it names.
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
        let text = match kit::files::read_text(path) {
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
        let key = |field: &str| format!("users[{}].{field}", table.username.trim());
        let before = self.problems.lines().len();
        let password_hash = table.password_hash.parse::<Hash>();
        let password_hash = password_hash.map_err(|what| self.wrong(key("password_hash"), what));
        let username = typed::user_name(&table.username);
        let username = username.map_err(|what| self.wrong(key("username"), what));
        if table.sub.is_empty() || table.sub.len() > MAX_SUB || !table.sub.is_ascii() {
            let what = format_args!("1 to {MAX_SUB} ASCII characters (OIDC Core §2)");
            self.wrong(key("sub"), what);
        }
        for (field, text, most) in [
            ("sub", &table.sub, MAX_SUB),
            ("name", &table.name, MAX_NAME),
            ("email", &table.email, MAX_EMAIL),
        ] {
            self.bounded(key(field), text, most);
        }
        if table.roles.len() > MAX_ROLES {
            let what = format_args!("{} roles, at most {MAX_ROLES}", table.roles.len());
            self.wrong(key("roles"), what);
        }
        for role in &table.roles {
            self.bounded(key("roles"), role, MAX_ROLE);
        }
        let roles = bounds::json_len(&table.roles);
        if roles > MAX_ROLES_TOGETHER {
            let what =
                format_args!("{roles} bytes in a token, at most {MAX_ROLES_TOGETHER} together");
            self.wrong(key("roles"), what);
        }
        let user = User {
            sub: table.sub,
            username: username.ok()?,
            name: table.name,
            email: table.email,
            email_verified: table.email_verified,
            roles: table.roles,
            enabled: table.enabled,
            password_hash: password_hash.ok()?,
        };
        (self.problems.lines().len() == before).then_some(user)
    }

    /// Limits the number of different costs, so that each password check can cost the same.
    pub(super) fn costs(&mut self, users: &[User]) {
        let costs = Costs::of(users.iter().map(|user| &user.password_hash)).count();
        if costs > MAX_COSTS {
            let what = format_args!(
                "the password hashes have {costs} different costs, at most {MAX_COSTS}: each \
                 password check computes one hash of each cost"
            );
            self.wrong("users", what);
        }
    }
}
