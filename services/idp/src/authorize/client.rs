//! Who asks, and where the answer may go. An error here is a page: nothing is
//! sent to an address that is not the client's (RFC 6749 §4.1.2.1).

use crate::{
    params::Params,
    settings::{Client, GrantType, Settings},
    trouble::Trouble,
};

pub(super) fn find<'s>(settings: &'s Settings, params: &Params) -> Result<&'s Client, Trouble> {
    let id = params
        .one("client_id")
        .map_err(|e| Trouble::request(e.to_string()))?;
    let id = id.ok_or_else(|| Trouble::request("client_id is missing."))?;
    settings
        .client(id)
        .filter(|client| client.may(GrantType::AuthorizationCode))
        .ok_or_else(Trouble::unknown_client)
}

/// RFC 9700 §2.1: one of the client's, compared exactly as a string.
pub fn find_redirect_uri<'c>(client: &'c Client, params: &Params) -> Result<&'c str, &'static str> {
    let given = params
        .one("redirect_uri")
        .map_err(|_| "redirect_uri is there more than once.")?;
    let given = given.ok_or("redirect_uri is missing (OIDC Core section 3.1.2.1).")?;
    let own = client.redirect_uris.iter().find(|own| *own == given);
    own.map(String::as_str)
        .ok_or("redirect_uri is none of the client's; it is compared exactly.")
}
