use kit::clock::ManualClock;
use serde_json::Value;
use store::MemoryStore;

use super::*;

const START: Timestamp = Timestamp::from_secs(1_700_000_000);
const LIFE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    sub: String,
    expires_at: Timestamp,
}

impl Record for Note {
    const KIND: &'static str = "note";

    fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

fn of(sub: &str) -> Note {
    Note {
        sub: sub.to_owned(),
        expires_at: START + LIFE,
    }
}

/// A store that somebody else can write, too.
struct Scene {
    store: SharedStore,
    clock: Arc<ManualClock>,
}

impl Scene {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(START));
        let store = Arc::new(MemoryStore::new(Arc::<ManualClock>::clone(&clock)));
        Self { store, clock }
    }

    fn records(&self, masters: &[[u8; 32]], unsigned_until: Option<Timestamp>) -> Records {
        let authenticity = Authenticity::new(masters, unsigned_until);
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&self.clock);
        Records::new(self.store.clone(), clock, authenticity)
    }

    async fn raw(&self, id: &str) -> Bytes {
        let key = format!("idp:note:{id}");
        self.store.get(&key).await.unwrap().unwrap()
    }

    async fn plant(&self, id: &str, raw: impl Into<Bytes>) {
        let key = format!("idp:note:{id}");
        self.store.put(&key, raw.into(), LIFE).await.unwrap();
    }
}

async fn found(records: &Records, id: &str) -> Option<Note> {
    let stored = records.get::<Note>(id).await.unwrap();
    stored.map(|stored| stored.record)
}

fn plain(sub: &str) -> String {
    let end = (START + LIFE).millis();
    format!(r#"{{"v":1,"sub":"{sub}","expires_at":{end}}}"#)
}

const KEY: [u8; 32] = [1; 32];

#[tokio::test]
async fn a_record_that_the_provider_did_not_write_counts_as_absent() {
    let scene = Scene::new();
    let records = scene.records(&[KEY], None);
    records.put("a", &of("alice")).await.unwrap();
    assert_eq!(found(&records, "a").await, Some(of("alice")));
    let genuine = scene.raw("a").await;
    // Invented, edited, moved to another key, signed by somebody else's key.
    scene.plant("b", plain("bob")).await;
    let edited = String::from_utf8(genuine.to_vec()).unwrap();
    scene.plant("c", edited.replace("alice", "carol")).await;
    scene.plant("d", genuine.clone()).await;
    let other = scene.records(&[[2; 32]], None);
    other.put("e", &of("eve")).await.unwrap();
    let no_code = format!(r#"{{"mac":"{}",{}"#, "A".repeat(43), &plain("eve")[1..]);
    scene.plant("f", no_code).await;
    for id in ["b", "c", "d", "e", "f"] {
        assert_eq!(found(&records, id).await, None, "{id}");
        assert!(records.take::<Note>(id).await.unwrap().is_none(), "{id}");
    }
    for cut in 0..genuine.len() {
        scene.plant("g", genuine.slice(..cut)).await;
        assert_eq!(found(&records, "g").await, None, "cut to {cut}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_does_not_keep_a_record_from_being_made() {
    let scene = Scene::new();
    let records = scene.records(&[KEY], None);
    scene.plant("a", plain("eve")).await;
    assert!(records.create("a", &of("alice")).await.unwrap());
    assert_eq!(found(&records, "a").await, Some(of("alice")));
    assert!(!records.create("a", &of("bob")).await.unwrap());
    assert_eq!(found(&records, "a").await, Some(of("alice")));
}

#[tokio::test]
async fn a_swap_takes_what_was_read_and_once() {
    let scene = Scene::new();
    let records = scene.records(&[KEY], None);
    records.put("a", &of("alice")).await.unwrap();
    let read = records.get::<Note>("a").await.unwrap().unwrap();
    assert!(records.swap("a", &read, &of("bob")).await.unwrap());
    assert!(!records.swap("a", &read, &of("carol")).await.unwrap());
    assert_eq!(found(&records, "a").await, Some(of("bob")));
}

#[tokio::test]
async fn a_record_outlives_a_change_of_the_key() {
    let scene = Scene::new();
    let before = scene.records(&[KEY], None);
    before.put("a", &of("alice")).await.unwrap();
    let after = scene.records(&[[2; 32], KEY], None);
    let read = after.get::<Note>("a").await.unwrap().unwrap();
    assert!(after.swap("a", &read, &of("bob")).await.unwrap());
    let later = scene.records(&[[2; 32]], None);
    assert_eq!(found(&later, "a").await, Some(of("bob")));
    assert_eq!(found(&before, "a").await, None);
}

#[tokio::test]
async fn a_rolling_update_reads_both_ways() {
    let scene = Scene::new();
    let until = START + Duration::from_secs(30);
    let records = scene.records(&[KEY], Some(until));
    // What the version before wrote is read here, and changed.
    scene.plant("a", plain("alice")).await;
    let read = records.get::<Note>("a").await.unwrap().unwrap();
    assert_eq!(read.record, of("alice"));
    assert!(records.swap("a", &read, &of("bob")).await.unwrap());
    // What is written here is read by the version before: JSON with `v`, and
    // members that it does not know are ignored.
    let raw = scene.raw("a").await;
    let text: Value = serde_json::from_slice(&raw).unwrap();
    assert_eq!(text["v"], 1);
    assert_eq!(text["sub"], "bob");
    let old: Note = serde_json::from_slice(&raw).unwrap();
    assert_eq!(old, of("bob"));
    // A code that does not fit is refused meanwhile, too.
    scene.plant("b", raw).await;
    assert_eq!(found(&records, "b").await, None);
    // And then it is over.
    scene.plant("c", plain("carol")).await;
    assert!(found(&records, "c").await.is_some());
    scene.clock.advance(Duration::from_secs(30));
    assert_eq!(found(&records, "c").await, None);
    assert_eq!(found(&records, "a").await, Some(of("bob")));
}
