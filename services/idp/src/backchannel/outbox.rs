//! What has to be told, as a queue in the store: each notice is handed out to
//! one process alone for a while, and comes back unless it was told.

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
    settings::Settings,
};

/// The queue.
const KEY: &str = "idp:outbox";
/// For so long a notice is one process's alone: longer than an attempt takes.
const HELD: Duration = Duration::from_secs(30);
/// How many attempts a process makes at once for each client: one that hangs
/// holds up nobody else's logout.
const AT_ONCE: usize = 8;
/// What the notices about one user may take of the store: those of all sessions
/// that a user may have. Of an app that is down the oldest go: it has fewer of
/// the user's sessions than that.
const OF_A_USER: u64 = 256 * 1024;
/// How many notices are taken from the queue at once.
const BATCH: usize = 64;
/// When a notice whose client has no free slot is looked at again.
const NO_SLOT: Duration = Duration::from_secs(5);
/// The first pause after a failure; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause between two attempts.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// An app that cannot be told for so long is not told any more.
pub(super) const GIVE_UP: Duration = Duration::from_secs(24 * 3600);

/// The queue, and who works on it.
#[derive(Clone)]
pub struct Outbox(Arc<Inner>);

struct Inner {
    records: Records,
    budget: Budget,
    keys: Keys,
    issuer: String,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    clients: BTreeMap<String, Told>,
    sender: Sender,
    meters: Meters,
    /// Attempts outlive the request that made them.
    runtime: Handle,
}

/// A client that wants to be told.
#[derive(Clone)]
struct Told {
    uri: Url,
    /// What its logout tokens are signed by, where that is set.
    algorithm: Option<Algorithm>,
    slots: Arc<Semaphore>,
}

impl Outbox {
    /// For the clients of `settings`, reached by `reach`. Call it inside the
    /// runtime that is to do the work.
    pub fn new(
        (records, keys, issuer): (Records, Keys, String),
        (clock, random): (Arc<dyn Clock>, Arc<dyn Random>),
        settings: &Settings,
        (reach, trust): (AddressOverrides, &Trust),
        meters: Meters,
    ) -> Self {
        let told = |client: &crate::settings::Client| {
            let told = Told {
                uri: client.backchannel_logout_uri.clone()?,
                algorithm: client.id_token_alg,
                slots: Arc::new(Semaphore::new(AT_ONCE)),
            };
            Some((client.client_id.clone(), told))
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
            clients: settings.clients().filter_map(told).collect(),
            sender: Sender::new(reach, trust),
            meters,
            runtime: Handle::current(),
        }))
    }

    /// Queues `notice` and, unless many are under way, makes the first attempt
    /// at once: that is what comes back. A client that wants no word gets none.
    pub async fn add(&self, notice: Notice) -> Result<Option<JoinHandle<()>>, RecordError> {
        let Some(told) = self.0.clients.get(&notice.client_id) else {
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
            // It is queued already, or was put down and not yet queued.
            self.put_in_queue(&id, self.0.clock.now()).await?;
            return Ok(None);
        }
        budgets::enter(records, budget, &charge, &id, &notice).await?;
        let Ok(slot) = Arc::clone(&told.slots).try_acquire_owned() else {
            self.put_in_queue(&id, self.0.clock.now()).await?;
            return Ok(None);
        };
        self.put_in_queue(&id, self.0.clock.now() + HELD).await?;
        Ok(Some(self.attempt(id, told.uri.clone(), slot)))
    }

    /// Makes an attempt for each notice that is due.
    pub async fn deliver_due(&self) -> Result<(), RecordError> {
        loop {
            let now = self.0.clock.now();
            let store = self.0.records.store();
            let due = store.claim(KEY, now, now + HELD, BATCH).await?;
            for id in &due {
                self.attempt_due(id).await?;
            }
            if due.len() < BATCH {
                return Ok(());
            }
        }
    }

    /// How many wait.
    pub async fn depth(&self) -> Result<u64, RecordError> {
        let store = self.0.records.store();
        Ok(store.count_range(KEY, Timestamp::default()).await?)
    }

    async fn attempt_due(&self, id: &str) -> Result<(), RecordError> {
        let found = self.0.records.get::<Notice>(id).await?;
        let told = found.and_then(|stored| self.0.clients.get(&stored.record.client_id));
        let Some(told) = told else {
            // It was told meanwhile, or the client wants no word any more.
            return self.0.forget(id).await;
        };
        match Arc::clone(&told.slots).try_acquire_owned() {
            Ok(slot) => {
                self.attempt(id.to_owned(), told.uri.clone(), slot);
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
                // It is still in the queue, and comes back.
                tracing::warn!("a back-channel logout is put off: {error}");
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
            return self.forget(id).await;
        };
        let span = Span::current();
        span.record("sso.to", &stored.record.client_id);
        let told = self.tell(&stored.record, uri).await;
        let outcome = if told.is_ok() { OK } else { "failed" };
        span.record("sso.outcome", outcome);
        match told {
            Ok(()) => {
                let notice = &stored.record;
                audit::logout_told(&self.meters, &notice.client_id, &notice.sub);
                self.forget(id).await
            }
            Err(why) => self.put_off(id, &stored, &why).await,
        }
    }

    async fn tell(&self, notice: &Notice, uri: &Url) -> Result<(), Failure> {
        let now = (self.clock.now(), &*self.random);
        let told = self.clients.get(&notice.client_id);
        let by = (&self.keys, told.and_then(|told| told.algorithm));
        let token = logout_token::sign(by, &self.issuer, notice, now).await?;
        self.sender.post(uri, &token).await
    }

    async fn put_off(
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
            return self.forget(id).await;
        }
        self.meters.logout_notices.add(&["failed"]);
        tracing::info!(
            client = notice.client_id,
            failures = notice.failures + 1,
            "an app could not be told of a logout: {why}"
        );
        let failed = Notice {
            failures: notice.failures + 1,
            ..notice.clone()
        };
        self.records.swap(id, stored, &failed).await?;
        self.put_in_queue(id, next).await
    }

    async fn put_in_queue(&self, id: &str, at: Timestamp) -> Result<(), RecordError> {
        let lasting = GIVE_UP + LONGEST_PAUSE + HELD;
        let queued = self.records.store().add_scored(KEY, id, at, lasting).await;
        Ok(queued.map(drop)?)
    }

    async fn forget(&self, id: &str) -> Result<(), RecordError> {
        let notice = self.records.take::<Notice>(id).await?;
        let charge = notice.and_then(|notice| notice.charge);
        budgets::leave::<Notice>(&self.budget, charge.as_ref(), id).await;
        self.records.store().remove_scored(KEY, id).await?;
        Ok(())
    }
}

