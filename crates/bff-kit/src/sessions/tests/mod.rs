mod carried;
mod ends;
mod kept;
mod near;
mod world;

pub(crate) use world::{Browser, IDLE, UNSIGNED, World, world};
