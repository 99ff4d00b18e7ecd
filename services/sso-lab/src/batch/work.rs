//! Works through the orders, some at a time.

use std::{
    pin::pin,
    sync::{Arc, OnceLock},
};

use futures_util::{Stream, StreamExt as _};
use kit::clock::SystemClock;
use secrecy::SecretString;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{
    BatchClient,
    apis::{Answer, Apis, Attempt},
    orders::{Api, Line, Order},
    outcome::{Outcome, Worked},
    pace::{Backoff, LONGEST, Pace},
    tokens::{Fetch, TokenEndpoint, Tokens},
};
use crate::client::{Deployment, Provider, Said};

/// An API, as the orders share it.
struct Shared<F> {
    tokens: Tokens<F>,
    pace: Pace,
    /// Why the provider gives no token for this API.
    refused: OnceLock<String>,
}

/// What sends an order once.
pub(super) trait SendOrder {
    async fn send(&self, order: &Order, token: &SecretString) -> Answer;
}

impl SendOrder for Apis {
    async fn send(&self, order: &Order, token: &SecretString) -> Answer {
        self.send(order, token).await
    }
}

/// The work.
pub(super) struct Work<S, F> {
    sender: S,
    orders: Shared<F>,
    inventory: Shared<F>,
    tries: u32,
    backoff: Backoff,
    stop: CancellationToken,
    /// Why no order can be sent any more.
    why_stopped: OnceLock<String>,
}

impl<'p> Work<Apis, TokenEndpoint<'p>> {
    pub(super) fn new(
        deployment: &Deployment,
        api2_grpc: &str,
        tries: u32,
        provider: &'p Provider,
        client: &BatchClient,
    ) -> Result<Self, String> {
        let sender = Apis::new(deployment, api2_grpc, client)?;
        let tokens = [
            TokenEndpoint::new(provider, client)?,
            TokenEndpoint::new(provider, client)?,
        ];
        Ok(Self::of(sender, tokens, tries, Backoff::default()))
    }
}

impl<S: SendOrder, F: Fetch> Work<S, F> {
    fn of(sender: S, [orders, inventory]: [F; 2], tries: u32, backoff: Backoff) -> Self {
        let shared = |from, audience| Shared {
            tokens: Tokens::new(from, audience, Arc::new(SystemClock), backoff),
            pace: Pace::default(),
            refused: OnceLock::new(),
        };
        Self {
            sender,
            orders: shared(orders, "https://api-1"),
            inventory: shared(inventory, "https://api-2"),
            tries,
            backoff,
            stop: CancellationToken::new(),
            why_stopped: OnceLock::new(),
        }
    }

    /// The same, ended by `stop`: no order begins after it.
    #[must_use]
    pub(super) fn stopped_by(self, stop: CancellationToken) -> Self {
        Self { stop, ..self }
    }

    /// Works through `orders`, `concurrency` at a time, and passes each to `report`.
    /// Returns why it stopped before the end of the list, if it did.
    pub(super) async fn through(
        &self,
        orders: impl Stream<Item = Line>,
        concurrency: usize,
        mut report: impl FnMut(&Worked),
    ) -> Option<String> {
        let orders = orders.take_until(self.stop.cancelled());
        let work = orders.map(|line| self.work_on(line));
        let mut worked = pin!(work.buffer_unordered(concurrency));
        while let Some(worked) = worked.next().await {
            report(&worked);
        }
        let interrupted = || self.stop.is_cancelled().then(|| "interrupted".to_owned());
        self.why_stopped.get().cloned().or_else(interrupted)
    }

    async fn work_on(&self, line: Line) -> Worked {
        let (api, (outcome, attempts)) = match &line.order {
            Ok(order) => (Some(order.api), self.place(order).await),
            Err(why) => (None, (Outcome::Failed(Said::new(why)), 0)),
        };
        Worked {
            line: line.number,
            api,
            outcome,
            attempts,
        }
    }

