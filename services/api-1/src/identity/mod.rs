//! Who the user is by the word of a peer: a header, or a cookie of the same content, that
//! counts on connections by mTLS alone, from peers whose certificate has one of the names
//! that are set ([`Callers`]). A service mesh passes users on in this way. [`IdentityDoor`]
//! removes both from every request before a route sees it, and hands over what a peer
//! states that may state it.

mod callers;
mod door;
mod stated;

pub use self::callers::Callers;
pub(crate) use self::{
    callers::CallersSettings,
    door::IdentityDoor,
    stated::{BadStatement, IdentityCaller},
};
