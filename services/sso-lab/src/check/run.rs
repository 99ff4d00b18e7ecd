//! Runs steps one after the other and prints the outcome of each on a line of its own:
//! for people, or as JSON for programs.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::outcome::{Failure, Step, Stop};
use crate::output::print;

/// The column of the times.
const WIDTH: usize = 80;

/// The run.
pub(super) struct Run {
    as_json: bool,
    timeout: Duration,
    began: Instant,
    /// The session mode in which the steps run, where it matters.
    scene: String,
    /// The names of the successful steps.
    good: BTreeSet<String>,
    /// The number of steps with each outcome.
    counts: BTreeMap<Mark, u32>,
}

/// How a step ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Ok,
    Failed,
    Skipped,
}

impl Mark {
    const fn sign(self) -> char {
        match self {
            Self::Ok => '✓',
            Self::Failed => '✗',
            Self::Skipped => '–',
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

impl Run {
    /// A run that gives each step `timeout`.
    pub(super) fn new(as_json: bool, timeout: Duration) -> Self {
        Self {
            as_json,
            timeout,
            began: Instant::now(),
            scene: String::new(),
            good: BTreeSet::new(),
            counts: BTreeMap::new(),
        }
    }

    /// The steps from here on run in this scene.
    pub(super) fn scene(&mut self, scene: &str) {
        scene.clone_into(&mut self.scene);
    }

    /// Runs the step `name` if all steps that it `needs` were successful.
    pub(super) async fn step<T>(
        &mut self,
        name: &str,
        needs: &[&str],
        work: impl Future<Output = Step<T>>,
    ) -> Option<T> {
        if let Some(missing) = needs.iter().find(|need| !self.is_good(need)) {
            self.tell(
                name,
                Mark::Skipped,
                None,
                &format!("needs: {missing}"),
                None,
            );
            return None;
        }
        let began = Instant::now();
        let outcome = timeout(self.timeout, work).await.unwrap_or_else(|_| {
            let why = format!(
                "took longer than {} s (--timeout)",
                self.timeout.as_secs_f32()
            );
            Err(Stop::Failed(Failure::new(why)))
        });
        let took = Some(began.elapsed());
        match outcome {
            Ok(found) => {
                self.good.insert(self.full(name));
                self.tell(name, Mark::Ok, took, &found.note, None);
                Some(found.value)
            }
            Err(Stop::Failed(Failure { why, trace_id })) => {
                self.tell(name, Mark::Failed, took, &why, trace_id.as_deref());
                None
            }
            Err(Stop::Skipped(why)) => {
                self.tell(name, Mark::Skipped, took, &why, None);
                None
            }
        }
    }

    /// Reports that the step `name` cannot be run here.
    pub(super) fn skip(&mut self, name: &str, why: &str) {
        self.tell(name, Mark::Skipped, None, why, None);
    }

    /// Whether the step `name` was successful, in this scene or before all scenes.
    pub(super) fn is_good(&self, name: &str) -> bool {
        self.good.contains(&self.full(name)) || self.good.contains(name)
    }

    /// Prints the summary. `left` is what the check leaves behind. Returns whether no
    /// step has failed.
    pub(super) fn end(&self, left: &str) -> bool {
        let count = |mark| self.counts.get(&mark).copied().unwrap_or_default();
        let [ok, failed, skipped] = [Mark::Ok, Mark::Failed, Mark::Skipped].map(count);
        let took = self.began.elapsed();
        if self.as_json {
            print(json!({
                "summary": { "ok": ok, "failed": failed, "skipped": skipped },
                "ms": millis(took),
                "left_behind": left,
            }));
        } else {
            if !left.is_empty() {
                print(format!("Left behind: {left}."));
            }
            print(format!(
                "{} steps in {:.1} s: {ok} ok, {failed} failed, {skipped} skipped.",
                ok + failed + skipped,
                took.as_secs_f32()
            ));
        }
        failed == 0
    }

    fn full(&self, name: &str) -> String {
        if self.scene.is_empty() {
            name.to_owned()
        } else {
            format!("[{}] {name}", self.scene)
        }
    }

    fn tell(
        &mut self,
        name: &str,
        mark: Mark,
        took: Option<Duration>,
        note: &str,
        trace_id: Option<&str>,
    ) {
        *self.counts.entry(mark).or_default() += 1;
        if self.as_json {
            let scene = (!self.scene.is_empty()).then_some(&self.scene);
            print(json!({
                "step": name,
                "scene": scene,
                "outcome": mark.word(),
                "ms": took.map(millis),
                "note": note,
                "trace_id": trace_id,
            }));
            return;
        }
        let time = took.map_or_else(|| "-".to_owned(), |took| format!("{} ms", millis(took)));
        let mut line = format!("{} {:<WIDTH$} {time:>9}", mark.sign(), self.full(name));
        if mark == Mark::Skipped {
            line += "  skipped:";
        }
        if !note.is_empty() {
            line += if mark == Mark::Skipped { " " } else { "  " };
            line += note;
        }
        if let Some(id) = trace_id {
            line = format!("{line} (Trace-Id {id})");
        }
        print(&line);
    }
}

fn millis(time: Duration) -> Value {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).into()
}

#[cfg(test)]
mod tests {
    use super::{super::outcome::done, *};

    fn run() -> Run {
        Run::new(false, Duration::from_secs(1))
    }

    #[tokio::test]
    async fn a_step_whose_need_has_failed_is_skipped_and_never_begun() {
        let mut run = run();
        let failing = async { Step::<()>::Err(Failure::new("no").into()) };
        assert!(run.step("a", &[], failing).await.is_none());
        let never = async { panic!("it was begun") };
        assert!(run.step::<()>("b", &["a"], never).await.is_none());
        run.step("c", &[], async { Ok(done()) }).await.unwrap();
        run.step("d", &["c"], async { Ok(done()) }).await.unwrap();
        assert!(!run.end(""));
        let counts: Vec<_> = run.counts.into_values().collect();
        assert_eq!(counts, [2, 1, 1]);
    }

    #[tokio::test]
    async fn a_scene_knows_its_own_steps_and_those_before_all() {
        let mut run = run();
        run.step("ready", &[], async { Ok(done()) }).await.unwrap();
        run.scene("hybrid");
        run.step("login", &["ready"], async { Ok(done()) })
            .await
            .unwrap();
        assert!(run.is_good("login"));
        run.scene("cached");
        assert!(!run.is_good("login") && run.is_good("ready"));
        run.skip("other", "not here");
        assert!(run.end(""), "what is skipped has not failed");
    }

    #[tokio::test]
    async fn a_step_that_hangs_fails_in_its_time() {
        let mut run = Run::new(true, Duration::from_millis(1));
        let hangs = std::future::pending::<Step>();
        assert!(run.step("a", &[], hangs).await.is_none());
        assert!(!run.end(""));
    }
}
