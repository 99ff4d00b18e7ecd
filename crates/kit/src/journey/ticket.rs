//! Tickets, by which a browser joins its journey at a service. The service asks for one: it
//! gives the browser a random value in a cookie and sends its hash, the challenge, to the
//! lab. The lab makes a ticket for the journey of its own cookie, and the service accepts it
//! only from the browser that has the value. So a link cannot make another person's browser
//! join a journey (as `state` prevents it in a login, RFC 6749 §10.12), and a ticket without
//! its browser is worth nothing.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::{ID_LEN, Journey, JourneyKeys, Settings, settings};
use crate::{clock::Timestamp, random::Random};

/// How long a ticket is accepted, in seconds.
pub const TICKET_LIFE: i64 = 60;

/// The longest ticket.
const MAX_TICKET: usize = 2048;

/// What a ticket says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The journey to join.
    pub journey: Journey,
    /// The hash of the value in the browser's cookie.
    pub challenge: String,
    /// Where the browser goes next. The lab chooses it, and nothing else can.
    pub next: String,
    /// Whether the browser leaves the journey here, which has ended.
    pub leaves: bool,
}

#[derive(Deserialize, Serialize)]
struct Content {
    id: [u8; ID_LEN],
    settings: [u8; settings::LEN],
    expires: i64,
    challenge: String,
    next: String,
    #[serde(default)]
    leaves: bool,
}

impl JourneyKeys {
    /// Seals `ticket` for `service`.
    pub fn ticket(
        &self,
        ticket: &Ticket,
        service: &str,
        now: Timestamp,
        random: &dyn Random,
    ) -> String {
        let content = Content {
            id: ticket.journey.id,
            settings: ticket.journey.settings.to_bytes(),
            expires: now.secs() + TICKET_LIFE,
            challenge: ticket.challenge.clone(),
            next: ticket.next.clone(),
            leaves: ticket.leaves,
        };
        // Numbers and texts have a JSON form.
        let content = serde_json::to_vec(&content).unwrap_or_default();
        URL_SAFE_NO_PAD.encode(self.tickets.seal(random, service, &content))
    }

    /// The content of a ticket for `service` that is still good at `now`.
    pub fn open_ticket(&self, ticket: &str, service: &str, now: Timestamp) -> Option<Ticket> {
        if ticket.len() > MAX_TICKET {
            return None;
        }
        let sealed = URL_SAFE_NO_PAD.decode(ticket).ok()?;
        let content = self.tickets.open(service, sealed)?;
        let content: Content = serde_json::from_slice(&content).ok()?;
        let settings = Settings::from_bytes(&content.settings)?;
        (now.secs() < content.expires).then(|| Ticket {
            journey: self.journey(content.id).with(settings),
            challenge: content.challenge,
            next: content.next,
            leaves: content.leaves,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::test_keys, *};
    use crate::random::OsRandom;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    #[test]
    fn a_ticket_is_good_for_its_service_and_for_a_minute() {
        let keys = test_keys();
        let ticket = Ticket {
            journey: keys.begin(&OsRandom),
            challenge: "c".repeat(43),
            next: "http://lab.localhost:8080/journey".to_owned(),
            leaves: true,
        };
        let sealed = keys.ticket(&ticket, "idp", NOW, &OsRandom);
        let open = |service: &str, after: i64| {
            let now = Timestamp::from_secs(NOW.secs() + after);
            keys.open_ticket(&sealed, service, now)
        };
        assert_eq!(open("idp", 0), Some(ticket.clone()));
        assert_eq!(open("idp", 59), Some(ticket));
        assert_eq!(open("idp", 60), None);
        assert_eq!(open("app1-bff", 0), None);
        assert_eq!(keys.open_ticket("", "idp", NOW), None);
        assert_eq!(keys.open_ticket(&"A".repeat(3000), "idp", NOW), None);
        let cookie = keys.cookie(&keys.begin(&OsRandom), "idp", NOW, &OsRandom);
        assert_eq!(keys.open_ticket(&cookie, "idp", NOW), None);
    }
}
