//! What an admission accepts and what it ends, tick by tick.

use std::sync::Arc;

use super::*;

const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

fn small() -> Admission {
    Admission::new(Limits {
        connections: 4,
        connections_of_one: 2,
        bytes: 100,
        bytes_of_one: 60,
        reserve: 50,
        ..Limits::default()
    })
}

fn connect(admission: &Admission, peer: IpAddr) -> Arc<Connection> {
    Arc::new(admission.connect(peer, false).expect("room"))
}

fn pass(admission: &Admission, ticks: u64) {
    (0..ticks).for_each(|_| admission.sweep_once());
}

#[test]
fn of_an_address_with_too_many_connections_the_one_that_waited_longest_goes() {
    let admission = small();
    let first = connect(&admission, ONE);
    pass(&admission, 1);
    let second = connect(&admission, ONE);
    let other = connect(&admission, OTHER);
    pass(&admission, 1);
    let third = connect(&admission, ONE);
    assert_eq!(first.ended(), Some(CloseReason::Closed));
    for stays in [&second, &other, &third] {
        assert_eq!(stays.ended(), None);
    }
}

#[test]
fn a_request_under_way_keeps_its_connection_and_then_there_is_no_room() {
    let admission = small();
    let busy = [connect(&admission, ONE), connect(&admission, ONE)];
    let in_flight = busy.each_ref().map(Connection::begin);
    assert!(admission.connect(ONE, false).is_none());
    assert!(admission.connect(OTHER, false).is_some(), "another address");
    assert!(
        admission.connect(ONE, true).is_some(),
        "a proxy has no bucket"
    );
    drop(in_flight);
    assert!(admission.connect(ONE, false).is_some());
}

#[test]
fn where_all_room_is_used_up_the_address_with_the_most_makes_some() {
    let admission = small();
    let other = connect(&admission, OTHER);
    pass(&admission, 1);
    let ones = [connect(&admission, ONE), connect(&admission, ONE)];
    let third = connect(&admission, "2001:db8::1".parse().unwrap());
    let fourth = connect(&admission, "198.51.100.1".parse().unwrap());
    assert_eq!(other.ended(), None);
    let gone = ones.iter().filter(|one| one.ended().is_some()).count();
    assert_eq!(gone, 1);
    assert!(third.ended().is_none() && fourth.ended().is_none());
}

#[test]
fn a_connection_gives_its_place_back() {
    let admission = small();
    drop([connect(&admission, ONE), connect(&admission, OTHER)]);
    assert_eq!(admission.connections(), 0);
    assert!(admission.0.open.lock().of.is_empty());
}

#[test]
fn a_head_has_a_deadline_however_steadily_it_trickles() {
    let admission = small();
    let connection = connect(&admission, ONE);
    pass(&admission, 1000);
    assert_eq!(
        connection.ended(),
        None,
        "nothing has come: the server's keep-alive"
    );
    connection.set_phase(Phase::Head);
    pass(&admission, Limits::default().head);
    assert_eq!(connection.ended(), None);
    pass(&admission, 1);
    assert_eq!(connection.ended(), Some(CloseReason::Closed));
}

#[test]
fn a_body_has_a_least_rate_and_a_deadline() {
    let limits = Limits::default();
    let trickle = |each_tick: usize, ticks: u64| {
        let admission = small();
        let connection = connect(&admission, ONE);
        let _in_flight = connection.begin();
        connection.await_body(None, 0);
        for _ in 0..ticks {
            connection.received(each_tick);
            connection.await_body(None, 0);
            pass(&admission, 1);
        }
        connection.ended()
    };
    let enough = usize::try_from(limits.body_rate).unwrap();
    assert_eq!(trickle(1, limits.body), None);
    assert_eq!(trickle(1, limits.body + 1), Some(CloseReason::TooSlow));
    assert_eq!(trickle(enough, limits.body_longest), None);
    assert_eq!(
        trickle(enough, limits.body_longest + 1),
        Some(CloseReason::TooSlow)
    );
}

#[test]
fn an_answer_that_nobody_takes_has_a_least_rate() {
    let limits = Limits::default();
    let read = |each_tick: usize, ticks: u64| {
        let admission = small();
        let connection = connect(&admission, ONE);
        let _in_flight = connection.begin();
        connection.write_stalled();
        for _ in 0..ticks {
            connection.wrote(each_tick);
            connection.write_stalled();
            pass(&admission, 1);
        }
        connection.ended()
    };
    let enough = usize::try_from(limits.write_rate).unwrap();
    assert_eq!(read(0, limits.write), None);
    assert_eq!(read(0, limits.write + 1), Some(CloseReason::Closed));
    assert_eq!(read(1, limits.write + 1), Some(CloseReason::Closed));
    assert_eq!(read(enough, limits.write * 10), None);
}

#[test]
fn of_calls_on_one_connection_one_has_to_end_now_and_then() {
    let limits = Limits::default();
    let admission = small();
    let connection = connect(&admission, ONE);
    connection.bound_calls();
    let mut calls = Vec::new();
    for _ in 0..3 {
        pass(&admission, limits.call);
        drop(calls.pop());
        calls.push(connection.begin());
        calls.push(connection.begin());
        assert_eq!(connection.ended(), None);
    }
    // New ones do not help.
    calls.push(connection.begin());
    pass(&admission, limits.call + 1);
    assert_eq!(connection.ended(), Some(CloseReason::Closed));
}

