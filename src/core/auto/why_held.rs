//! Why auto mode leaves a mention to the person.

use crate::core::Risk;

/// Why auto mode leaves a mention to the person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WhyHeld {
    #[error("no agent is configured")]
    NoAgent,
    /// `reach` says what the agent can do, as in "can change files".
    #[error("{agent} {reach}, which you have not allowed yet")]
    AgentNotAllowed { agent: String, reach: String },

    #[error("{0} joined with a different key")]
    OtherKey(String),
    #[error("{0} has left, so its key cannot be checked")]
    Left(String),
    #[error("no message from {0} was accepted here yet")]
    NotTrusted(String),

    #[error("a person reads it first: {}", in_words(.0))]
    Risks(Vec<Risk>),
    #[error("it brings files")]
    Files,

    #[error("hop limit {0} reached in this thread")]
    ThreadHops(u32),
    #[error("{agent} and agents of {member} have answered each other {hop_limit} times in a row (hop limit)")]
    PairHops {
        agent: String,
        member: String,
        hop_limit: u32,
    },
    /// The message itself says how many automatic answers have led to it.
    #[error("automatic answers have led to it {hop} times in a row (hop limit {hop_limit})")]
    ChainHops { hop: u32, hop_limit: u32 },
    #[error("{agent} has answered {member} {times} times in ten minutes")]
    AnsweredMember {
        agent: String,
        member: String,
        times: usize,
    },
    #[error("{agent} has answered {times} times in an hour")]
    AnsweredInHour { agent: String, times: usize },

    /// The agent, and its automatic runs a day.
    #[error("{0} has used its {1} runs for today")]
    RunsUsed(String, usize),
    #[error("{0} has used up its budget for today")]
    BudgetUsed(String),
    #[error("the last run of {0} did not report its usage, so its budget counts as used up")]
    UsageUnknown(String),
}

fn in_words(risks: &[Risk]) -> String {
    let words: Vec<&str> = risks.iter().map(|risk| risk.in_words()).collect();
    words.join(", ")
}
