use kit::{
    clock::{ManualClock, Timestamp},
    random::SeededRandom,
    shutdown::Shutdown,
};
use store::MemoryStore;

use super::*;
use crate::provider::{Grant, Identity};

pub(crate) const IDLE: Duration = Duration::from_secs(8 * 3600);
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: SharedStore,
    pub(crate) ground: Ground,
    pub(crate) sessions: Arc<Sessions>,
}

pub(crate) fn world() -> World {
    let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_000_000)));
    let random = Arc::new(SeededRandom::new(5));
    let ground = Ground {
        clock: clock.clone(),
        random,
        shutdown: Shutdown::new(),
    };
    let store: SharedStore = Arc::new(MemoryStore::new(clock.clone()));
    let keyring = || Keyring::new(&[[9; 32]], "test");
    let lifetimes = SessionLifetimes {
        idle: IDLE,
        longest: LONGEST,
    };
    let sessions = Sessions::new(store.clone(), keyring(), &ground, "app1", lifetimes);
    World {
        clock,
        store,
        ground,
        sessions: Arc::new(sessions),
    }
}

pub(crate) fn grant(access: &str, refresh: Option<&str>, now: Timestamp, life: u64) -> Grant {
    Grant::for_test(access, refresh, now, now + Duration::from_secs(life))
}

impl World {
    pub(crate) fn record(&self, refresh: Option<&str>) -> Record {
        let now = self.ground.clock.now();
        let identity = Identity {
            sub: "u-1".into(),
            name: "Alice".into(),
            email: Some("alice@example.com".into()),
            sid: Some("s-1".into()),
            id_token: "id-token-secret".into(),
        };
        let grant = grant("access-secret", refresh, now, 900);
        Record::new(
            identity,
            &grant,
            "https://api-1",
            now,
            self.sessions.lifetimes(),
        )
    }

    pub(crate) async fn session(&self) -> (SessionId, Session) {
        let id = self.sessions.begin(&self.record(Some("R0"))).await.unwrap();
        let session = self.sessions.load(&id).await.unwrap().unwrap();
        (id, session)
    }
}

#[tokio::test]
async fn a_session_comes_back_whole_and_lies_sealed_under_a_hash() {
    let world = world();
    let (id, session) = world.session().await;
    assert_eq!(session.record.user.name, "Alice");
    assert_eq!(session.record.refresh_token.as_deref(), Some("R0"));
    let now = world.clock.now();
    assert_eq!(
        session.record.usable("https://api-1", now, Duration::ZERO),
        Some("access-secret")
    );
    assert!(!session.key.contains(id.expose()));
    let stored = world.store.get(&session.key).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&stored);
    for secret in ["access-secret", "id-token-secret", "R0\"", "Alice"] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn a_record_moved_to_another_sessions_key_counts_as_absent() {
    let world = world();
    let (_, first) = world.session().await;
    let (second_id, second) = world.session().await;
    let stolen = world.store.get(&first.key).await.unwrap().unwrap();
    world.store.put(&second.key, stolen, IDLE).await.unwrap();
    assert!(world.sessions.load(&second_id).await.unwrap().is_none());
}

#[tokio::test]
async fn use_prolongs_a_session_in_steps_of_a_twentieth() {
    let world = world();
    let (id, session) = world.session().await;
    let before = world.store.get(&session.key).await.unwrap();
    let step = IDLE / 20;
    world
        .clock
        .advance(step.saturating_sub(Duration::from_secs(1)));
    world.sessions.load(&id).await.unwrap().unwrap();
    assert_eq!(
        world.store.get(&session.key).await.unwrap(),
        before,
        "too soon to write"
    );
    world.clock.advance(Duration::from_secs(1));
    world.sessions.load(&id).await.unwrap().unwrap();
    let moved = world.sessions.load(&id).await.unwrap().unwrap();
    assert_eq!(moved.record.expires_at, world.clock.now() + IDLE);
}

#[tokio::test]
async fn a_session_ends_when_idle_and_at_the_latest_after_its_longest_time() {
    let world = world();
    let (id, _) = world.session().await;
    world.clock.advance(IDLE);
    assert!(world.sessions.load(&id).await.unwrap().is_none());
    let (id, session) = world.session().await;
    let mut used = Duration::ZERO;
    while used + IDLE / 2 < LONGEST {
        world.clock.advance(IDLE / 2);
        used += IDLE / 2;
        assert!(
            world.sessions.load(&id).await.unwrap().is_some(),
            "after {used:?}"
        );
    }
    assert!(world.clock.now() < session.record.ends_at);
    world.clock.advance(IDLE / 2);
    assert!(world.sessions.load(&id).await.unwrap().is_none());
}

#[tokio::test]
async fn a_request_that_finishes_late_does_not_bring_an_ended_session_back() {
    let world = world();
    let (id, session) = world.session().await;
    world.sessions.end(&id).await.unwrap();
    let late = session.record.clone();
    assert!(
        world
            .sessions
            .replace(&session, late)
            .await
            .unwrap()
            .is_none()
    );
    assert!(world.sessions.load(&id).await.unwrap().is_none());
}

#[tokio::test]
async fn a_session_of_one_app_is_nothing_to_the_other() {
    let world = world();
    let (id, _) = world.session().await;
    let lifetimes = world.sessions.lifetimes();
    let keyring = Keyring::new(&[[9; 32]], "test");
    let other = Sessions::new(
        world.store.clone(),
        keyring,
        &world.ground,
        "app2",
        lifetimes,
    );
    assert!(other.load(&id).await.unwrap().is_none());
}

#[test]
fn only_what_can_be_an_id_is_looked_up() {
    assert!(SessionId::read(&"a".repeat(43)).is_some());
    for wrong in [
        String::new(),
        "a".repeat(42),
        "a".repeat(44),
        "=".repeat(43),
        format!("{}:", "a".repeat(42)),
    ] {
        assert!(SessionId::read(&wrong).is_none(), "{wrong}");
    }
}