#[test]
fn an_answer_that_was_taken_starts_anew() {
    let admission = small();
    let connection = connect(&admission, ONE);
    for _ in 0..10 {
        connection.write_stalled();
        pass(&admission, Limits::default().write);
        connection.flushed();
    }
    assert_eq!(connection.ended(), None);
}

#[test]
fn who_sends_on_after_the_answer_is_listened_to_for_a_moment() {
    let admission = small();
    let connection = connect(&admission, ONE);
    let in_flight = connection.begin();
    connection.set_phase(Phase::Drain);
    drop(in_flight);
    pass(&admission, Limits::default().drain + 1);
    assert_eq!(connection.ended(), Some(CloseReason::Closed));
}

#[test]
fn bytes_are_shared_out_by_address_and_given_back() {
    let admission = small();
    let mut one = admission.charge(AddrBucket::of(ONE));
    one.grow(60).unwrap();
    assert_eq!(one.grow(1), Err(OverBudget));
    let mut other = admission.charge(AddrBucket::of(OTHER));
    other.grow(40).unwrap();
    assert_eq!(other.grow(1), Err(OverBudget), "all room of strangers");
    drop(one);
    other.grow(20).unwrap();
    assert_eq!(admission.buffered(), (60, 0));
    drop(other);
    assert_eq!(admission.buffered(), (0, 0));
    assert!(admission.0.bytes.lock().of.is_empty());
}

#[test]
fn who_was_checked_is_served_from_the_reserve_when_strangers_have_all_else() {
    let admission = small();
    let mut flood = [ONE, OTHER].map(|ip| admission.charge(AddrBucket::of(ip)));
    flood[0].grow(60).unwrap();
    flood[1].grow(40).unwrap();
    let mut known = admission.charge(AddrBucket::of(ONE));
    assert_eq!(known.grow(10), Err(OverBudget));
    known.use_reserve();
    known.grow(10).unwrap();
    assert_eq!(known.payer(), None);
    assert_eq!(admission.buffered(), (100, 10));
    assert_eq!(
        known.grow(41),
        Err(OverBudget),
        "the reserve is bounded too"
    );
    drop(flood);
    known.grow(41).unwrap();
    assert_eq!(admission.buffered(), (51, 0), "as a stranger's");
}

#[test]
fn what_was_charged_before_the_check_moves_to_the_reserve() {
    let admission = small();
    let mut charge = admission.charge(AddrBucket::of(ONE));
    charge.grow(30).unwrap();
    charge.use_reserve();
    assert_eq!(admission.buffered(), (0, 30));
    charge.clear();
    assert_eq!(admission.buffered(), (0, 0));
}

#[test]
fn an_address_where_a_client_authenticated_is_remembered_for_a_while() {
    let (admission, bucket) = (small(), AddrBucket::of(ONE));
    assert!(!admission.is_authenticated(bucket));
    admission.mark_authenticated(bucket);
    pass(&admission, AUTHENTICATED_FOR);
    assert!(admission.is_authenticated(bucket));
    pass(&admission, 1);
    assert!(!admission.is_authenticated(bucket));
    for n in 0..u32::try_from(2 * MAX_AUTHENTICATED).unwrap() {
        admission.mark_authenticated(AddrBucket::of(IpAddr::V4(n.into())));
    }
    assert!(admission.0.authenticated.lock().len() <= MAX_AUTHENTICATED);
}

/// A body that waits, `bytes` of which have come.
fn waiting(
    admission: &Admission,
    peer: IpAddr,
    bytes: usize,
) -> (Arc<Connection>, InFlight, Charge) {
    let connection = connect(admission, peer);
    let in_flight = connection.begin();
    let mut charge = admission.charge(AddrBucket::of(peer));
    charge.grow(bytes).unwrap();
    connection.await_body(charge.payer(), charge.bytes());
    (connection, in_flight, charge)
}

#[test]
fn of_a_share_that_is_used_up_the_body_that_waited_longest_makes_room() {
    let admission = small();
    let oldest = waiting(&admission, ONE, 30);
    pass(&admission, 1);
    let newer = waiting(&admission, ONE, 30);
    let other = waiting(&admission, OTHER, 10);
    let mut next = admission.charge(AddrBucket::of(ONE));
    next.grow(10).unwrap();
    assert_eq!(oldest.0.ended(), Some(CloseReason::NoRoom));
    assert_eq!(newer.0.ended(), None);
    assert_eq!(other.0.ended(), None, "another address's bodies stay");
}

#[test]
fn of_bodies_awaited_since_the_same_tick_the_connection_accepted_first_makes_room() {
    let admission = Admission::new(Limits {
        bytes_of_one: 60,
        ..Limits::default()
    });
    let first = waiting(&admission, ONE, 6);
    let later: Vec<_> = (0..9).map(|_| waiting(&admission, ONE, 6)).collect();
    let mut next = admission.charge(AddrBucket::of(ONE));
    next.grow(6).unwrap();
    assert_eq!(first.0.ended(), Some(CloseReason::NoRoom));
    assert!(later.iter().all(|(one, ..)| one.ended().is_none()));
}

#[test]
fn where_all_room_is_taken_the_largest_share_makes_some() {
    let admission = small();
    let flood = waiting(&admission, ONE, 60);
    let other = waiting(&admission, OTHER, 40);
    let mut next = admission.charge(AddrBucket::of("198.51.100.1".parse().unwrap()));
    next.grow(10).unwrap();
    assert_eq!(flood.0.ended(), Some(CloseReason::NoRoom));
    assert_eq!(other.0.ended(), None);
}
