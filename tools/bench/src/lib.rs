//! Measured figures, as `results/*.json` keep them, and their text in the documentation.

pub mod docs;
pub mod results;
