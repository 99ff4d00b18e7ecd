//! Load, by wrk.

use std::process::Command;

/// What is asked, and how hard.
#[derive(Clone, Copy)]
pub struct Load {
    /// For so many seconds.
    pub seconds: u64,
    /// Over so many connections.
    pub connections: usize,
}

impl Load {
    /// Puts it on `url` with these cookies; gives the number of answers, which
    /// were all 200.
    ///
    /// # Panics
    /// When one was not.
    pub fn on(self, url: &str, cookies: &str) -> u64 {
        let mut wrk = Command::new("wrk");
        wrk.arg("--threads=1")
            .arg(format!("--connections={}", self.connections))
            .arg(format!("--duration={}", self.seconds));
        if !cookies.is_empty() {
            wrk.arg("--header").arg(format!("Cookie: {cookies}"));
        }
        let output = wrk.arg(url).output().expect("wrk is installed");
        let said = String::from_utf8_lossy(&output.stdout);
        let bad = said.contains("Non-2xx") || said.contains("Socket errors");
        assert!(output.status.success() && !bad, "{url}: {said}");
        let count = said.lines().find_map(|line| {
            let (count, _) = line.trim().split_once(" requests in ")?;
            count.parse().ok()
        });
        count.unwrap_or_else(|| panic!("{url}: {said}"))
    }
}
