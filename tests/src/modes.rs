//! The modes in which an app can keep its sessions, as a test starts them.

use testkit::Plan;

/// `plan` with both apps in `mode`.
pub fn in_mode(mode: &str, mut plan: Plan) -> Plan {
    let setting = ("BFF_SESSION_MODE".to_owned(), mode.to_owned());
    plan.environment.push(setting);
    plan
}
