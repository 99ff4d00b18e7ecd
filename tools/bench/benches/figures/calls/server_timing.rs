//! The cost of a request, as its response states it (`Server-Timing`).

use testkit::Response;

/// The cost of a request.
#[derive(Clone, Copy, Debug)]
pub struct ServerTiming {
    /// Bytes of cookies.
    pub cookie_bytes: f64,
    /// Commands to the store.
    pub store_commands: f64,
    /// Microseconds spent on checking cookies.
    pub verify_micros: f64,
}

impl ServerTiming {
    /// Of `answer`, which is a 200.
    pub fn of(answer: &Response) -> Self {
        assert_eq!(answer.status, 200, "{}", answer.body);
        let said = answer.header("server-timing").expect("Server-Timing");
        let number = |name: &str| {
            let (_, rest) = said.split_once(name).expect("its part");
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.');
            rest[..digits.unwrap_or(rest.len())]
                .parse::<f64>()
                .expect("a number")
        };
        Self {
            cookie_bytes: number("cookies;desc=\""),
            store_commands: number("store;desc=\""),
            verify_micros: number("verify;dur=") * 1000.0,
        }
    }
}
