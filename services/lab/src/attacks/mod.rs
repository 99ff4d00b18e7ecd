//! The attacks: each runs against the real services, first with a defence switched off for
//! one journey, then with it.

mod program;

pub(crate) use self::program::{AttackContext, calls};
