//! Introspection instead of a check of signatures.

use std::{sync::Arc, time::Duration};

use kit::{
    clock::{Clock, ManualClock},
    metrics::Metrics,
};
use serde_json::{Value, json};

use super::{AUDIENCE, SCOPE};
use crate::{
    IntrospectionSettings, Issuer, Verifier,
    introspection::settings::AnswerForm,
    refusal::{Invalid, Refusal},
    testing::{START, TestIssuer, TestKey, introspection::CLIENT},
    verifier::NotReached,
};

const BOUND: Duration = Duration::from_secs(5);
const ALMOST: Duration = Duration::from_millis(4999);
/// Changes the header and the claims of a signed answer.
type Change = fn(&mut Value, &mut Value);
const TOKEN: &str = "an opaque token";

/// An issuer, and a resource server that asks it.
struct World {
    issuer: TestIssuer,
    clock: Arc<ManualClock>,
    verifier: Arc<Verifier>,
}

fn settings(bound: Duration, form: AnswerForm) -> IntrospectionSettings {
    IntrospectionSettings {
        client_id: CLIENT.0,
        secret: CLIENT.1.to_owned().into(),
        bound,
        form,
    }
}

fn verifier(
    issuer: &Issuer,
    settings: &IntrospectionSettings,
    clock: &Arc<ManualClock>,
) -> Arc<Verifier> {
    let metrics = Metrics::new("api-2").unwrap();
    let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(clock);
    let verifier = Verifier::of_service(AUDIENCE, issuer, Some(settings), &clock, &metrics);
    Arc::new(verifier)
}

impl World {
    fn new(bound: Duration) -> Self {
        Self::with(&settings(bound, AnswerForm::Json))
    }

    fn with(settings: &IntrospectionSettings) -> Self {
        let issuer = TestIssuer::start(TestKey::es256()).unwrap();
        let clock = Arc::new(ManualClock::new(START));
        let verifier = verifier(&issuer.issuer(), settings, &clock);
        let world = Self {
            issuer,
            clock,
            verifier,
        };
        let claims = world.claims();
        world.issuer.introspected.activate(TOKEN, claims);
        world
    }

    fn claims(&self) -> Value {
        self.issuer.claims(AUDIENCE, SCOPE)
    }

    async fn check(&self, token: &str) -> Result<(), Refusal> {
        self.verifier.verify(token).await.map(drop)
    }

    fn asked(&self) -> u32 {
        self.issuer.introspected.requests()
    }

    /// So many checks of [`TOKEN`] at once; they begin before the function returns.
    async fn checks(&self, count: usize) -> Vec<tokio::task::JoinHandle<Result<(), Refusal>>> {
        let checks = (0..count).map(|_| {
            let verifier = Arc::clone(&self.verifier);
            tokio::spawn(async move { verifier.verify(TOKEN).await.map(drop) })
        });
        let checks = checks.collect();
        for _ in 0..count {
            tokio::task::yield_now().await;
        }
        checks
    }
}

const INACTIVE: Result<(), Refusal> = Err(Refusal::Invalid(Invalid::Inactive));

#[tokio::test]
async fn rfc7662_2_2_the_provider_says_what_a_token_allows() {
    let world = World::new(BOUND);
    let verified = world.verifier.verify(TOKEN).await.unwrap();
    assert_eq!(verified.claims().sub, "user-1");
    assert!(verified.claims().scope.contains(SCOPE));
    assert_eq!(world.check("another").await, INACTIVE);
    // A JWT is asked about too: a valid signature alone proves nothing here.
    let jwt = world.issuer.token(AUDIENCE, SCOPE);
    assert_eq!(world.check(&jwt).await, INACTIVE);
    assert_eq!(world.asked(), 3);
    let long = "x".repeat(9000);
    let refused = world.check(&long).await;
    assert_eq!(refused, Err(Refusal::Invalid(Invalid::TooLong)));
    assert_eq!(world.asked(), 3);
}

