//! The CA, files of one's own, and handshakes with real clients.

use std::{fs, net::Ipv4Addr, path::PathBuf, sync::Arc, time::Duration};

use rustls::{
    HandshakeKind, RootCertStore, SignatureScheme, SupportedProtocolVersion,
    client::{ResolvesClientCert, Resumption},
    pki_types::ServerName,
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::*;
use crate::{
    admission::{Admission, Limits},
    certified_key::certified_key,
    clock::{Clock as _, SystemClock, Timestamp},
    net::{Trust, client_config, why},
    random::OsRandom,
    state_dir::StateDir,
};

/// More than a test takes.
const LONG: Duration = Duration::from_secs(60);

fn authority() -> Authority {
    Authority::new(SystemClock.now(), &OsRandom).unwrap()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

mod own_files;
mod the_authority;
mod the_handshake;
