//! The queue of back-channel logouts, in the store. A process claims each notice for a
//! while; a notice that is not delivered by then becomes due again.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use kit::{
    clock::{Clock, Timestamp},
    net::{AddressOverrides, Trust},
    random::Random,
    step,
    telemetry::{
        context::in_current_trace,
        names::{OK, span},
    },
};
use store::Budget;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinHandle,
};
use tracing::{Instrument as _, Span, field::Empty};
use url::Url;

use super::{
    Notice, logout_token,
    send::{Failure, Sender},
};
use crate::{
    audit, budgets,
    keys::{Algorithm, Keys},
    meters::Meters,
    records::{RecordError, Records, Stored},
    settings::{Client, Settings},
};

/// The queue.
const KEY: &str = "idp:outbox";
/// How long a notice is claimed: longer than an attempt takes.
const CLAIM: Duration = Duration::from_secs(30);
/// The most concurrent attempts of a process for each client: a client that does not
/// respond delays no other.
const MAX_CONCURRENT: usize = 8;
/// The most bytes of the notices about one user: enough for all sessions that a user may
/// have. For a client that is unreachable for long, the oldest notices are evicted.
const OF_A_USER: u64 = 256 * 1024;
/// How many notices are claimed at once.
const BATCH: usize = 64;
/// When a notice is retried whose client has no free slot.
const NO_SLOT: Duration = Duration::from_secs(5);
/// The first pause after a failure; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause between two attempts.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// After this time a notice is abandoned.
pub(super) const GIVE_UP: Duration = Duration::from_secs(24 * 3600);

/// The queue and its delivery.
#[derive(Clone)]
pub struct Outbox(Arc<Inner>);

struct Inner {
    records: Records,
    budget: Budget,
    keys: Keys,
    issuer: String,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    clients: BTreeMap<String, Recipient>,
    sender: Sender,
    meters: Meters,
    /// Attempts outlive the request that creates them.
    runtime: Handle,
}

/// A client with a back-channel logout URI.
#[derive(Clone)]
struct Recipient {
    uri: Url,
    /// The algorithm of its logout tokens, if configured.
    algorithm: Option<Algorithm>,
    slots: Arc<Semaphore>,
}

impl Outbox {
    /// For the clients of `settings`. It must be called inside the runtime that delivers
    /// notices.
    pub fn new(
        (records, keys, issuer): (Records, Keys, String),
        (clock, random): (Arc<dyn Clock>, Arc<dyn Random>),
        settings: &Settings,
        (reach, trust): (AddressOverrides, &Trust),
        meters: Meters,
    ) -> Self {
        let recipient = |client: &Client| {
            let recipient = Recipient {
                uri: client.backchannel_logout_uri.clone()?,
                algorithm: client.id_token_alg,
                slots: Arc::new(Semaphore::new(MAX_CONCURRENT)),
            };
            Some((client.client_id.clone(), recipient))
        };
        let store = Arc::clone(records.store());
        let prefix = "idp:budget:notices";
        let budget = Budget::of_each(store, Arc::clone(&clock), prefix, OF_A_USER);
        Self(Arc::new(Inner {
            records,
            budget,
            keys,
            issuer,
            clock,
            random,
            clients: settings.clients().filter_map(recipient).collect(),
            sender: Sender::new(reach, trust),
            meters,
            runtime: Handle::current(),
        }))
    }

    /// Queues `notice` and, if the client has a free slot, returns the first attempt. A
    /// client without a back-channel logout URI gets no notice.
    pub async fn add(&self, notice: Notice) -> Result<Option<JoinHandle<()>>, RecordError> {
        let Some(recipient) = self.0.clients.get(&notice.client_id) else {
            return Ok(None);
        };
        let id = notice.id();
        let charge = budgets::charge(budgets::user(&notice.sub), &id, &notice)?;
        let notice = Notice {
            charge: Some(charge.clone()),
            ..notice
        };
        let (records, budget) = (&self.0.records, &self.0.budget);
        if !records.create(&id, &notice).await? {
            // It is queued already, or was stored and not queued yet.
            self.put_in_queue(&id, self.0.clock.now()).await?;
            return Ok(None);
        }
        budgets::enter(records, budget, &charge, &id, &notice).await?;
        let Ok(slot) = Arc::clone(&recipient.slots).try_acquire_owned() else {
            self.put_in_queue(&id, self.0.clock.now()).await?;
            return Ok(None);
        };
        self.put_in_queue(&id, self.0.clock.now() + CLAIM).await?;
        Ok(Some(self.attempt(id, recipient.uri.clone(), slot)))
    }

