//! Users whom a trusted peer states: in a header, or in a cookie of the same content. Both
//! count on connections by mTLS alone, from peers whose certificate has one of the names
//! that are set ([`Callers`]). A service mesh passes users on in this way.
//! [`StatedIdentities`] removes both from every request before a route sees it, and keeps
//! for the route what a trusted peer states.

mod callers;
mod checks;
mod stated;

pub use self::callers::Callers;
pub(crate) use self::{
    callers::CallersSettings,
    checks::StatedIdentities,
    stated::{BadStatement, IdentityCaller},
};
