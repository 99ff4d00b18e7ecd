mod cached;
mod credentials;
mod ends;
mod in_cookies;
mod in_store;
mod provider_stub;
mod refresh_in_cookies;
mod refresh_in_store;
mod world;

pub(crate) use self::world::{Browser, IDLE, UNSIGNED, World, world};