    /// Attempts to deliver each notice that is due.
    pub async fn deliver_due(&self) -> Result<(), RecordError> {
        loop {
            let now = self.0.clock.now();
            let store = self.0.records.store();
            let due = store.claim(KEY, now, now + CLAIM, BATCH).await?;
            for id in &due {
                self.attempt_due(id).await?;
            }
            if due.len() < BATCH {
                return Ok(());
            }
        }
    }

    /// The length of the queue.
    pub async fn depth(&self) -> Result<u64, RecordError> {
        let store = self.0.records.store();
        Ok(store.count_range(KEY, Timestamp::default()).await?)
    }

    async fn attempt_due(&self, id: &str) -> Result<(), RecordError> {
        let found = self.0.records.get::<Notice>(id).await?;
        let recipient = found.and_then(|stored| self.0.clients.get(&stored.record.client_id));
        let Some(recipient) = recipient else {
            // It was delivered meanwhile, or the client has no URI any more.
            return self.0.remove(id).await;
        };
        match Arc::clone(&recipient.slots).try_acquire_owned() {
            Ok(slot) => {
                self.attempt(id.to_owned(), recipient.uri.clone(), slot);
                Ok(())
            }
            Err(_) => self.put_in_queue(id, self.0.clock.now() + NO_SLOT).await,
        }
    }

    async fn put_in_queue(&self, id: &str, at: Timestamp) -> Result<(), RecordError> {
        self.0.put_in_queue(id, at).await
    }

    fn attempt(&self, id: String, uri: Url, slot: OwnedSemaphorePermit) -> JoinHandle<()> {
        let inner = Arc::clone(&self.0);
        let span = step!(
            span::BACKCHANNEL_LOGOUT,
            "sso.to" = Empty,
            "sso.outcome" = Empty
        );
        let work = async move {
            let _slot = slot;
            if let Err(error) = inner.attempt(&id, &uri).await {
                // It stays in the queue and becomes due again.
                tracing::warn!("a back-channel logout is postponed: {error}");
            }
        };
        self.0
            .runtime
            .spawn(in_current_trace(work.instrument(span)))
    }
}

impl Inner {
    async fn attempt(&self, id: &str, uri: &Url) -> Result<(), RecordError> {
        let Some(stored) = self.records.get::<Notice>(id).await? else {
            return self.remove(id).await;
        };
        let span = Span::current();
        span.record("sso.to", &stored.record.client_id);
        let delivered = self.deliver(&stored.record, uri).await;
        let outcome = if delivered.is_ok() { OK } else { "failed" };
        span.record("sso.outcome", outcome);
        match delivered {
            Ok(()) => {
                let notice = &stored.record;
                audit::logout_delivered(&self.meters, &notice.client_id, &notice.sub);
                self.remove(id).await
            }
            Err(why) => self.postpone(id, &stored, &why).await,
        }
    }

    async fn deliver(&self, notice: &Notice, uri: &Url) -> Result<(), Failure> {
        let now = (self.clock.now(), &*self.random);
        let recipient = self.clients.get(&notice.client_id);
        let algorithm = recipient.and_then(|recipient| recipient.algorithm);
        let by = (&self.keys, algorithm);
        let token = logout_token::sign(by, &self.issuer, notice, now).await?;
        self.sender.post(uri, &token).await
    }

    async fn postpone(
        &self,
        id: &str,
        stored: &Stored<Notice>,
        why: &Failure,
    ) -> Result<(), RecordError> {
        let notice = &stored.record;
        let next = self.clock.now() + pause_after(notice.failures);
        if next > notice.since + GIVE_UP {
            let why = why.to_string();
            audit::logout_given_up(&self.meters, &notice.client_id, &notice.sub, &why);
            return self.remove(id).await;
        }
        self.meters.logout_notices.add(&["failed"]);
        tracing::info!(
            client = notice.client_id,
            failures = notice.failures + 1,
            "a back-channel logout could not be delivered: {why}"
        );
        let failed = Notice {
            failures: notice.failures + 1,
            ..notice.clone()
        };
        self.records.swap(id, stored, &failed).await?;
        self.put_in_queue(id, next).await
    }

    async fn put_in_queue(&self, id: &str, at: Timestamp) -> Result<(), RecordError> {
        let lasting = GIVE_UP + LONGEST_PAUSE + CLAIM;
        let queued = self.records.store().add_scored(KEY, id, at, lasting).await;
        Ok(queued.map(drop)?)
    }

