//! The ports that browsers refuse to open.

/// The bad ports of the Fetch Standard ("Port blocking") from 1024 on. The services listen
/// on no port below.
const BAD_PORTS: [u16; 19] = [
    1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669,
    6679, 6697, 10080,
];

/// Whether browsers refuse to open a page at `port`, whatever listens there.
pub fn is_bad_port(port: u16) -> bool {
    BAD_PORTS.contains(&port)
}
