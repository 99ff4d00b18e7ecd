//! token-verify
