//! The ends of sessions that this process knows of, so that it refuses their cookies
//! although these are genuine: by a sign-out here, by the provider's logout token,
//! or by a read that found no record. When another replica changes a record, the
//! store's watch says which one, and not how: that session is in doubt, and its next
//! call reads the record once.
//!
//! Only a live session or a verified logout token adds an entry. Where the list is
//! full the oldest entry is dropped, and that session's tokens are valid again until
//! they expire.

use std::time::Duration;

use aws_lc_rs::digest;
use kit::{bounded_cache::BoundedCache, clock::Timestamp};
use parking_lot::Mutex;

use crate::sessions::{index::Whose, record::About};

/// The most ends that are remembered, and the most doubts: at some 200 bytes
/// each, 26 MB.
const MAX: usize = 65_536;
/// By how much the provider's clock may differ from ours.
const SKEW: Duration = Duration::from_secs(10);

/// What a session is known by here: SHA-256 of its id, as in its handle.
pub(super) type Digest = [u8; 32];

/// SHA-256.
pub(super) fn digest_of(text: &str) -> Digest {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    hash
}

/// What has ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Ended {
    Session(Digest),
    /// The provider's session, by a hash of its `sid`.
    Login(Digest),
    /// All that a user, by a hash of `sub`, had begun by a moment.
    User(Digest),
}

/// The ended sessions that one process knows.
pub(super) struct EndedSessions {
    /// How long anything in a session's cookies can be good.
    longest: Duration,
    known: Mutex<Known>,
}

struct Known {
    ended: BoundedCache<Ended, End>,
    doubtful: BoundedCache<Digest, Doubt>,
    /// The version of the next doubt.
    next: u64,
    /// Until then the watch may have missed changes.
    missed: Option<Timestamp>,
}

/// An end, by a logout of `logout_at`, here or at the provider.
struct End {
    logout_at: Timestamp,
    forgotten_at: Timestamp,
}

/// The record of a session changed.
struct Doubt {
    /// From when on the record is to be read.
    due: Timestamp,
    version: u64,
    forgotten_at: Timestamp,
}

impl EndedSessions {
    /// Cookies are good for `longest` at most.
    pub(super) fn new(longest: Duration) -> Self {
        Self {
            longest,
            known: Mutex::new(Known {
                ended: BoundedCache::new(MAX),
                doubtful: BoundedCache::new(MAX),
                next: 0,
                missed: None,
            }),
        }
    }

    /// A session has ended.
    pub(super) fn session(&self, session: Digest, now: Timestamp) {
        let mut known = self.known.lock();
        known.doubtful.remove(&session);
        known.end(Ended::Session(session), now, now, self.longest);
    }

    /// All of `whose` have ended, by a logout token of `logout_at`.
    pub(super) fn all_of(&self, whose: Whose<'_>, logout_at: Timestamp, now: Timestamp) {
        let what = match whose {
            Whose::Login(sid) => Ended::Login(digest_of(sid)),
            Whose::User(sub) => Ended::User(digest_of(sub)),
        };
        let mut known = self.known.lock();
        let before = known.ended.get(&what).map(|end| end.logout_at);
        let logout_at = before.map_or(logout_at, |before| before.max(logout_at));
        known.end(what, logout_at, now, self.longest);
    }

    /// A record changed: it may be gone.
    pub(super) fn doubt(&self, session: Digest, now: Timestamp) {
        let mut known = self.known.lock();
        if known.ended.get(&Ended::Session(session)).is_some() {
            return;
        }
        let doubt = Doubt {
            due: now,
            version: known.next,
            forgotten_at: now + self.longest,
        };
        known.next += 1;
        let has_ended = |doubt: &Doubt| doubt.forgotten_at <= now;
        known.doubtful.remove_oldest_while(has_ended);
        known.doubtful.insert(session, doubt);
    }

    /// The watch may have missed changes until now.
    pub(super) fn doubt_all(&self, now: Timestamp) {
        self.known.lock().missed = Some(now);
    }

    /// Whether the session is known to have ended, by itself or with the
    /// provider's session or its user's.
    pub(super) fn includes(&self, session: Digest, about: &About) -> bool {
        let known = self.known.lock();
        let ended = &known.ended;
        if ended.is_empty() {
            return false;
        }
        let by_login = |sid: &String| ended.get(&Ended::Login(digest_of(sid))).is_some();
        let by_user = || ended.get(&Ended::User(digest_of(&about.user.sub)));
        ended.get(&Ended::Session(session)).is_some()
            || about.sid.as_ref().is_some_and(by_login)
            || by_user().is_some_and(|end| about.identified_at <= end.logout_at)
    }

    /// Whether the record is to be read, for a session with a token of `issued_at`. A
    /// token of later than the missed changes came from a live record.
    pub(super) fn doubts(&self, session: Digest, issued_at: Timestamp, now: Timestamp) -> bool {
        let known = self.known.lock();
        known.doubts(session, now) || known.missed.is_some_and(|at| issued_at <= at + SKEW)
    }

    /// Whether the session itself is in doubt.
    pub(super) fn doubts_itself(&self, session: Digest, now: Timestamp) -> bool {
        self.known.lock().doubts(session, now)
    }

