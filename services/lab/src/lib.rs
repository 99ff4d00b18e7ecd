//! The start page of the lab.
