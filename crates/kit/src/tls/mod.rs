//! TLS of the services' own listeners: the lab's certificate authority, certificate files
//! of one's own, and the handshake. `kit::net::Trust` is the other side: whom outgoing
//! TLS trusts.
//!
//! | subject | module |
//! |---|---|
//! | the lab's CA, which issues certificates for servers and for clients | `authority` |
//! | certificate and key files of one's own | `files` |
//! | which certificate a listener presents to which name | `identity` |
//! | the handshake, and whether it asks for a client certificate | `server` |
//! | the certificate that a client presented | `peer` |
//! | a connection, with TLS or without | `stream` |

mod authority;
mod files;
mod identity;
mod peer;
mod server;
mod stream;
#[cfg(test)]
mod tests;

pub use authority::{
    AlternativeName, Authority, CERTIFICATE_FILE, Issued, KEY_FILE, LEAF_LIFETIME,
};
pub use files::{FileError, Member, read};
pub use identity::{Certificates, Identity};
pub use peer::PeerCertificates;
pub use server::{Acceptor, ClientCertificates, Protocol};
pub use stream::ServerStream;