    /// Sends `order` until it is done, cannot be done or may have been done.
    async fn place(&self, order: &Order) -> (Outcome, u32) {
        let shared = match order.api {
            Api::Orders => &self.orders,
            Api::Inventory => &self.inventory,
        };
        let (mut refused, mut attempt) = (None, 0);
        loop {
            shared.pace.wait().await;
            let token = match self.token(shared, refused.as_ref()).await {
                Ok(token) => token,
                Err(why) => return (Outcome::Failed(why), attempt),
            };
            attempt += 1;
            let Answer {
                attempt: came_of_it,
                wait,
            } = self.sender.send(order, &token).await;
            if let Some(wait) = wait {
                shared.pace.asks(wait);
            }
            let is_last = attempt >= self.tries;
            match came_of_it {
                Attempt::Done(id) => return (Outcome::Done(id), attempt),
                Attempt::Unknown(said) => return (Outcome::Unknown(said), attempt),
                Attempt::Refused(said) => return (Outcome::Failed(said), attempt),
                // The second token was refused as well.
                Attempt::TokenRefused(said) if is_last || refused.is_some() => {
                    return (Outcome::Failed(said), attempt);
                }
                Attempt::TokenRefused(_) => refused = Some(token),
                Attempt::NotDone(said) if is_last || wait.is_some_and(|wait| wait > LONGEST) => {
                    return (Outcome::Failed(said), attempt);
                }
                Attempt::NotDone(_) if wait.is_some() => {}
                Attempt::NotDone(_) => sleep(self.backoff.after(attempt)).await,
            }
        }
    }

    /// A token for the API. If the provider refuses this API alone, the orders of the other
    /// one go on. Without any token no order can be done, so the work stops.
    async fn token(
        &self,
        shared: &Shared<F>,
        refused: Option<&SecretString>,
    ) -> Result<SecretString, Said> {
        if let Some(why) = shared.refused.get().or(self.why_stopped.get()) {
            return Err(Said::new(why));
        }
        shared.tokens.token(refused).await.map_err(|error| {
            let why = error.to_string();
            let said = Said::new(&why);
            if error.is_about_resource() {
                let _ = shared.refused.set(why);
                return said;
            }
            // The first reason is the one that is told.
            let _ = self.why_stopped.set(why);
            self.stop.cancel();
            said
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        sync::atomic::{AtomicU32, Ordering},
        time::Duration,
    };

    use futures_util::stream;
    use parking_lot::Mutex;
    use secrecy::ExposeSecret as _;
    use tokio::time::Instant;

    use super::{super::tokens::tests::Counter, *};

    /// Answers by a script, then with `Done`; notes the tokens.
    #[derive(Clone, Default)]
    struct Script {
        answers: Arc<Mutex<VecDeque<Answer>>>,
        tokens: Arc<Mutex<Vec<String>>>,
        now: Arc<AtomicU32>,
        most: Arc<AtomicU32>,
    }

    impl Script {
        fn of(answers: impl IntoIterator<Item = Answer>) -> Self {
            Self {
                answers: Arc::new(Mutex::new(answers.into_iter().collect())),
                ..Self::default()
            }
        }
    }

    impl SendOrder for Script {
        async fn send(&self, _: &Order, token: &SecretString) -> Answer {
            self.tokens.lock().push(token.expose_secret().to_owned());
            let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            sleep(Duration::from_millis(20)).await;
            self.now.fetch_sub(1, Ordering::SeqCst);
            let next = self.answers.lock().pop_front();
            next.unwrap_or_else(|| Attempt::Done("id".into()).into())
        }
    }

    fn said() -> Said {
        Said::new("x")
    }

    fn order() -> Order {
        Order {
            api: Api::Orders,
            item: "x".into(),
            quantity: 1,
        }
    }

    fn lines(count: u64) -> impl Stream<Item = Line> {
        stream::iter((1..=count).map(|number| Line {
            number,
            order: Ok(order()),
        }))
    }

    fn work<'c>(script: &Script, counter: &'c Counter) -> Work<Script, &'c Counter> {
        Work::of(script.clone(), [counter, counter], 3, Backoff::quick())
    }

    async fn place(script: &Script) -> (Outcome, u32) {
        work(script, &Counter::default()).place(&order()).await
    }

    #[tokio::test]
    async fn rfc9110_9_2_2_what_may_have_been_done_is_sent_once() {
        let script = Script::of([Attempt::Unknown(said()).into()]);
        assert_eq!(place(&script).await, (Outcome::Unknown(said()), 1));
        let script = Script::of([Attempt::Refused(said()).into()]);
        assert_eq!(place(&script).await, (Outcome::Failed(said()), 1));
    }

    #[tokio::test]
    async fn what_was_not_done_is_sent_again_later_and_not_for_ever() {
        let not_done = || Answer::from(Attempt::NotDone(said()));
        let began = Instant::now();
        let script = Script::of([not_done(), not_done()]);
        assert_eq!(place(&script).await, (Outcome::Done("id".into()), 3));
        let backoff = Backoff::quick();
        assert!(began.elapsed() >= backoff.after(1) + backoff.after(2));
        let script = Script::of([not_done(), not_done(), not_done()]);
        assert_eq!(place(&script).await, (Outcome::Failed(said()), 3));
    }

