use super::*;

fn at(host: &str, port: u16) -> Node {
    let host = host.to_owned();
    Node { host, port }
}

fn text(text: &str) -> Value {
    Value::BulkString(text.into())
}

fn server(host: Value, port: i64, id: &str) -> Value {
    Value::Array(vec![host, Value::Int(port), text(id), Value::Array(vec![])])
}

fn range(start: i64, end: i64, servers: Vec<Value>) -> Value {
    Value::Array([vec![Value::Int(start), Value::Int(end)], servers].concat())
}

const INFO: &str = "cluster_state:ok\r\ncluster_known_nodes:5\r\ncluster_current_epoch:7\r\n";

#[test]
fn a_topology_has_every_reachable_master() {
    let slots = Value::Array(vec![
        range(
            0,
            99,
            vec![
                server(text("a.example"), 1, "ida"),
                server(text("b.example"), 2, "idb"),
            ],
        ),
        range(100, 16383, vec![server(Value::Nil, 3, "idc")]),
    ]);
    let nodes = "ida 10.0.0.1:1@2,a.example master - 0 0 1 connected 0-99\n\
        idb 10.0.0.2:2@3,b.example slave ida 0 0 1 connected\n\
        idc :3@4 myself,master - 0 0 3 connected 100-16383\n\
        idd 10.0.0.4:4@5 master - 0 0 0 connected\n\
        ide :0@0 master,noaddr - 0 0 0 disconnected\n\
        idf 10.0.0.6:6@7 master,fail - 0 0 0 disconnected\n";
    let from = at("c.example", 3);
    let topology = read(INFO, &slots, nodes, &from).unwrap();
    assert_eq!(
        topology.masters,
        [at("a.example", 1), at("c.example", 3), at("10.0.0.4", 4)]
    );
    assert!(!topology.failing, "it had no slots");
    assert_eq!(topology.state.epoch, 7);
    assert!(topology.state.ok);

    let failed = nodes.replace("a.example master", "a.example master,fail");
    let failed = read(INFO, &slots, &failed, &from).unwrap();
    assert!(failed.failing);
    assert!(!failed.has_failed_over_since(&topology), "no replica yet");
    let suspected = nodes.replace("a.example master", "a.example master,fail?");
    assert!(!read(INFO, &slots, &suspected, &from).unwrap().failing);
}

#[test]
fn a_failover_changes_the_masters_and_the_epoch_from_its_vote_on() {
    let topology = |epoch, masters: &[u16]| Topology {
        state: ClusterState {
            epoch,
            known_nodes: 4,
            ok: true,
        },
        masters: masters.iter().map(|port| at("h", *port)).collect(),
        failing: false,
    };
    let before = topology(7, &[1, 2]);
    assert!(topology(8, &[2, 3]).has_failed_over_since(&before));
    let late = topology(8, &[2, 1]);
    assert!(
        !late.has_failed_over_since(&before),
        "heard of the epoch late"
    );
    let failed = topology(7, &[2]);
    assert!(!failed.has_failed_over_since(&before), "no replica yet");
    // A connection that was made during the election: the master that was asked had
    // voted, and did not know the outcome.
    let voted = topology(8, &[1, 2]);
    assert!(topology(8, &[2, 3]).has_failed_over_since(&voted));
    let behind = topology(7, &[2, 3]);
    assert!(!behind.has_failed_over_since(&voted), "heard less");
}

#[test]
fn an_answer_of_an_unknown_form_is_refused() {
    let from = at("c", 3);
    for odd in [
        Value::Nil,
        Value::Array(vec![Value::Nil]),
        Value::Array(vec![range(0, 1, vec![Value::Nil])]),
        Value::Array(vec![range(0, 1, vec![server(Value::Nil, 65536, "id")])]),
    ] {
        assert_eq!(read(INFO, &odd, "", &from), None, "{odd:?}");
    }
    assert_eq!(read("", &Value::Array(vec![]), "", &from), None);
    assert_eq!(
        read(INFO, &Value::Array(vec![]), "id x master", &from),
        None
    );
}

#[test]
fn addresses() {
    let from = at("c", 3);
    for (text, node) in [
        ("10.0.0.1:6379", at("10.0.0.1", 6379)),
        (":6379", at("c", 6379)),
        ("?:6379", at("c", 6379)),
        ("2001:db8::1:6379", at("2001:db8::1", 6379)),
        ("[::1]:6379@16379,name", at("::1", 6379)),
    ] {
        assert_eq!(read_address(text, &from), Some(node));
    }
    for wrong in ["", "h", "h:", "h:65536"] {
        assert_eq!(read_address(wrong, &from), None, "{wrong}");
    }
}

#[test]
fn fuzz_answers_about_a_cluster() {
    let nodes = "ida 10.0.0.1:1@2,a.example myself,master - 0 0 1 connected 0-99\n\
                 idb [::1]:2@3 slave ida 0 0 1 connected\n\
                 idc :0@0 master,fail,noaddr - 0 0 0 disconnected\n";
    let slots = Value::Array(vec![range(
        0,
        99,
        vec![server(text("a.example"), 1, "ida")],
    )]);
    let from = at("c.example", 3);
    fuzz::run_text(&[nodes, INFO], |answer| {
        if let Some(topology) = read(INFO, &slots, answer, &from) {
            assert!(topology.masters.len() <= MAX_NODES);
            assert!(!topology.has_failed_over_since(&topology));
        }
        if let Some(state) = read_state(answer) {
            assert!(answer.contains(&state.epoch.to_string()) || answer.contains('+'));
        }
    });
}
