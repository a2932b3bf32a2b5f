//! Daily budget of an agent in auto mode, in the best unit that its kind reports.

use crate::core::WhyHeld;

/// An agent's daily budget.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// In the unit that the agent's kind reports.
    pub unit: Unit,
    /// Automatic runs, for all kinds.
    pub runs: usize,
}

/// The unit in which a kind reports usage, with the daily limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Unit {
    /// US dollars, at list price.
    Dollars(f64),
    Tokens(u64),
    /// No usage is reported: only runs are counted.
    Runs,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            unit: Unit::Runs,
            runs: 50,
        }
    }
}

/// Usage of one run, as far as the kind reported it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Used {
    pub usd: Option<f64>,
    pub tokens: Option<u64>,
}

/// An agent's usage against its budget.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct BudgetUse {
    /// Automatic runs that began today.
    pub runs: usize,
    /// US dollars that all of today's runs have cost.
    pub usd: f64,
    /// Tokens that today's runs have used.
    pub tokens: u64,
    /// Usage of the last run, if there was one.
    pub last: Option<Used>,
}

impl Budget {
    /// Checks whether an agent with this usage may run automatically. Fails with the reason if not.
    pub(in crate::core) fn check(&self, agent: &str, standing: &BudgetUse) -> Result<(), WhyHeld> {
        let (reached, missing) = match self.unit {
            Unit::Dollars(most) => (
                standing.usd >= most,
                standing.last.is_some_and(|last| last.usd.is_none()),
            ),
            Unit::Tokens(most) => (
                standing.tokens >= most,
                standing.last.is_some_and(|last| last.tokens.is_none()),
            ),
            Unit::Runs => (false, false),
        };
        let agent = || agent.to_owned();
        if standing.runs >= self.runs {
            Err(WhyHeld::RunsUsed(agent(), self.runs))
        } else if reached {
            Err(WhyHeld::BudgetUsed(agent()))
        } else if missing {
            Err(WhyHeld::UsageUnknown(agent()))
        } else {
            Ok(())
        }
    }

    /// Formats it for a person: `3 of 50 automatic runs today, $1.20 of $5.00 (list price)`.
    pub fn in_words(&self, standing: &BudgetUse) -> String {
        let runs = format!("{} of {} automatic runs today", standing.runs, self.runs);
        let unit = match self.unit {
            Unit::Dollars(most) => format!(", ${:.2} of ${most:.2} (list price)", standing.usd),
            Unit::Tokens(most) => format!(", {} of {most} tokens", standing.tokens),
            Unit::Runs => String::new(),
        };
        let why = match self.check("it", standing) {
            Ok(()) => "",
            Err(_) => "; auto mode waits for you",
        };
        format!("{runs}{unit}{why}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_kept_in_their_unit_and_fail_closed() {
        let dollars = Budget {
            unit: Unit::Dollars(5.0),
            runs: 50,
        };
        let tokens = Budget {
            unit: Unit::Tokens(1000),
            runs: 50,
        };
        let used = |usd, tokens| Some(Used { usd, tokens });
        // (budget, runs, dollars, tokens, usage of the last run, whether it may run)
        let table = [
            (dollars, 0, 0.0, 0, None, true),
            (dollars, 1, 4.99, 9_000_000, used(Some(4.99), None), true),
            (dollars, 1, 5.0, 0, used(Some(5.0), None), false),
            (dollars, 1, 0.0, 10, used(None, Some(10)), false),
            (dollars, 50, 1.0, 0, used(Some(1.0), None), false),
            (tokens, 1, 99.0, 999, used(None, Some(999)), true),
            (tokens, 1, 0.0, 1000, used(None, Some(1000)), false),
            (tokens, 1, 1.0, 0, used(Some(1.0), None), false),
            (Budget::default(), 49, 99.0, 9_000_000, used(None, None), true),
            (Budget::default(), 50, 0.0, 0, used(None, None), false),
        ];
        for (budget, runs, usd, tokens, last, may) in table {
            let standing = BudgetUse {
                runs,
                usd,
                tokens,
                last,
            };
            assert_eq!(
                budget.check("claude", &standing).is_ok(),
                may,
                "{budget:?} {standing:?}"
            );
            let words = budget.in_words(&standing);
            assert_eq!(words.ends_with("waits for you"), !may, "{words}");
        }
    }
}
