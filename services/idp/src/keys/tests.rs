use std::{path::Path, time::Duration};

use futures_util::future::join_all;
use jsonwebtoken::{DecodingKey, Validation, decode, jwk::JwkSet};
use kit::{clock::ManualClock, random::OsRandom};
use serde_json::{Value, json};
use store::{MemoryStore, SharedStore};

use super::{ring::KeyRing, rotation::Rotated, *};
use crate::records::{Authenticity, Records};

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
pub(super) const TIMING: Timing = Timing {
    publish_delay: Duration::from_secs(600),
    retire_after: Duration::from_secs(960),
    forget_after: Duration::from_secs(604_800),
};
const MASTER: [u8; 32] = [7; 32];

/// A store, a state directory, and the processes of one provider.
struct World {
    store: SharedStore,
    clock: Arc<ManualClock>,
    home: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(NOW));
        let store = Arc::new(MemoryStore::new(Arc::<ManualClock>::clone(&clock)));
        Self::on(store, clock)
    }

    fn on(store: SharedStore, clock: Arc<ManualClock>) -> Self {
        let home = tempfile::tempdir().unwrap();
        Self { store, clock, home }
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::<ManualClock>::clone(&self.clock)
    }

    fn records(&self) -> Records {
        let authenticity = Authenticity::new(&[MASTER], None);
        Records::new(self.store.clone(), self.clock(), authenticity)
    }

    /// A process that has not read the store.
    fn process(&self, default: Algorithm) -> Keys {
        let dir = StateDir::open(Some(self.home.path().into())).unwrap();
        let settings = KeySettings {
            default,
            timing: TIMING,
        };
        let sealing = Keyring::new(&[MASTER], "idp signing keys");
        Keys::load(&dir, settings, sealing, self.clock(), Arc::new(OsRandom)).unwrap()
    }

    async fn replica(&self) -> Keys {
        let keys = self.process(Algorithm::Es256);
        keys.refresh(&self.records()).await.unwrap();
        keys
    }

    async fn rotate(&self, keys: &Keys) -> Rotated {
        let records = self.records();
        let rotated = keys.rotate(&records, &[Algorithm::Es256], false).await;
        rotated.unwrap().remove(0)
    }

    fn advance(&self, secs: u64) {
        self.clock.advance(Duration::from_secs(secs));
    }

    fn file(&self) -> &Path {
        self.home.path()
    }
}

async fn signer(keys: &Keys, algorithm: Algorithm) -> String {
    let jwt = keys.sign("JWT", Some(algorithm), &json!({})).await.unwrap();
    jsonwebtoken::decode_header(&jwt).unwrap().kid.unwrap()
}

fn published(keys: &Keys) -> Vec<String> {
    let set: Value = serde_json::from_str(&keys.jwks().unwrap()).unwrap();
    let keys = set["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn rfc7515_each_algorithm_is_verified_by_the_published_key() {
    let world = World::new();
    for algorithm in Algorithm::ALL {
        let keys = world.process(algorithm);
        keys.refresh(&world.records()).await.unwrap();
        let claims = json!({"sub": "alice"});
        let jwt = keys.sign("at+jwt", None, &claims).await.unwrap();
        for asked in Algorithm::ALL {
            let jwt = keys.sign("JWT", Some(asked), &claims).await.unwrap();
            let header = jsonwebtoken::decode_header(&jwt).unwrap();
            assert_eq!(format!("{:?}", header.alg), asked.as_str());
        }
        let header = jsonwebtoken::decode_header(&jwt).unwrap();
        assert_eq!(header.typ.as_deref(), Some("at+jwt"));
        assert_eq!(published(&keys)[0], header.kid.clone().unwrap());
        let set: JwkSet = serde_json::from_str(&keys.jwks().unwrap()).unwrap();
        let jwk = set.find(&header.kid.unwrap()).unwrap();
        let mut validation = Validation::new(header.alg);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        let key = DecodingKey::from_jwk(jwk).unwrap();
        let claims = decode::<Value>(&jwt, &key, &validation).unwrap().claims;
        assert_eq!(claims["sub"], "alice", "{}", algorithm.as_str());
    }
}

#[tokio::test]
async fn rfc7517_no_private_member_is_published_nor_in_the_store() {
    let world = World::new();
    let keys = world.replica().await;
    let set: Value = serde_json::from_str(&keys.jwks().unwrap()).unwrap();
    for key in set["keys"].as_array().unwrap() {
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(key.get(private).is_none(), "{private} of {key}");
        }
        assert_eq!(key["use"], "sig");
    }
    let record = world.store.get("idp:signing-keys:all").await.unwrap();
    let record = String::from_utf8(record.unwrap().to_vec()).unwrap();
    for algorithm in ["es256", "rs256", "eddsa"] {
        let file = world.file().join(format!("idp-{algorithm}.pem"));
        let pem = pem::parse(std::fs::read_to_string(file).unwrap()).unwrap();
        for encoded in [URL_SAFE_NO_PAD.encode(pem.contents()), pem::encode(&pem)] {
            assert!(!record.contains(&encoded[30..60]), "{algorithm}");
        }
    }
    // Another provider's key opens none of them.
    let other = Keyring::new(&[[8; 32]], "idp signing keys");
    let ring: KeyRing = serde_json::from_str(&record).unwrap();
    assert!(
        Loaded::new(ring, &other, None)
            .signing(Algorithm::Es256, NOW)
            .is_none()
    );
}

