//! What the command prints: a progress bar and what failed on a terminal, a line for
//! each order elsewhere, and a summary.

use std::{
    io::{self, IsTerminal as _},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::{
    orders::Api,
    outcome::{Outcome, Worked},
};
use crate::{client::Said, output::print};

/// How often the bar is drawn while nothing happens.
const TICK: Duration = Duration::from_millis(200);

/// The report.
pub(super) struct Report {
    format: Format,
    bar: ProgressBar,
    began: Instant,
    done: u64,
    failed: u64,
    unknown: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    /// A line for each order.
    Lines,
    /// A line for each order that is not done.
    Failures,
    /// A JSON object for each order.
    Json,
}

impl Report {
    /// A report of `total` orders, if their number is known.
    pub(super) fn begin(as_json: bool, total: Option<u64>) -> Self {
        let format = match (as_json, io::stdout().is_terminal()) {
            (true, _) => Format::Json,
            (false, true) => Format::Failures,
            (false, false) => Format::Lines,
        };
        // The bar is on the standard error, and hidden where that is no terminal.
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
        let template = match total {
            Some(_) => "{bar:30} {pos}/{len} orders, {elapsed} ({eta} left){msg}",
            None => "{spinner} {pos} orders, {elapsed}{msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.tick();
        bar.enable_steady_tick(TICK);
        Self {
            format,
            bar,
            began: Instant::now(),
            done: 0,
            failed: 0,
            unknown: 0,
        }
    }

    /// The bar, for who prints besides.
    pub(super) fn bar(&self) -> ProgressBar {
        self.bar.clone()
    }

    /// Adds an order.
    pub(super) fn add(&mut self, worked: &Worked) {
        match worked.outcome {
            Outcome::Done(_) => self.done += 1,
            Outcome::Failed(_) => self.failed += 1,
            Outcome::Unknown(_) => self.unknown += 1,
        }
        let is_done = matches!(worked.outcome, Outcome::Done(_));
        let line = match self.format {
            Format::Json => Some(as_json(worked)),
            Format::Lines => Some(as_text(worked)),
            Format::Failures => (!is_done).then(|| as_text(worked)),
        };
        if let Some(line) = line {
            self.bar.suspend(|| print(line));
        }
        if !is_done {
            let not_done = self.failed + self.unknown;
            self.bar.set_message(format!(", {not_done} not done"));
        }
        self.bar.inc(1);
    }

    /// Ends with a summary; `stopped` is why not all of the list was sent. Returns
    /// whether every order is done.
    pub(super) fn end(&self, stopped: Option<&str>) -> bool {
        self.bar.finish_and_clear();
        let took = self.began.elapsed();
        match self.format {
            Format::Json => print(json!({
                "summary": {"done": self.done, "failed": self.failed, "unknown": self.unknown},
                "ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                "stopped": stopped,
            })),
            Format::Lines | Format::Failures => {
                if let Some(why) = stopped {
                    let why = why.trim_end_matches('.');
                    print(format_args!("Stopped: {why}. No further order was sent."));
                }
                if self.unknown > 0 {
                    print(
                        "Unknown: the answer was lost or a server error, so the order may \
                         have been placed. Look before you send it again.",
                    );
                }
                let all = self.done + self.failed + self.unknown;
                print(format_args!(
                    "{all} {} in {:.1} s: {} done, {} failed, {} unknown.",
                    if all == 1 { "order" } else { "orders" },
                    took.as_secs_f32(),
                    self.done,
                    self.failed,
                    self.unknown
                ));
            }
        }
        self.failed + self.unknown == 0 && stopped.is_none()
    }
}

fn as_text(worked: &Worked) -> String {
    let api = worked.api.map_or("", Api::name);
    let line = worked.line;
    let not_done = |what: &str, said: &Said| {
        let Said { sentence, trace_id } = said;
        let trace = trace_id
            .as_ref()
            .map(|id| format!(" (Trace-Id {id})"))
            .unwrap_or_default();
        let at = if api.is_empty() {
            String::new()
        } else {
            format!(" at {api}")
        };
        format!("line {line}: {what}{at}: {sentence}{trace}")
    };
    match &worked.outcome {
        Outcome::Done(id) => format!("line {line}: done at {api}: {id}"),
        Outcome::Failed(said) => not_done("failed", said),
        Outcome::Unknown(said) => not_done("unknown", said),
    }
}

fn as_json(worked: &Worked) -> String {
    let (outcome, id, said) = match &worked.outcome {
        Outcome::Done(id) => ("done", Some(id), None),
        Outcome::Failed(said) => ("failed", None, Some(said)),
        Outcome::Unknown(said) => ("unknown", None, Some(said)),
    };
    json!({
        "line": worked.line,
        "api": worked.api.map(Api::name),
        "outcome": outcome,
        "id": id,
        "attempts": worked.attempts,
        "why": said.map(|said| &said.sentence),
        "trace_id": said.and_then(|said| said.trace_id.as_ref()),
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_which_order_and_what_came_of_it() {
        let worked = |api, outcome| Worked {
            line: 3,
            api,
            outcome,
            attempts: 1,
        };
        let said = Said {
            sentence: "status 409".into(),
            trace_id: Some("abc".into()),
        };
        let done = worked(Some(Api::Orders), Outcome::Done("o-1".into()));
        assert_eq!(as_text(&done), "line 3: done at api-1: o-1");
        let failed = worked(Some(Api::Inventory), Outcome::Failed(said));
        let text = as_text(&failed);
        assert_eq!(text, "line 3: failed at api-2: status 409 (Trace-Id abc)");
        let none = worked(None, Outcome::Failed(Said::new("no order")));
        assert_eq!(as_text(&none), "line 3: failed: no order");
        let json: serde_json::Value = serde_json::from_str(&as_json(&failed)).unwrap();
        assert_eq!(
            (&json["outcome"], &json["api"]),
            (&"failed".into(), &"api-2".into())
        );
        assert!(json["id"].is_null());
    }
}
