//! sso-proto
