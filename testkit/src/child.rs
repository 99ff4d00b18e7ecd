//! A process that a test started: its output goes to a file, and it never
//! outlives the test.

use std::{
    ffi::OsStr,
    fs::File,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// Time for a process to end by itself.
const PATIENCE: Duration = Duration::from_secs(12);

/// A running process, the leader of its own process group.
#[derive(Debug)]
pub struct Child {
    name: String,
    process: std::process::Child,
    log: PathBuf,
    was_killed: bool,
}

impl Child {
    /// Starts `program` with `flags` and `environment` besides what this
    /// process has; both outputs go to `log`.
    pub fn spawn<S: AsRef<OsStr>>(
        program: &Path,
        flags: &[S],
        environment: &[(String, String)],
        log: PathBuf,
    ) -> Self {
        let output = File::create(&log).unwrap();
        let process = Command::new(program)
            .args(flags)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|e| panic!("{}: {e}", program.display()));
        let name = program
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Self {
            name,
            process,
            log,
            was_killed: false,
        }
    }

    /// Runs `program` until it ends by itself, up to `patience`. Returns its output and
    /// its exit code. Blocks the thread.
    pub fn run_to_end<S: AsRef<OsStr>>(
        program: &Path,
        flags: &[S],
        environment: &[(String, String)],
        patience: Duration,
    ) -> (String, Option<i32>) {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Self::spawn(program, flags, environment, folder.path().join("log"));
        let status = child.wait(patience).unwrap();
        (child.output(), status.code())
    }

    /// The id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Its output.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Waits up to `patience` until it has printed `words`.
    ///
    /// # Panics
    /// If it ends, or does not print them in time.
    pub async fn until_output(&mut self, words: &str, patience: Duration) {
        let began = Instant::now();
        while !self.output().contains(words) {
            assert!(self.ended().is_none(), "it ended: {}", self.output());
            let in_time = began.elapsed() < patience;
            assert!(in_time, "never said {words:?}: {}", self.output());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        // The process may have ended already.
        let _ = kill_process(self.id(), Signal::TERM);
    }

    /// Kills it (SIGKILL), as in a crash, and waits for its end.
    pub fn kill(&mut self) {
        self.was_killed = true;
        // The process may have ended already.
        let _ = kill_process(self.id(), Signal::KILL);
        let _ = self.process.wait();
    }

    /// Whether [`Child::kill`] was called.
    pub fn was_killed(&self) -> bool {
        self.was_killed
    }

    /// The exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().unwrap()
    }

    /// Waits up to `patience` for its end. Blocks the thread.
    pub fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return Some(status);
            }
            if began.elapsed() > patience {
                return None;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn id(&self) -> Pid {
        Pid::from_child(&self.process)
    }
}

impl Drop for Child {
    #[expect(
        clippy::print_stdout,
        reason = "cargo shows the output of failed tests only"
    )]
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            self.terminate();
            self.wait(PATIENCE);
        }
        // Ends child processes, which are in the same group.
        let _ = kill_process_group(self.id(), Signal::KILL);
        let _ = self.process.wait();
        if thread::panicking() {
            let output = self.output();
            let lines: Vec<_> = output.lines().collect();
            let last = &lines[lines.len().saturating_sub(30)..];
            println!(
                "--- the last lines of {} ---\n{}",
                self.name,
                last.join("\n")
            );
        }
    }
}
