//! API keys, for programs without OAuth: `X-API-Key` in place of an access token. A key
//! names a program and no user. It has 256 random bits, so a plain hash of it is as good as
//! a slow one; the file of keys holds hashes alone. `sso-lab keys api` writes the file, and
//! each process reads it again when it changes, so that all replicas that have the file
//! agree.

mod checks;
mod file;
mod key;

pub(crate) use self::{
    checks::{ApiKeys, Refused},
    key::KeyCaller,
};
pub use self::{
    file::{File, FileError, Listed},
    key::{HEADER, NewKey},
};
