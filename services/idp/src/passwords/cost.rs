//! The cost of a password check: the same for each user and for an unknown one, by
//! computing the same. One hash is computed for each cost among the users' hashes: the
//! user's own, which is compared, and the others as padding.

use std::{fmt, str::FromStr};

use argon2::{Algorithm, Argon2, Params, Version, password_hash::phc::PasswordHash};

/// The most memory of a hash, in KiB (RFC 9106 §4, the second recommended option).
const MAX_MEMORY: u32 = 64 * 1024;
/// The most passes.
const MAX_PASSES: u32 = 10;
/// The most lanes.
const MAX_LANES: u32 = 8;
/// The most different costs that the users' hashes may have.
pub const MAX_COSTS: usize = 4;

/// The parameters of a hash.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cost {
    version: u32,
    params: Params,
    output: usize,
}

/// The hash of a password: Argon2id in PHC format, of a bounded cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hash {
    text: String,
    cost: Cost,
    salt: Vec<u8>,
    expected: Vec<u8>,
}

impl FromStr for Hash {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const EXPECTED: &str =
            "expected an Argon2id hash in PHC format, as from `sso-lab config hash-password`";
        let read = || {
            let hash = PasswordHash::new(text).ok()?;
            let params = Params::try_from(&hash).ok()?;
            let version = hash.version.unwrap_or(Version::V0x13.into());
            Version::try_from(version).ok()?;
            let expected = hash.hash?.as_bytes().to_vec();
            let is_plain = params.keyid().is_empty() && params.data().is_empty();
            let (m, t, p) = (params.m_cost(), params.t_cost(), params.p_cost());
            let params = Params::new(m, t, p, None).ok()?;
            (hash.algorithm.as_str() == "argon2id" && is_plain).then_some(Self {
                text: text.to_owned(),
                cost: Cost {
                    version,
                    params,
                    output: expected.len(),
                },
                salt: hash.salt?.as_ref().to_vec(),
                expected,
            })
        };
        let hash = read().ok_or(EXPECTED)?;
        let params = &hash.cost.params;
        let bounds = [
            ("m (KiB of memory)", params.m_cost(), MAX_MEMORY),
            ("t (passes)", params.t_cost(), MAX_PASSES),
            ("p (lanes)", params.p_cost(), MAX_LANES),
        ];
        let over = bounds.iter().filter(|(_, value, most)| value > most);
        let over: Vec<_> = over
            .map(|(name, value, most)| format!("{name} is {value}, at most {most}"))
            .collect();
        if over.is_empty() {
            Ok(hash)
        } else {
            Err(over.join("; "))
        }
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Hash {
    /// Whether it is the hash of `password`.
    pub fn verifies(&self, password: &[u8]) -> bool {
        Job::of(self).matches(password)
    }
}

/// The distinct costs of the users' hashes.
#[derive(Clone, Debug)]
pub struct Costs(Vec<Cost>);

impl Costs {
    /// The costs of `hashes`; without any, the cost of a new hash.
    pub fn of<'h>(hashes: impl Iterator<Item = &'h Hash>) -> Self {
        let mut costs: Vec<Cost> = Vec::new();
        for hash in hashes {
            if !costs.contains(&hash.cost) {
                costs.push(hash.cost.clone());
            }
        }
        if costs.is_empty() {
            costs.push(Cost {
                version: Version::default().into(),
                params: Params::DEFAULT,
                output: Params::DEFAULT_OUTPUT_LEN,
            });
        }
        Self(costs)
    }

    /// The number of costs.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The largest memory, in KiB.
    pub fn memory(&self) -> u32 {
        let memory = self.0.iter().map(|cost| cost.params.m_cost());
        memory.max().unwrap_or(Params::DEFAULT_M_COST)
    }

    /// The computations for a password that is compared with `hash`, or for an unknown
    /// user.
    pub fn work(&self, hash: Option<&Hash>) -> Work {
        let jobs = self.0.iter().map(|cost| {
            let own = hash.filter(|hash| hash.cost == *cost);
            own.map_or_else(|| Job::padding(cost), Job::of)
        });
        Work(jobs.collect())
    }
}

/// The computations for one password.
pub struct Work(Vec<Job>);

impl Work {
    /// Whether one of `candidates` is the password. Everything is computed for each.
    pub fn matches<'p>(&self, candidates: impl IntoIterator<Item = &'p [u8]>) -> bool {
        let mut is_right = false;
        for password in candidates {
            for job in &self.0 {
                is_right |= job.matches(password);
            }
        }
        is_right
    }
}

