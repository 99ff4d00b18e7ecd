//! A terminal client in a journey of the lab: its requests carry the pass that the lab's
//! page shows, and the live diagram has them.

use clap::Args;
use kit::{
    config::Problems,
    journey::Pass,
    telemetry::{context::TraceContext, propagation},
};
use reqwest::header::HeaderMap;

/// The sender of its requests, as the diagram names it.
const NAME: &str = "terminal";

/// Which journey the requests belong to.
#[derive(Args, Clone, Debug)]
pub(crate) struct JourneyArgs {
    /// Show the requests in your journey: the value that the lab's page has for this command, good for 15 minutes
    #[arg(
        long,
        env = "LAB_JOURNEY",
        hide_env_values = true,
        value_name = "VALUE",
        help_heading = "The deployment"
    )]
    journey: Option<String>,
}

/// The journey, if the command line names one.
#[derive(Clone, Debug, Default)]
pub(crate) struct InJourney(Option<Pass>);

impl JourneyArgs {
    pub(crate) fn read(&self, problems: &mut Problems) -> InJourney {
        let given = self.journey.as_deref().filter(|text| !text.is_empty());
        let pass = given.map(str::parse).transpose();
        let pass = pass.map_err(|what| problems.add("LAB_JOURNEY", what));
        InJourney(pass.ok().flatten())
    }
}

impl InJourney {
    /// Runs `work`, whose calls are part of the journey.
    pub(crate) async fn run<T>(self, work: impl Future<Output = T>) -> T {
        match self.0 {
            Some(pass) => TraceContext::of_pass(NAME, &pass).scope(work).await,
            None => work.await,
        }
    }
}

/// The headers that make a call part of the journey of the current task.
pub(crate) fn journey_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    propagation::inject(&mut headers);
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (InJourney, Vec<String>) {
        let mut problems = Problems::new();
        let journey = Some(text.to_owned());
        let read = JourneyArgs { journey }.read(&mut problems);
        (read, problems.lines().to_vec())
    }

    #[tokio::test]
    async fn the_value_of_the_page_goes_with_each_call() {
        let value = format!("{}.c2VhbGVk", "7".repeat(32));
        let (journey, problems) = read(&value);
        assert!(problems.is_empty(), "{problems:?}");
        let headers = journey.run(async { journey_headers() }).await;
        assert_eq!(headers["tracestate"], "sso-lab=c2VhbGVk");
        let parent = headers["traceparent"].to_str().unwrap();
        assert!(
            parent.starts_with(&format!("00-{}-", "7".repeat(32))),
            "{parent}"
        );
        assert!(parent.ends_with("-00"), "{parent}");
    }

    #[tokio::test]
    async fn without_a_value_nothing_goes_with_a_call_and_another_one_is_refused() {
        let (journey, problems) = read("");
        assert!(problems.is_empty(), "{problems:?}");
        assert!(journey.run(async { journey_headers() }).await.is_empty());
        let (_, problems) = read("a-secret-thing");
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with("LAB_JOURNEY: "), "{problems:?}");
        assert!(!problems[0].contains("a-secret-thing"), "{problems:?}");
    }
}