    #[tokio::test]
    async fn rfc9110_10_2_3_all_orders_wait_as_long_as_the_api_asks() {
        let wait = Some(Duration::from_millis(90));
        let attempt = Attempt::NotDone(said());
        let script = Script::of([Answer { attempt, wait }]);
        let counter = Counter::default();
        let work = work(&script, &counter);
        let began = Instant::now();
        work.place(&order()).await;
        assert!(began.elapsed() >= Duration::from_millis(90));
        // A server error is not repeated, and what follows waits all the same.
        let attempt = Attempt::Unknown(said());
        script.answers.lock().push_back(Answer { attempt, wait });
        assert_eq!(work.place(&order()).await.1, 1);
        let began = Instant::now();
        assert_eq!(work.place(&order()).await.1, 1);
        assert!(began.elapsed() >= Duration::from_millis(60));
        // Longer than anybody wants to wait.
        let (attempt, wait) = (Attempt::NotDone(said()), Some(Duration::from_secs(3600)));
        let script = Script::of([Answer { attempt, wait }]);
        assert_eq!(place(&script).await, (Outcome::Failed(said()), 1));
    }

    #[tokio::test]
    async fn rfc6750_3_1_a_refused_token_is_renewed_once_for_an_order() {
        let refused = || Answer::from(Attempt::TokenRefused(said()));
        let script = Script::of([refused()]);
        assert_eq!(place(&script).await, (Outcome::Done("id".into()), 2));
        assert_eq!(*script.tokens.lock(), ["token-1", "token-2"]);
        let script = Script::of([refused(), refused()]);
        assert_eq!(place(&script).await, (Outcome::Failed(said()), 2));
    }

    #[tokio::test]
    async fn orders_in_flight_are_bounded_and_share_one_token() {
        let (script, counter) = (Script::default(), Counter::default());
        let work = work(&script, &counter);
        let mut done = 0;
        let report = |worked: &Worked| {
            done += u32::from(matches!(worked.outcome, Outcome::Done(_)));
        };
        assert_eq!(work.through(lines(40), 4, report).await, None);
        assert_eq!(done, 40);
        assert_eq!(script.most.load(Ordering::SeqCst), 4);
        assert_eq!(counter.asked.load(Ordering::SeqCst), 1);
        assert_eq!(script.tokens.lock().len(), 40);
    }

    #[tokio::test]
    async fn without_a_token_the_work_stops_at_once() {
        let counter = Counter {
            refuses: Some((None, "invalid_client")),
            ..Counter::default()
        };
        let script = Script::default();
        let work = work(&script, &counter);
        let report = |worked: &Worked| {
            assert!(matches!(worked.outcome, Outcome::Failed(_)));
            assert_eq!(worked.attempts, 0);
        };
        let stopped = work.through(lines(1000), 4, report).await;
        assert!(stopped.unwrap().contains("invalid_client"));
        assert!(script.tokens.lock().is_empty());
        assert!(counter.asked.load(Ordering::SeqCst) <= 4);
    }

    #[tokio::test]
    async fn rfc8707_2_where_one_api_is_refused_the_orders_of_the_other_one_go_on() {
        let counter = Counter {
            refuses: Some((Some("https://api-2"), "invalid_target")),
            ..Counter::default()
        };
        let script = Script::default();
        let work = work(&script, &counter);
        let lines = (1..=20).map(|number| Line {
            number,
            order: Ok(Order {
                api: if number % 2 == 0 {
                    Api::Inventory
                } else {
                    Api::Orders
                },
                ..order()
            }),
        });
        let mut done = 0;
        let report = |worked: &Worked| {
            let is_done = matches!(worked.outcome, Outcome::Done(_));
            assert_eq!(is_done, worked.api == Some(Api::Orders));
            done += u32::from(is_done);
        };
        assert_eq!(work.through(stream::iter(lines), 4, report).await, None);
        assert_eq!(done, 10);
        assert!(counter.asked.load(Ordering::SeqCst) <= 5, "asked once");
    }

    #[tokio::test]
    async fn an_interrupt_lets_the_orders_in_flight_end() {
        let (script, counter) = (Script::default(), Counter::default());
        let stop = CancellationToken::new();
        let work = work(&script, &counter).stopped_by(stop.clone());
        let mut done = 0;
        let report = |_: &Worked| done += 1;
        let interrupt = async {
            sleep(Duration::from_millis(10)).await;
            stop.cancel();
        };
        let through = work.through(lines(1000), 4, report);
        let (stopped, ()) = tokio::join!(through, interrupt);
        assert_eq!(stopped.as_deref(), Some("interrupted"));
        let sent = script.tokens.lock().len();
        assert!((4..20).contains(&sent), "{sent}");
        assert_eq!(done, sent);
    }
}
