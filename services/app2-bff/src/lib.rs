//! The second app's backend for frontend.
