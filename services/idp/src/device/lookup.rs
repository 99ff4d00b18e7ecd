//! The records of devices' authorizations, found by either code.

use super::codes::{UserCode, parse_device_code};
use crate::{
    Idp,
    domain::DeviceAuthorization,
    records::{RecordError, Stored},
    settings::{Client, GrantType},
};

/// A record with its id.
pub struct Found {
    /// The id.
    pub id: String,
    /// The record, as it was read.
    pub stored: Stored<DeviceAuthorization>,
}

/// The record of a device code that was issued to `client` (RFC 8628 §3.4).
pub async fn find_redeemable(
    idp: &Idp,
    client: &Client,
    device_code: &str,
) -> Result<Option<Found>, RecordError> {
    let Some((id, secret)) = parse_device_code(device_code) else {
        return Ok(None);
    };
    let stored = idp.records.get::<DeviceAuthorization>(id).await?;
    let own = stored.filter(|stored| {
        let device = &stored.record;
        device.client_id == client.client_id && device.has_secret(secret)
    });
    Ok(own.map(|stored| Found {
        id: id.to_owned(),
        stored,
    }))
}

/// The record of a user code, and its client if that may still use the grant.
pub(super) async fn find_typed<'i>(
    idp: &'i Idp,
    code: &UserCode,
) -> Result<Option<(&'i Client, Found)>, RecordError> {
    let id = idp.user_codes.id(code);
    let Some(stored) = idp.records.get::<DeviceAuthorization>(&id).await? else {
        return Ok(None);
    };
    let client = idp.settings.client(&stored.record.client_id);
    let client = client.filter(|client| client.may(GrantType::DeviceCode));
    Ok(client.map(|client| (client, Found { id, stored })))
}