    async fn remove(&self, id: &str) -> Result<(), RecordError> {
        let notice = self.records.take::<Notice>(id).await?;
        let charge = notice.and_then(|notice| notice.charge);
        budgets::leave::<Notice>(&self.budget, charge.as_ref(), id).await;
        self.records.store().remove_scored(KEY, id).await?;
        Ok(())
    }
}

/// The pause after a failure that follows this many others.
fn pause_after(failures: u32) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << failures.min(16));
    doubled.min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use kit::{clock::ManualClock, config::Addresses, random::OsRandom};
    use store::MemoryStore;

    use super::*;
    use crate::{records::Authenticity, session_index::SessionName, settings::DEFAULT};

    #[test]
    fn pauses_double_from_a_second_to_five_minutes() {
        let pauses: Vec<_> = [0, 1, 2, 8, 9, 4_000_000_000]
            .map(|failures| pause_after(failures).as_secs())
            .into();
        assert_eq!(pauses, [1, 2, 4, 256, 300, 300]);
    }

    /// An outbox whose client is at a closed port.
    fn outbox(clock: &Arc<ManualClock>) -> Outbox {
        let gone = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = gone.local_addr().unwrap().port();
        let addresses = Addresses::default().with_port(kit::config::Site::App1, port);
        let settings = Settings::parse("test", DEFAULT, &addresses, None).unwrap();
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(clock);
        let store = Arc::new(MemoryStore::new(Arc::clone(&clock)));
        let records = Records::new(
            store,
            Arc::clone(&clock),
            Authenticity::new(&[[1; 32]], None),
        );
        let keys = Keys::for_test(&clock);
        let issuer = "http://idp.localhost".to_owned();
        let random: Arc<dyn Random> = Arc::new(OsRandom);
        let reach = AddressOverrides::default();
        let meters = Meters::new(&kit::metrics::Metrics::new("tested").unwrap());
        let deps = (clock, random);
        Outbox::new(
            (records, keys, issuer),
            deps,
            &settings,
            (reach, &Trust::default()),
            meters,
        )
    }

    fn notice(client_id: &str, now: Timestamp) -> Notice {
        let session = SessionName {
            sid: "s".into(),
            sub: "u".into(),
        };
        Notice::new(client_id, &session, now)
    }

    async fn stored(outbox: &Outbox, id: &str) -> Option<Notice> {
        let found = outbox.0.records.get::<Notice>(id).await.unwrap();
        found.map(|stored| stored.record)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_unreachable_client_is_given_up_after_a_day() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_700_000_000)));
        let outbox = outbox(&clock);
        let notice = notice("app1", clock.now());
        let id = notice.id();
        let attempt = outbox.add(notice.clone()).await.unwrap().unwrap();
        attempt.await.unwrap();
        assert_eq!(stored(&outbox, &id).await.unwrap().failures, 1);
        // An equal notice is queued once.
        assert!(outbox.add(notice).await.unwrap().is_none());
        clock.advance(GIVE_UP);
        outbox.deliver_due().await.unwrap();
        let gone = async {
            while stored(&outbox, &id).await.is_some() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(20), gone).await;
        assert!(in_time.is_ok(), "{:?}", stored(&outbox, &id).await);
    }

    #[tokio::test]
    async fn notices_about_one_user_for_an_unreachable_client_are_bounded() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_700_000_000)));
        let outbox = outbox(&clock);
        let mut ids = Vec::new();
        for n in 0..600 {
            clock.advance(Duration::from_millis(1));
            let session = SessionName {
                sid: format!("s{n}"),
                sub: "u".into(),
            };
            let notice = Notice::new("app1", &session, clock.now());
            ids.push(notice.id());
            outbox.add(notice).await.unwrap();
        }
        let mut there = Vec::new();
        for id in &ids {
            there.push(stored(&outbox, id).await.is_some());
        }
        assert!(!there[0] && there[599], "the oldest go");
        let count = there.iter().filter(|there| **there).count();
        assert!((150..400).contains(&count), "{count} notices");
    }

    #[tokio::test]
    async fn a_client_without_a_uri_gets_no_notice() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_700_000_000)));
        let outbox = outbox(&clock);
        let notice = notice("my_spa", clock.now());
        let id = notice.id();
        assert!(outbox.add(notice).await.unwrap().is_none());
        assert!(stored(&outbox, &id).await.is_none());
    }
}