/// After this many failures before the one just now.
fn pause_after(failures: u32) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << failures.min(16));
    doubled.min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use kit::{clock::ManualClock, config::Addresses, random::OsRandom, state_dir::StateDir};
    use store::MemoryStore;

    use super::*;
    use crate::{records::Authenticity, sessions::index::SessionName, settings::DEFAULT};

    #[test]
    fn pauses_double_from_a_second_to_five_minutes() {
        let pauses: Vec<_> = [0, 1, 2, 8, 9, 4_000_000_000]
            .map(|failures| pause_after(failures).as_secs())
            .into();
        assert_eq!(pauses, [1, 2, 4, 256, 300, 300]);
    }

    /// An outbox whose app is at a port where nobody is.
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
        let keys = Keys::load(&StateDir::default(), Algorithm::Es256, clock.now()).unwrap();
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

    async fn kept(outbox: &Outbox, id: &str) -> Option<Notice> {
        let found = outbox.0.records.get::<Notice>(id).await.unwrap();
        found.map(|stored| stored.record)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_app_that_is_not_reached_is_given_up_after_a_day() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_700_000_000)));
        let outbox = outbox(&clock);
        let notice = notice("app1", clock.now());
        let id = notice.id();
        let attempt = outbox.add(notice.clone()).await.unwrap().unwrap();
        attempt.await.unwrap();
        assert_eq!(kept(&outbox, &id).await.unwrap().failures, 1);
        // The same news is queued once.
        assert!(outbox.add(notice).await.unwrap().is_none());
        clock.advance(GIVE_UP);
        outbox.deliver_due().await.unwrap();
        let gone = async {
            while kept(&outbox, &id).await.is_some() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(20), gone).await;
        assert!(in_time.is_ok(), "{:?}", kept(&outbox, &id).await);
    }

    #[tokio::test]
    async fn a_user_who_signs_out_again_and_again_leaves_so_many_notices_for_an_app_that_is_down() {
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
            there.push(kept(&outbox, id).await.is_some());
        }
        assert!(!there[0] && there[599], "the oldest go");
        let count = there.iter().filter(|there| **there).count();
        assert!((150..400).contains(&count), "{count} notices");
    }

    #[tokio::test]
    async fn an_app_that_wants_no_word_gets_none() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_700_000_000)));
        let outbox = outbox(&clock);
        let notice = notice("my_spa", clock.now());
        let id = notice.id();
        assert!(outbox.add(notice).await.unwrap().is_none());
        assert!(kept(&outbox, &id).await.is_none());
    }
}
