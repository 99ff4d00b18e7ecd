//! Orders, a resource server over HTTP.
