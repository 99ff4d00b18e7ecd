//! The first app's backend for frontend.
