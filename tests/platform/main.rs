//! The services over HTTP and gRPC: flows, the rules of each specification,
//! faults, and the ways to run them.
#![expect(
    clippy::unwrap_used,
    reason = "a helper that cannot go on fails the test that called it"
)]

mod account;
mod api1_docs;
mod attack_host;
mod attack_settings;
mod attack_store_flood;
mod bff_refuses;
mod check;
mod client_secrets;
mod configuration;
mod cors;
mod demo_credentials;
mod fault_redis;
mod fault_redis_failover;
mod fault_redis_file;
mod fault_revocation;
mod fault_rolling;
mod fault_stalled_clients;
mod fault_store_away;
mod fault_torn_writes;
mod flow_first_light;
mod flow_lifetimes;
mod flow_logout;
mod flow_refresh;
mod flow_renewal;
mod flow_sso;
mod idp_restarts;
mod interop_jaeger;
mod kube_secrets;
mod large_cookies;
mod largest_user;
mod log_lines;
mod metrics;
mod modes_cost;
mod no_secret_leaks;
mod oidc_backchannel_logout;
mod oidc_backchannel_receiver;
mod oidc_core;
mod oidc_rp_initiated_logout;
mod operator;
mod operator_sessions;
mod outgoing_tls;
mod pages_half_way;
mod passwords;
mod quotas;
mod receiver;
mod redis_rights;
mod rfc6265_cookies;
mod rfc6749_authorize;
mod rfc6749_refresh;
mod rfc6749_token;
mod rfc7009_revocation;
mod rfc7636_pkce;
mod rfc8693_exchange;
mod rfc8707_resource;
mod rfc9068_access_tokens;
mod rfc9110_head;
mod rfc9126_par;
mod rfc9207_iss;
mod sealing_keys;
mod session_events;
mod sign_in_throttle;
mod spa;
mod state_read_only;
mod telemetry_lost;
mod trace_edges;
mod traces;
mod unread_bodies;
mod user_names;
mod user_sessions;
mod users_file;
mod ways_to_run;
