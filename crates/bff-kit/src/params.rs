//! Limits on the parameters of the app's own queries and forms.

use oauth_types::params::{BadParams, Limits, UniqueParams};

const LIMITS: Limits = Limits {
    bytes: 8 * 1024,
    count: 32,
};

/// Decodes a query or the body of a form.
pub(crate) fn parse(text: &[u8]) -> Result<UniqueParams, BadParams> {
    UniqueParams::parse(text, LIMITS)
}
