//! Members, messages and their receipts.

pub(crate) mod delivery;
pub(crate) mod group_answers;
pub(crate) mod identity;
pub(crate) mod unknown_name;
