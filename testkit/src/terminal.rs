//! A program in a pseudo-terminal, as a person runs it.

use std::{
    ffi::OsStr,
    io::{Read as _, Write as _},
    path::Path,
    process::{Child, ExitStatus},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use pty_process::blocking::{Command, Pty, open};
use rustix::process::{Pid, Signal, kill_process};

/// Rows and columns.
const SIZE: (u16, u16) = (50, 120);
const POLL: Duration = Duration::from_millis(10);

/// A running program and what its terminal shows. It ends with this value.
pub struct Terminal {
    process: Child,
    pty: Arc<Pty>,
    shown: Arc<Mutex<Vec<u8>>>,
    reader: Option<thread::JoinHandle<()>>,
}

impl Terminal {
    /// Starts `program` with `flags` and `environment` besides what this process has.
    pub fn start<S: AsRef<OsStr>>(
        program: &Path,
        flags: &[S],
        environment: &[(String, String)],
    ) -> Self {
        let (pty, terminal) = open().unwrap();
        pty.resize(pty_process::Size::new(SIZE.0, SIZE.1)).unwrap();
        // A shell ignores SIGINT for what it runs in the background, and a test run
        // there would hand that on: Ctrl-C would not be heard.
        let command = Command::new("env")
            .arg("--default-signal=INT")
            .arg(program)
            .args(flags)
            .env("TERM", "xterm-256color")
            .envs(environment.iter().map(|(name, value)| (name, value)));
        let process = command.spawn(terminal);
        let process = process.unwrap_or_else(|e| panic!("{}: {e}", program.display()));
        let (pty, shown) = (Arc::new(pty), Arc::new(Mutex::new(Vec::new())));
        let (from, to) = (Arc::clone(&pty), Arc::clone(&shown));
        // The read fails when the program has closed the terminal.
        let reader = thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = (&*from).read(&mut buffer) {
                to.lock().extend_from_slice(&buffer[..length]);
            }
        });
        Self {
            process,
            pty,
            shown,
            reader: Some(reader),
        }
    }

    /// Everything that was shown, with its control sequences.
    pub fn raw(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock()).into_owned()
    }

    /// The text that was shown, without control sequences; line ends are `\n`.
    pub fn text(&self) -> String {
        without_control_sequences(&self.raw())
    }

    /// Waits until the text contains `words`, and returns the text.
    pub async fn until(&mut self, words: &str, patience: Duration) -> String {
        let began = Instant::now();
        loop {
            let text = self.text();
            if text.contains(words) {
                return text;
            }
            let ended = self.process.try_wait().unwrap();
            assert!(
                ended.is_none() && began.elapsed() < patience,
                "it never showed {words:?} ({ended:?}): {}",
                self.text()
            );
            tokio::time::sleep(POLL).await;
        }
    }

    /// Types `keys`; `\x03` is Ctrl-C.
    pub fn type_keys(&self, keys: &str) {
        (&*self.pty).write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for its end, and returns the text and the exit code.
    pub async fn end(mut self, patience: Duration) -> (String, Option<i32>) {
        let began = Instant::now();
        let status: ExitStatus = loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                break status;
            }
            assert!(
                began.elapsed() < patience,
                "it does not end: {}",
                self.text()
            );
            tokio::time::sleep(POLL).await;
        };
        let reader = self.reader.take().unwrap();
        tokio::task::block_in_place(|| reader.join()).unwrap();
        (self.text(), status.code())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            let _ = kill_process(Pid::from_child(&self.process), Signal::KILL);
            let _ = self.process.wait();
        }
    }
}

/// `shown` without ECMA-48 control sequences (§5.4) and carriage returns.
fn without_control_sequences(shown: &str) -> String {
    let mut text = String::new();
    let mut rest = shown.chars();
    while let Some(c) = rest.next() {
        match c {
            '\x1b' if rest.as_str().starts_with('[') => {
                rest.find(|c| ('\x40'..='\x7e').contains(c) && *c != '[');
            }
            '\x1b' => drop(rest.next()),
            '\r' => {}
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_sequences_are_no_text() {
        let shown = "a\x1b[1;31mb\x1b[0m\r\n\x1b[2K\x1b[?25lc";
        assert_eq!(without_control_sequences(shown), "ab\nc");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_program_sees_a_terminal_and_hears_ctrl_c() {
        let script = "test -t 0 && test -t 1 && test -t 2 && stty size && sleep 60";
        let shell = Path::new("/bin/sh");
        let mut terminal = Terminal::start(shell, &["-c", script], &[]);
        let patience = Duration::from_secs(20);
        terminal.until("50 120", patience).await;
        terminal.type_keys("\x03");
        let (_, code) = terminal.end(patience).await;
        assert_eq!(code, None, "SIGINT ends it");
    }
}