/// One hash to compute.
struct Job {
    cost: Cost,
    salt: Vec<u8>,
    /// `None` for padding.
    expected: Option<Vec<u8>>,
}

impl Job {
    fn of(hash: &Hash) -> Self {
        Self {
            cost: hash.cost.clone(),
            salt: hash.salt.clone(),
            expected: Some(hash.expected.clone()),
        }
    }

    fn padding(cost: &Cost) -> Self {
        Self {
            cost: cost.clone(),
            salt: vec![0; super::SALT_LEN],
            expected: None,
        }
    }

    fn matches(&self, password: &[u8]) -> bool {
        #[cfg(test)]
        COMPUTED.with_borrow_mut(|computed| computed.push(self.cost.clone()));
        let version = Version::try_from(self.cost.version).unwrap_or_default();
        let argon2 = Argon2::new(Algorithm::Argon2id, version, self.cost.params.clone());
        let mut output = vec![0; self.cost.output];
        let done = argon2.hash_password_into(password, &self.salt, &mut output);
        let expected = self.expected.as_deref().unwrap_or_default();
        let is_same = aws_lc_rs::constant_time::verify_slices_are_equal(&output, expected);
        done.is_ok() && is_same.is_ok()
    }
}

#[cfg(test)]
thread_local! {
    static COMPUTED: std::cell::RefCell<Vec<Cost>> = const { std::cell::RefCell::new(Vec::new()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: &str = "$argon2id$v=19$m=64,t=1,p=1$MAtn/eDx5uyIBpAeErzOrg$rLbe0sd9RnpwhRsnoucPYodooXL39283gEVAXl2GhjU";

    fn hash(params: &str) -> Result<Hash, String> {
        CHEAP.replace("m=64,t=1,p=1", params).parse()
    }

    /// The costs of what a check of `password` at `hash` computed.
    fn computed(costs: &Costs, hash: Option<&Hash>, candidates: &[&[u8]]) -> Vec<Cost> {
        COMPUTED.take();
        costs.work(hash).matches(candidates.iter().copied());
        COMPUTED.take()
    }

    #[test]
    fn each_check_computes_the_same_whatever_the_users_hash_costs() {
        let hashes = [
            hash("m=64,t=1,p=1"),
            hash("m=256,t=3,p=1"),
            hash("m=64,t=1,p=1"),
        ];
        let hashes = hashes.map(Result::unwrap);
        let costs = Costs::of(hashes.iter());
        assert_eq!((costs.count(), costs.memory()), (2, 256));
        for candidates in [&[&b"x"[..]][..], &[&b"x"[..], b"y"]] {
            let nobody = computed(&costs, None, candidates);
            assert_eq!(nobody.len(), 2 * candidates.len());
            for hash in &hashes {
                assert_eq!(computed(&costs, Some(hash), candidates), nobody);
            }
        }
    }

    #[test]
    fn the_right_password_costs_what_a_wrong_one_does() {
        let made = super::super::hash("right", &kit::random::OsRandom).unwrap();
        let hash: Hash = made.parse().unwrap();
        let costs = Costs::of([&hash].into_iter());
        assert!(hash.verifies(b"right"));
        let right = computed(&costs, Some(&hash), &[b"right", b"other"]);
        assert_eq!(right, computed(&costs, Some(&hash), &[b"wrong", b"other"]));
    }

    #[test]
    fn without_users_a_check_costs_what_a_new_hash_does() {
        let made = super::super::hash("x", &kit::random::OsRandom).unwrap();
        let hash: Hash = made.parse().unwrap();
        let nobody = Costs::of([].into_iter());
        assert_eq!(nobody.0, Costs::of([&hash].into_iter()).0);
        assert!(!nobody.work(None).matches([&b"x"[..]]));
    }

    #[test]
    fn only_argon2id_of_a_bounded_cost_is_taken() {
        assert!(hash("m=65536,t=10,p=8").is_ok());
        let error = hash("m=65537,t=11,p=9").unwrap_err();
        for what in [
            "m (KiB of memory) is 65537",
            "t (passes) is 11",
            "p (lanes) is 9",
        ] {
            assert!(error.contains(what), "{error}");
        }
        for wrong in [
            CHEAP.replace("argon2id", "argon2i"),
            CHEAP.replace("v=19", "v=18"),
            CHEAP.replace("p=1", "p=1,data=AAAA"),
            CHEAP.rsplit_once('$').unwrap().0.to_owned(),
            "wonderland".to_owned(),
        ] {
            assert!(wrong.parse::<Hash>().is_err(), "{wrong}");
        }
    }
}
