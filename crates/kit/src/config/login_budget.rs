//! How much of the store logins in progress may take. Anybody can begin a login.

use std::ops::RangeInclusive;

use clap::Args;

use super::Problems;

/// Bytes in a KiB.
const KIB: u64 = 1024;
/// The range of the whole budget, in KiB.
const LOGIN_BUDGETS: RangeInclusive<u64> = 256..=1024 * 1024;
/// The least budget of one address, in KiB: a few logins.
const LEAST_PER_ADDRESS: u64 = 16;

/// Flags and environment of the budget.
#[derive(Args, Clone, Debug)]
pub struct LoginBudgetArgs {
    /// KiB of the store that logins in progress may take at the provider and at each app: records from before the user has signed in
    #[arg(long, env = "LOGIN_BUDGET", default_value = "1024", value_name = "KIB")]
    pub login_budget: String,
    /// KiB of LOGIN_BUDGET for one IPv4 address or IPv6 /64, at most a quarter; beyond that, its own oldest logins are removed
    #[arg(
        long,
        env = "LOGIN_BUDGET_PER_ADDRESS",
        default_value = "256",
        value_name = "KIB"
    )]
    pub login_budget_per_address: String,
}

/// The budget in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginBudget {
    /// Of all logins in progress.
    pub in_all: u64,
    /// Of the logins from one address.
    pub per_address: u64,
}

impl Default for LoginBudget {
    fn default() -> Self {
        Self {
            in_all: 1024 * KIB,
            per_address: 256 * KIB,
        }
    }
}

impl LoginBudgetArgs {
    /// Checks both settings. Errors are added to `problems`.
    pub(super) fn read(&self, problems: &mut Problems) -> Option<LoginBudget> {
        const PER_ADDRESS: &str = "LOGIN_BUDGET_PER_ADDRESS";
        let in_all = problems.parse("LOGIN_BUDGET", &self.login_budget);
        let per_address = problems.parse(PER_ADDRESS, &self.login_budget_per_address);
        let (in_all, per_address): (u64, u64) = in_all.zip(per_address)?;
        if !LOGIN_BUDGETS.contains(&in_all) {
            let (least, most) = (LOGIN_BUDGETS.start(), LOGIN_BUDGETS.end());
            problems.add("LOGIN_BUDGET", format_args!("from {least} to {most} KiB"));
            return None;
        }
        let quarter = in_all / 4;
        if !(LEAST_PER_ADDRESS..=quarter).contains(&per_address) {
            let range = format_args!("from {LEAST_PER_ADDRESS} to {quarter} KiB");
            problems.add(
                PER_ADDRESS,
                format_args!("{range}, a quarter of LOGIN_BUDGET"),
            );
            return None;
        }
        Some(LoginBudget {
            in_all: in_all * KIB,
            per_address: per_address * KIB,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_budget_is_bounded_and_one_address_has_a_quarter_at_most() {
        let budget = |in_all: &str, per_address: &str| {
            let args = LoginBudgetArgs {
                login_budget: in_all.to_owned(),
                login_budget_per_address: per_address.to_owned(),
            };
            let mut problems = Problems::new();
            args.read(&mut problems).ok_or(problems.lines().len())
        };
        assert_eq!(budget("1024", "256"), Ok(LoginBudget::default()));
        assert!(budget("256", "64").is_ok());
        for (in_all, per_address) in [
            ("255", "16"),
            ("1048577", "16"),
            ("256", "65"),
            ("256", "15"),
            ("1MiB", "16"),
        ] {
            assert_eq!(
                budget(in_all, per_address),
                Err(1),
                "{in_all}, {per_address}"
            );
        }
    }
}