#[tokio::test]
async fn nothing_is_signed_before_the_store_was_read() {
    let keys = World::new().process(Algorithm::Es256);
    let refused = keys.sign("JWT", None, &json!({})).await;
    assert!(matches!(refused, Err(SignError::NotLoaded)));
    assert!(keys.jwks().is_none() && keys.listed().is_empty());
}

#[tokio::test]
async fn a_rotation_publishes_first_signs_later_and_retires_last_on_all_replicas() {
    let world = World::new();
    let (one, other) = (world.replica().await, world.replica().await);
    let old = signer(&one, Algorithm::Es256).await;
    let rotated = world.rotate(&one).await;
    let new = rotated.key.kid;
    assert!(rotated.is_new && new != old);
    other.refresh(&world.records()).await.unwrap();
    for (after, signing, is_published) in [
        (0, &old, [true, true]),
        (599, &old, [true, true]),
        (1, &new, [true, true]),
        (959, &new, [true, true]),
        (1, &new, [false, true]),
    ] {
        world.advance(after);
        for keys in [&one, &other] {
            // By the time alone, without a look into the store.
            assert_eq!(signer(keys, Algorithm::Es256).await, *signing);
            let published = published(keys);
            let is = [&old, &new].map(|kid| published.contains(kid));
            assert_eq!(is, is_published, "{after}");
        }
    }
    assert!(one.named(&old).is_some(), "an old hint is recognised");
    world.advance(604_800);
    one.refresh(&world.records()).await.unwrap();
    assert!(one.named(&old).is_none());
    assert_eq!(published(&one).len(), 3, "one of each algorithm");
}

#[tokio::test]
async fn each_algorithm_is_rotated_by_itself_or_with_the_others() {
    let world = World::new();
    let keys = world.replica().await;
    let mut before = Vec::new();
    for algorithm in Algorithm::ALL {
        before.push(signer(&keys, algorithm).await);
    }
    let rotated = keys
        .rotate(&world.records(), &[Algorithm::Rs256], false)
        .await;
    assert_eq!(rotated.unwrap()[0].key.algorithm, Algorithm::Rs256);
    let rotated = keys
        .rotate(&world.records(), &Algorithm::ALL, false)
        .await
        .unwrap();
    let new: Vec<_> = rotated.iter().map(|one| one.is_new).collect();
    assert_eq!(new, [true, false, true], "RS256 waits to sign already");
    world.advance(600);
    for (algorithm, before) in Algorithm::ALL.into_iter().zip(before) {
        assert_ne!(signer(&keys, algorithm).await, before);
    }
}

async fn a_hundred(world: &World, at_once: bool) {
    let (one, other) = (world.replica().await, world.replica().await);
    let records = world.records();
    let rotations = (0..100).map(|n| {
        let keys = if n % 2 == 0 { &one } else { &other };
        keys.rotate(&records, &Algorithm::ALL, at_once)
    });
    let mut kids = std::collections::BTreeSet::new();
    let mut made = 0;
    for rotated in join_all(rotations).await {
        for rotated in rotated.unwrap() {
            made += usize::from(rotated.is_new);
            kids.insert(rotated.key.kid);
        }
    }
    assert_eq!((kids.len(), made), (3, 3), "one of each algorithm");
}

