//! The provider's metadata (OIDC Discovery §3), as `openidconnect` reads it. Members that
//! these clients need stay as they are. Other members do not reach the library, which
//! would refuse the document for their shape.

use oauth_types::{BadMember, Members};
use openidconnect::{
    AdditionalProviderMetadata, DeviceAuthorizationUrl, ProviderMetadata,
    core::{
        CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreGrantType,
        CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm,
        CoreResponseMode, CoreResponseType, CoreSubjectIdentifierType,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Members that `openidconnect` does not know.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct MoreMetadata {
    /// RFC 9207 §3.
    pub(super) authorization_response_iss_parameter_supported: bool,
    /// RFC 8628 §4.
    pub(super) device_authorization_endpoint: Option<DeviceAuthorizationUrl>,
    /// The token endpoint for clients with a certificate (RFC 8705 §5).
    pub(super) mtls_token_endpoint: Option<String>,
}

impl AdditionalProviderMetadata for MoreMetadata {}

pub(super) type Metadata = ProviderMetadata<
    MoreMetadata,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// The algorithms of ID tokens that these clients accept (RFC 8725 §3.1): with public
/// keys, never `none`.
const ALGORITHMS: [&str; 4] = ["ES256", "RS256", "PS256", "EdDSA"];

/// Reads the document `json`, which must be `issuer`'s (§4.3). An error names the member.
pub(super) fn read(json: &[u8], issuer: &str) -> Result<Metadata, String> {
    let document = Members::read(json).map_err(|bad| bad.to_string())?;
    let used = used(&document).map_err(|bad| bad.to_string())?;
    if used["issuer"] != issuer {
        return Err("it is another issuer's: its member issuer differs".to_owned());
    }
    // The library's error quotes the value, which may be long.
    serde_json::from_value(used).map_err(|_| "one of its endpoints is no web address".to_owned())
}

/// The members that count. An optional one that cannot be read counts as missing.
fn used(document: &Members) -> Result<Value, BadMember> {
    let perhaps = |name| document.text(name).ok().flatten();
    let aliases = document.value("mtls_endpoint_aliases").cloned();
    let aliases = aliases.and_then(|value| Members::of(value).ok());
    let alias = aliases
        .as_ref()
        .map(|aliases| aliases.text("token_endpoint"));
    let names_itself = document.flag("authorization_response_iss_parameter_supported");
    let stated = document.texts("id_token_signing_alg_values_supported");
    let stated = stated.unwrap_or_default();
    let accepted = ALGORITHMS.iter().filter(|name| stated.contains(name));
    Ok(json!({
        "issuer": document.needed("issuer")?,
        "authorization_endpoint": document.needed("authorization_endpoint")?,
        "token_endpoint": document.needed("token_endpoint")?,
        "jwks_uri": document.needed("jwks_uri")?,
        "id_token_signing_alg_values_supported": accepted.collect::<Vec<_>>(),
        "device_authorization_endpoint": perhaps("device_authorization_endpoint"),
        "authorization_response_iss_parameter_supported":
            names_itself.ok().flatten().unwrap_or_default(),
        "mtls_token_endpoint": alias.and_then(Result::ok).flatten(),
        // Required by §3. Nothing here depends on them.
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://tenant.example.com/";

    fn read(changes: &Value) -> Result<Metadata, String> {
        let mut document = json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://tenant.example.com/authorize",
            "token_endpoint": "https://tenant.example.com/oauth/token",
            "jwks_uri": "https://tenant.example.com/jwks.json",
            "id_token_signing_alg_values_supported": ["none", "HS256", "RS256"],
        });
        for (name, value) in changes.as_object().unwrap() {
            document[name] = value.clone();
        }
        super::read(document.to_string().as_bytes(), ISSUER)
    }

    #[test]
    fn oidc_discovery_3_what_nobody_reads_may_have_any_shape() {
        let odd = json!({
            "response_types_supported": "code", "subject_types_supported": null,
            "grant_types_supported": 5, "claims_supported": {"sub": true},
            "userinfo_endpoint": false, "scopes_supported": {"openid": true},
            "claims_parameter_supported": "maybe", "op_policy_uri": "not a url",
            "registration_endpoint": "", "display_values_supported": [1],
            "device_authorization_endpoint": 5, "mtls_endpoint_aliases": "none",
            "authorization_response_iss_parameter_supported": "true",
        });
        let metadata = read(&odd).unwrap();
        let more = metadata.additional_metadata();
        assert!(more.authorization_response_iss_parameter_supported);
        assert!(more.device_authorization_endpoint.is_none() && more.mtls_token_endpoint.is_none());
        let algorithms = metadata.id_token_signing_alg_values_supported();
        assert_eq!(json!(algorithms), json!(["RS256"]));
    }

    #[test]
    fn what_is_needed_is_named() {
        for name in [
            "issuer",
            "authorization_endpoint",
            "token_endpoint",
            "jwks_uri",
        ] {
            let error = read(&json!({ name: null })).unwrap_err();
            assert_eq!(error, format!("its member {name} is missing"));
        }
        let error = read(&json!({"issuer": "https://evil.example.com/"})).unwrap_err();
        assert!(error.contains("another issuer"), "{error}");
        let error = read(&json!({"token_endpoint": "no address"})).unwrap_err();
        assert!(!error.contains("no address"), "{error}");
    }
}
