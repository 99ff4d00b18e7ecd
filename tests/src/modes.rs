//! The modes in which an app can keep its sessions, as tests go through them.

use testkit::Plan;

/// `plan` with both apps in `mode`.
pub fn in_mode(mode: &str, mut plan: Plan) -> Plan {
    let setting = ("BFF_SESSION_MODE".to_owned(), mode.to_owned());
    plan.environment.push(setting);
    plan
}

/// `in_modes!([mode…] [scenario…])`: a test of each scenario, an
/// `async fn(mode: &str)` beside it, in each mode: `mode::scenario`.
#[macro_export]
macro_rules! in_modes {
    ([$($mode:ident)*] $scenarios:tt) => {
        $($crate::in_modes!(@ $mode $scenarios);)*
    };
    (@ $mode:ident [$($scenario:ident)*]) => {
        mod $mode {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $scenario() {
                    super::$scenario(stringify!($mode)).await;
                }
            )*
        }
    };
}