#[tokio::test]
async fn rfc7662_4_an_answer_is_used_again_for_the_bound_and_no_longer() {
    let world = World::new(BOUND);
    assert_eq!(world.check(TOKEN).await, Ok(()));
    world.issuer.introspected.revoke(TOKEN);
    world.clock.advance(ALMOST);
    assert_eq!(world.check(TOKEN).await, Ok(()));
    assert_eq!(world.asked(), 1);
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(world.check(TOKEN).await, INACTIVE);
    assert_eq!(world.check(TOKEN).await, INACTIVE);
    assert_eq!(world.asked(), 2);
    // Nor is that kept longer.
    world.issuer.introspected.activate(TOKEN, world.claims());
    world.clock.advance(BOUND);
    assert_eq!(world.check(TOKEN).await, Ok(()));
    assert_eq!(world.asked(), 3);
}

#[tokio::test]
async fn rfc7662_4_a_cached_token_ends_at_its_exp() {
    let world = World::new(Duration::from_secs(300));
    let mut claims = world.claims();
    claims["exp"] = json!(START.secs() + 2);
    world.issuer.introspected.activate(TOKEN, claims);
    assert_eq!(world.check(TOKEN).await, Ok(()));
    world.clock.advance(Duration::from_secs(2));
    let expired = Err(Refusal::Invalid(Invalid::Expired));
    assert_eq!(world.check(TOKEN).await, expired);
    assert_eq!(world.asked(), 1);
}

#[tokio::test]
async fn without_a_cache_each_call_asks() {
    let world = World::new(Duration::ZERO);
    assert_eq!(world.check(TOKEN).await, Ok(()));
    assert_eq!(world.check(TOKEN).await, Ok(()));
    world.issuer.introspected.revoke(TOKEN);
    assert_eq!(world.check(TOKEN).await, INACTIVE);
    assert_eq!(world.asked(), 3);
}

#[tokio::test]
async fn many_at_once_ask_once() {
    let world = World::new(BOUND);
    let held = world.issuer.introspected.hold().await;
    let checks = world.checks(50).await;
    drop(held);
    for check in checks {
        assert_eq!(check.await.unwrap(), Ok(()));
    }
    assert_eq!(world.asked(), 1);
}

#[tokio::test]
async fn without_a_cache_who_comes_during_a_question_shares_the_next_one() {
    let world = World::new(Duration::ZERO);
    let held = world.issuer.introspected.hold().await;
    let first = world.checks(1).await;
    while world.asked() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // The issuer has decided about the first question: its answer is old for these.
    world.issuer.introspected.revoke(TOKEN);
    let later = world.checks(50).await;
    drop(held);
    for check in first {
        assert_eq!(check.await.unwrap(), Ok(()));
    }
    for check in later {
        assert_eq!(check.await.unwrap(), INACTIVE);
    }
    assert_eq!(world.asked(), 2);
}

#[tokio::test]
async fn an_answer_that_took_longer_than_the_bound_is_not_shared() {
    let world = World::new(BOUND);
    let held = world.issuer.introspected.hold().await;
    let first = world.checks(1).await;
    while world.asked() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    world.issuer.introspected.revoke(TOKEN);
    let later = world.checks(3).await;
    world.clock.advance(BOUND);
    drop(held);
    for check in first {
        assert_eq!(check.await.unwrap(), Ok(()));
    }
    for check in later {
        assert_eq!(check.await.unwrap(), INACTIVE);
    }
    assert_eq!(world.asked(), 2);
}

#[tokio::test]
async fn who_gives_up_waiting_leaves_the_question_to_the_next() {
    let world = World::new(BOUND);
    let held = world.issuer.introspected.hold().await;
    let mut checks = world.checks(3).await;
    while world.asked() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    checks.remove(0).abort();
    drop(held);
    for check in checks {
        assert_eq!(check.await.unwrap(), Ok(()));
    }
}

