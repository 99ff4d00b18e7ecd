//! The settings of the lab's live diagram: the secret that services and lab share, and
//! where the lab receives spans.

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use secrecy::SecretString;
use url::Url;

use super::{Addresses, Problems, Site, secret_length};
use crate::{
    journey::{JourneyKeys, MIN_SECRET},
    random::Random,
};

const SECRET: &str = "LAB_SECRET";
const ENDPOINT: &str = "LAB_OTLP_ENDPOINT";

/// Flags and environment for the live diagram, of every binary.
#[derive(Args, Clone, Default)]
#[command(next_help_heading = "Common settings")]
pub struct LabArgs {
    /// Secret that the lab shares with all services (32 characters or more), for the lab's live diagram; needs --lab
    #[arg(
        long,
        env = "LAB_SECRET",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    pub lab_secret: Option<String>,
    /// File that holds LAB_SECRET
    #[arg(long, env = "LAB_SECRET_FILE", value_name = "FILE")]
    pub lab_secret_file: Option<PathBuf>,
    /// The lab's address, to which the spans of journeys go (OTLP over HTTP); without it, they stay in this process
    #[arg(long, env = "LAB_OTLP_ENDPOINT", value_name = "URL")]
    pub lab_otlp_endpoint: Option<String>,
    /// Whether a process without a secret makes one, because it contains all services.
    #[arg(skip)]
    pub makes_secret: bool,
}

impl std::fmt::Debug for LabArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LabArgs")
            .field("lab_secret", &self.lab_secret.as_ref().map(|_| "[hidden]"))
            .field("lab_secret_file", &self.lab_secret_file)
            .field("lab_otlp_endpoint", &self.lab_otlp_endpoint)
            .field("makes_secret", &self.makes_secret)
            .finish()
    }
}

/// The live diagram, of which this process is a part.
#[derive(Clone, Debug)]
pub struct Lab {
    /// The keys of the lab's secret.
    pub keys: Arc<JourneyKeys>,
    /// Where the lab receives spans, if it is another process.
    pub endpoint: Option<Url>,
}

impl LabArgs {
    /// Checks all settings: `None` if this process is no part of a lab with a live diagram.
    /// Errors are added to `problems`.
    pub(super) fn read(
        &self,
        is_lab: bool,
        addresses: &Addresses,
        random: &dyn Random,
        problems: &mut Problems,
    ) -> Option<Lab> {
        let file = self.lab_secret_file.as_deref();
        let given = problems.secret(SECRET, self.lab_secret.as_deref(), file);
        if given.is_some() && !is_lab {
            problems.add(SECRET, "is refused without --lab (LAB=1)");
        }
        if let Some(given) = &given {
            let length = secret_length(given);
            if length < MIN_SECRET {
                let what = format_args!("{length} characters: {MIN_SECRET} or more are expected");
                problems.add(SECRET, what);
            }
        }
        let is_own = self.makes_secret && (is_lab || addresses.is_localhost());
        let made = || is_own.then(|| SecretString::from(random.token()));
        let secret = given.or_else(made);
        let endpoint = self.endpoint(problems);
        if secret.is_none() && endpoint.is_some() {
            problems.add(ENDPOINT, "needs LAB_SECRET");
        }
        let lab_url = addresses.url(Site::Lab);
        Some(Lab {
            keys: Arc::new(JourneyKeys::new(&secret?, &lab_url)),
            endpoint,
        })
    }

    fn endpoint(&self, problems: &mut Problems) -> Option<Url> {
        let text = self.lab_otlp_endpoint.as_deref()?;
        let text = Some(text).filter(|text| !text.is_empty())?;
        let url = problems.http_url(ENDPOINT, text)?;
        problems.parse(ENDPOINT, &url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::OsRandom;

    const GOOD: &str = "0123456789abcdef0123456789abcdef";

    fn read(args: &LabArgs, is_lab: bool, domain: &str) -> (Option<Lab>, Vec<String>) {
        let addresses = Addresses::new("https", domain, 0);
        let mut problems = Problems::new();
        let lab = args.read(is_lab, &addresses, &OsRandom, &mut problems);
        (lab, problems.lines().to_vec())
    }

    fn with_secret(secret: &str) -> LabArgs {
        LabArgs {
            lab_secret: Some(secret.to_owned()),
            ..LabArgs::default()
        }
    }

    #[test]
    fn a_service_is_part_of_the_lab_with_the_labs_secret_alone() {
        let (lab, problems) = read(&with_secret(GOOD), true, "localhost");
        assert!(lab.is_some() && problems.is_empty(), "{problems:?}");
        for is_lab in [false, true] {
            let (lab, problems) = read(&LabArgs::default(), is_lab, "localhost");
            assert!(lab.is_none() && problems.is_empty(), "{problems:?}");
        }
    }

    #[test]
    fn a_secret_outside_a_lab_and_a_short_one_are_refused_and_not_shown() {
        let (_, problems) = read(&with_secret(GOOD), false, "localhost");
        assert_eq!(problems, ["LAB_SECRET: is refused without --lab (LAB=1)"]);
        let (_, problems) = read(&with_secret("short-secret"), true, "localhost");
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(!format!("{:?}", with_secret(GOOD)).contains(GOOD));
        assert!(problems[0].contains("12 characters") && !problems[0].contains("short"));
    }

    #[test]
    fn the_one_process_is_a_lab_on_localhost_and_elsewhere_if_it_says_so() {
        let own = LabArgs {
            makes_secret: true,
            ..LabArgs::default()
        };
        for (is_lab, domain, expected) in [
            (false, "localhost", true),
            (false, "demo.localhost", true),
            (false, "example.com", false),
            (true, "example.com", true),
        ] {
            let (lab, problems) = read(&own, is_lab, domain);
            assert_eq!(lab.is_some(), expected, "{is_lab} {domain}");
            assert!(problems.is_empty(), "{problems:?}");
        }
    }

    #[test]
    fn an_endpoint_needs_the_secret_and_is_an_address() {
        let to = |endpoint: &str, args: LabArgs| LabArgs {
            lab_otlp_endpoint: Some(endpoint.to_owned()),
            ..args
        };
        let lab = "http://127.0.0.1:8080";
        let (_, problems) = read(&to(lab, LabArgs::default()), true, "localhost");
        assert_eq!(problems, ["LAB_OTLP_ENDPOINT: needs LAB_SECRET"]);
        let (found, problems) = read(&to(lab, with_secret(GOOD)), true, "localhost");
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(
            found.unwrap().endpoint.unwrap().as_str(),
            "http://127.0.0.1:8080/"
        );
        let (_, problems) = read(&to("lab:8080", with_secret(GOOD)), true, "localhost");
        assert_eq!(problems.len(), 1, "{problems:?}");
    }
}