#[tokio::test]
async fn a_hundred_rotations_at_once_make_one_key() {
    a_hundred(&World::new(), false).await;
}

#[tokio::test]
async fn a_hundred_rotations_after_a_compromise_make_one_key_too() {
    a_hundred(&World::new(), true).await;
}

#[tokio::test]
async fn after_a_compromise_the_old_keys_are_gone_at_once_and_stay_so_after_a_restart() {
    let world = World::new();
    let (one, other) = (world.replica().await, world.replica().await);
    let old = signer(&one, Algorithm::Es256).await;
    let next = world.rotate(&one).await.key.kid;
    let rotated = one
        .rotate(&world.records(), &[Algorithm::Es256], true)
        .await
        .unwrap();
    let new = rotated[0].key.kid.clone();
    other.refresh_for_jwks(&world.records()).await;
    other.refresh(&world.records()).await.unwrap();
    for keys in [&one, &other, &world.replica().await] {
        assert_eq!(signer(keys, Algorithm::Es256).await, new);
        for gone in [&old, &next] {
            assert!(!published(keys).contains(gone));
            assert!(keys.named(gone).is_none());
        }
    }
    // The store starts empty: the state directory remembers.
    let home = world.home;
    let clock = world.clock;
    let store = Arc::new(MemoryStore::new(Arc::<ManualClock>::clone(&clock)));
    let world = World { store, clock, home };
    let keys = world.replica().await;
    assert_eq!(signer(&keys, Algorithm::Es256).await, new);
    assert!(keys.named(&old).is_none());
    // A second one, later, is another rotation.
    let again = keys
        .rotate(&world.records(), &[Algorithm::Es256], true)
        .await
        .unwrap();
    assert!(again[0].is_new && again[0].key.kid != new);
}

#[tokio::test]
async fn a_new_key_in_the_state_directory_is_taken_over_once_as_a_rotation() {
    let world = World::new();
    let keys = world.replica().await;
    let old = signer(&keys, Algorithm::Es256).await;
    std::fs::remove_file(world.file().join("idp-es256.pem")).unwrap();
    let restarted = world.replica().await;
    assert_eq!(signer(&restarted, Algorithm::Es256).await, old);
    assert_eq!(published(&restarted).len(), 4);
    // The process with the key of before does not take that one over again.
    keys.refresh(&world.records()).await.unwrap();
    world.advance(600);
    let new = signer(&restarted, Algorithm::Es256).await;
    assert_ne!(new, old);
    assert_eq!(signer(&keys, Algorithm::Es256).await, new);
    keys.refresh(&world.records()).await.unwrap();
    assert_eq!(published(&keys).len(), 4);
}

#[tokio::test]
async fn keys_that_have_retired_make_room_for_the_next() {
    let world = World::new();
    let keys = world.replica().await;
    for _ in 0..3 {
        assert!(world.rotate(&keys).await.is_new);
        world.advance(601);
    }
    // The first key has left.
    let listed = keys.listed().len();
    assert_eq!(listed, 5, "three of ES256, and one of each other algorithm");
    assert!(world.rotate(&keys).await.is_new);
}

#[tokio::test]
async fn rfc7468_5_2_a_key_of_somebody_elses_has_no_age_and_is_good() {
    let world = World::new();
    world.process(Algorithm::Es256);
    let file = world.file().join("idp-es256.pem");
    let ours = std::fs::read_to_string(&file).unwrap();
    let (said, key) = ours.split_once('\n').unwrap();
    assert_eq!(said, "Created: 1700000000");
    for before in ["", "Subject: somebody\n", "Created: soon\n"] {
        std::fs::write(&file, format!("{before}{key}")).unwrap();
        let clock = Arc::clone(&world.clock);
        let store = Arc::new(MemoryStore::new(Arc::<ManualClock>::clone(&clock)));
        let records = Records::new(store, world.clock(), Authenticity::new(&[MASTER], None));
        let keys = world.process(Algorithm::Es256);
        keys.refresh(&records).await.unwrap();
        let _ = std::fs::remove_file(world.file().join("idp-signing-keys.json"));
        let aged: Vec<_> = keys.created().iter().map(|(a, _)| a.as_str()).collect();
        assert_eq!(aged, ["RS256", "EdDSA"], "{before:?}");
    }
}