#[tokio::test]
async fn a_failed_introspection_says_nothing_about_the_token() {
    let world = World::new(BOUND);
    for status in [500, 503, 429, 400, 401, 204, 302] {
        world.issuer.introspected.answer_with(status);
        let refused = world.check(TOKEN).await;
        assert_eq!(refused, Err(Refusal::NoIntrospection), "{status}");
    }
    // Nothing of that is kept, and an answer of before still counts for its time.
    world.issuer.introspected.answer_with(0);
    assert_eq!(world.check(TOKEN).await, Ok(()));
    world.issuer.introspected.answer_with(503);
    assert_eq!(world.check(TOKEN).await, Ok(()));
    world.clock.advance(BOUND);
    assert_eq!(world.check(TOKEN).await, Err(Refusal::NoIntrospection));
    let World {
        issuer, verifier, ..
    } = world;
    issuer.stop().await;
    let refused = verifier.verify(TOKEN).await.map(drop);
    assert_eq!(refused, Err(Refusal::NoIntrospection));
}

#[tokio::test]
async fn a_resource_server_with_a_wrong_secret_reaches_nothing() {
    let world = World::new(BOUND);
    assert!(world.verifier.reach().await.is_ok());
    let wrong = IntrospectionSettings {
        secret: "wrong".to_owned().into(),
        ..settings(BOUND, AnswerForm::Json)
    };
    let verifier = verifier(&world.issuer.issuer(), &wrong, &world.clock);
    let reached = verifier.reach().await;
    assert!(matches!(reached, Err(NotReached::Introspection(_))));
    let refused = verifier.verify(TOKEN).await.map(drop);
    assert_eq!(refused, Err(Refusal::NoIntrospection));
}

#[tokio::test]
async fn rfc9701_5_a_signed_answer_is_verified() {
    let world = World::with(&settings(Duration::ZERO, AnswerForm::Jwt));
    assert_eq!(world.check(TOKEN).await, Ok(()));
    assert_eq!(world.check("another").await, INACTIVE);
    let issuer = &world.issuer.introspected;
    let changes: [(&str, Change); 9] = [
        ("type", |header, _| header["typ"] = json!("JWT")),
        ("no type", |header, _| {
            drop(header.as_object_mut().unwrap().remove("typ"));
        }),
        ("algorithm", |header, _| header["alg"] = json!("none")),
        ("key", |header, _| header["kid"] = json!("k2")),
        ("issuer", |_, claims| claims["iss"] = json!("https://evil")),
        ("audience", |_, claims| claims["aud"] = json!("another")),
        ("no time", |_, claims| {
            drop(claims.as_object_mut().unwrap().remove("iat"));
        }),
        ("no answer", |_, claims| {
            drop(
                claims
                    .as_object_mut()
                    .unwrap()
                    .remove("token_introspection"),
            );
        }),
        ("another answer", |_, claims| {
            claims["token_introspection"] = json!(true);
        }),
    ];
    for (what, change) in changes {
        issuer.sign(START.secs(), Some(change));
        let refused = world.check(TOKEN).await;
        assert_eq!(refused, Err(Refusal::NoIntrospection), "{what}");
    }
    for (iat, is_good) in [(-61, false), (-60, true), (5, true), (6, false)] {
        issuer.sign(START.secs() + iat, None);
        assert_eq!(world.check(TOKEN).await.is_ok(), is_good, "{iat}");
    }
}

#[tokio::test]
async fn rfc9701_5_an_unsigned_answer_is_none_where_signed_ones_are_asked_for() {
    let world = World::with(&settings(Duration::ZERO, AnswerForm::Jwt));
    // The issuer answers with JSON and this status.
    world.issuer.introspected.answer_with(200);
    assert_eq!(world.check(TOKEN).await, Err(Refusal::NoIntrospection));
}