    /// The version of the doubt, taken before the read, for [`EndedSessions::settle`].
    pub(super) fn mark(&self, session: Digest) -> Option<u64> {
        self.known.lock().version(session)
    }

    /// A read found the record; when it began, the doubt had the version `mark`.
    pub(super) fn settle(&self, session: Digest, mark: Option<u64>) {
        let mut known = self.known.lock();
        if known.version(session) == mark {
            known.doubtful.remove(&session);
        }
    }

    /// The store did not answer: no read before `from`.
    pub(super) fn postpone(&self, session: Digest, from: Timestamp) {
        if let Some(doubt) = self.known.lock().doubtful.get_mut(&session) {
            doubt.due = from;
        }
    }
}

impl Known {
    fn end(&mut self, what: Ended, logout_at: Timestamp, now: Timestamp, longest: Duration) {
        let end = End {
            logout_at,
            forgotten_at: now + longest,
        };
        let has_ended = |end: &End| end.forgotten_at <= now;
        self.ended.remove_oldest_while(has_ended);
        self.ended.insert(what, end);
    }

    fn doubts(&self, session: Digest, now: Timestamp) -> bool {
        let doubt = self.doubtful.get(&session);
        doubt.is_some_and(|doubt| doubt.due <= now)
    }

    fn version(&self, session: Digest) -> Option<u64> {
        self.doubtful.get(&session).map(|doubt| doubt.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);
    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    fn about(sid: Option<&str>, identified_at: Timestamp) -> About {
        let mut about = About::for_test(NOW + DAY);
        about.sid = sid.map(ToOwned::to_owned);
        about.identified_at = identified_at;
        about
    }

    #[test]
    fn an_end_is_known_by_the_session_by_the_providers_and_by_the_user_up_to_its_moment() {
        let ends = EndedSessions::new(DAY);
        let (gone, other) = (digest_of("gone"), digest_of("other"));
        let covers = |session, about: &About| ends.includes(session, about);
        assert!(!covers(gone, &about(Some("s-1"), NOW)));
        ends.session(gone, NOW);
        assert!(covers(gone, &about(None, NOW)));
        assert!(!covers(other, &about(None, NOW)));
        ends.all_of(Whose::Login("s-1"), NOW, NOW);
        assert!(covers(other, &about(Some("s-1"), NOW + DAY)));
        assert!(!covers(other, &about(Some("s-2"), NOW)));
        ends.all_of(Whose::User("user-1"), NOW, NOW);
        ends.all_of(Whose::User("user-1"), NOW - DAY, NOW);
        let later = NOW + Duration::from_secs(1);
        assert!(covers(other, &about(None, NOW)), "the latest word counts");
        assert!(!covers(other, &about(None, later)), "signed in again since");
    }

    #[test]
    fn a_doubt_is_settled_by_a_read_that_began_after_it() {
        let ends = EndedSessions::new(DAY);
        let session = digest_of("a");
        let is_doubtful = || ends.doubts(session, NOW, NOW);
        ends.doubt(session, NOW);
        let mark = ends.mark(session);
        assert!(is_doubtful());
        ends.doubt(session, NOW);
        ends.settle(session, mark);
        assert!(is_doubtful(), "another change came during the read");
        ends.postpone(session, NOW + DAY);
        assert!(!is_doubtful());
        ends.doubt(session, NOW);
        assert!(is_doubtful());
        ends.settle(session, ends.mark(session));
        assert!(!is_doubtful());
        ends.session(session, NOW);
        ends.doubt(session, NOW);
        assert!(!is_doubtful(), "it is known");
    }

    #[test]
    fn after_a_gap_only_tokens_of_before_are_in_doubt() {
        let ends = EndedSessions::new(DAY);
        let session = digest_of("a");
        assert!(!ends.doubts(session, NOW, NOW));
        ends.doubt_all(NOW);
        assert!(ends.doubts(session, NOW + SKEW, NOW));
        assert!(!ends.doubts(session, NOW + SKEW + Duration::from_millis(1), NOW));
        assert!(!ends.doubts_itself(session, NOW));
    }

    #[test]
    fn the_list_is_bounded_and_lasts_as_long_as_a_cookie_could() {
        let ends = EndedSessions::new(DAY);
        let each = |number: usize| digest_of(&number.to_string());
        let has = |session| ends.includes(session, &about(None, NOW));
        for number in 0..=MAX {
            ends.session(each(number), NOW);
        }
        assert!(!has(each(0)), "the oldest has gone");
        assert!(has(each(1)) && has(each(MAX)));
        // The same one again and again pushes out no other.
        let again = EndedSessions::new(DAY);
        again.doubt(each(1), NOW);
        for _ in 0..=2 * MAX {
            again.doubt(each(0), NOW);
        }
        assert_eq!(again.known.lock().doubtful.len(), 2);
        assert!(again.doubts_itself(each(1), NOW));
        ends.session(each(MAX + 1), NOW + DAY);
        assert!(!has(each(1)), "nothing in its cookies is good any more");
        assert!(has(each(MAX + 1)));
    }
}
