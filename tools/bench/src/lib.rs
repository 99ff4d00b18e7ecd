//! What calls cost, as it was measured, and how docs/sessions.md says it.

pub mod docs;
pub mod results;
