//! What a page says of defences that are switched off: in this process, or for the journey of
//! its request. Nobody else's pages say anything.

use std::future::Future;

use kit::{
    clock::Timestamp,
    config::Weaknesses,
    journey::{self, Settings},
    telemetry::context::TraceContext,
};

use super::utc;

tokio::task_local! {
    static SHOWN: Settings;
}

/// What is switched off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Weakened {
    process: Weaknesses,
    journey: Settings,
    /// The lab's address, if this process is part of a lab.
    lab_url: Option<String>,
}

/// Runs `work`, whose pages show what is switched off by `settings`. It is for the lab's own
/// pages, whose requests belong to no journey.
pub async fn showing<F: Future>(settings: Settings, work: F) -> F::Output {
    SHOWN.scope(settings, work).await
}

impl Weakened {
    /// That of the current request.
    pub(super) fn of_request() -> Self {
        let journey = TraceContext::current_journey().map(|journey| journey.settings());
        let keys = journey::of_process();
        Self {
            process: Weaknesses::of_process(),
            journey: journey
                .or_else(|| SHOWN.try_with(|settings| *settings).ok())
                .unwrap_or_default(),
            lab_url: keys.map(|keys| keys.lab_url().to_owned()),
        }
    }

    /// Whether every defence is on.
    pub(super) fn is_empty(&self) -> bool {
        self.parts().next().is_none()
    }

    /// For whom, and what.
    pub(super) fn parts(&self) -> impl Iterator<Item = (String, Weaknesses)> {
        let until = utc(Timestamp::from_secs(self.journey.weakened_until));
        let time = until.split_once(' ').map_or(&*until, |(_, time)| time);
        let parts = [
            (
                format!("for your journey until {time}"),
                self.journey.weaknesses,
            ),
            ("for everybody by --weaken".to_owned(), self.process),
        ];
        let is_some = |(_, weaknesses): &(String, Weaknesses)| weaknesses.iter().next().is_some();
        parts.into_iter().filter(is_some)
    }

    /// Where the journey's defences are switched on again; none if all of them are on.
    pub(super) fn lab_url(&self) -> Option<&str> {
        let is_weak = self.journey.weaknesses.iter().next().is_some();
        self.lab_url.as_deref().filter(|_| is_weak)
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{body::to_bytes, http::StatusCode};
    use askama::Template;
    use kit::config::{Site, Weakness};

    use super::*;
    use crate::ui::{Csp, page};

    #[derive(Template)]
    #[template(source = "<p>x</p>", ext = "html")]
    struct Body;

    async fn html() -> String {
        let page = page(Site::App1, "t", StatusCode::OK, &Body, &Csp::strict());
        let bytes = to_bytes(page.into_body()).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[actix_web::test]
    async fn a_page_says_what_is_off_for_its_journey_and_until_when() {
        let settings = Settings {
            weaknesses: [Weakness::GetOrders, Weakness::AlgNone]
                .into_iter()
                .collect(),
            weakened_until: 1_800_000_000,
            explain: false,
        };
        let weak = showing(settings, html()).await;
        let said = "<b>Weakened for your journey until 08:00:00 UTC:</b> <code>get-orders</code> <code>alg-none</code>";
        assert!(weak.contains(said), "{weak}");
        assert!(weak.contains("The APIs accept a token without a signature"));
        assert!(!weak.contains("--weaken"));
    }

    #[actix_web::test]
    async fn nobody_elses_page_says_anything() {
        assert!(!html().await.contains("weakened"));
        let explained = Settings {
            explain: true,
            ..Settings::default()
        };
        assert!(!showing(explained, html()).await.contains("weakened"));
    }

    #[test]
    fn a_process_says_it_to_everybody_without_a_way_back() {
        let weakened = Weakened {
            process: [Weakness::Framable].into_iter().collect(),
            lab_url: Some("http://lab.localhost:8080".to_owned()),
            ..Weakened::default()
        };
        let scopes: Vec<_> = weakened.parts().map(|(scope, _)| scope).collect();
        assert_eq!(scopes, ["for everybody by --weaken"]);
        assert_eq!(weakened.lab_url(), None);
        let both = Weakened {
            journey: Settings {
                weaknesses: [Weakness::AlgNone].into_iter().collect(),
                ..Settings::default()
            },
            ..weakened
        };
        assert_eq!(both.parts().count(), 2);
        assert_eq!(both.lab_url(), Some("http://lab.localhost:8080"));
    }
}
