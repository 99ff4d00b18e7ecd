//! Inventory, a resource server over gRPC and HTTP.
