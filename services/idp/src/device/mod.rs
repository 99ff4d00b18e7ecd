//! The device authorization grant (RFC 8628), apart from the token request
//! (`token::device_code`): the endpoint for the device, and the page on which a user types
//! the device's code and answers.

mod answer;
mod authorization;
mod codes;
mod link;
mod lookup;
mod page;
mod sign_in;

pub use answer::{PATH as ANSWER_PATH, endpoint as answer};
pub use authorization::{PATH as AUTHORIZATION_PATH, endpoint as authorization};
pub use codes::UserCodes;
pub use link::PATH;
pub use lookup::find_redeemable;
pub use page::{endpoint, submit};
pub use sign_in::{PATH as SIGN_IN_PATH, endpoint as sign_in};
