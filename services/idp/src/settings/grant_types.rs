//! The grant types of the token endpoint: one table, which the configuration, the
//! metadata and the dispatch of `token` are made from. A new grant is one line of the
//! table and one file in `token`.

use oauth_types::names::grant;

/// Passes the table to the macro `$with`. A line names the grant type, its name on the
/// wire, its [`GrantKind`], and the function of `token` that runs it.
macro_rules! grant_types {
    ($with:ident) => {
        $with! {
            /// RFC 6749 §4.1
            AuthorizationCode = grant::AUTHORIZATION_CODE, SignIn, authorization_code::redeem;
            /// RFC 6749 §6
            RefreshToken = grant::REFRESH_TOKEN, Refresh, refresh_token::redeem;
            /// RFC 6749 §4.4
            ClientCredentials = grant::CLIENT_CREDENTIALS, Confidential, client_credentials::issue;
            /// RFC 8628
            DeviceCode = grant::DEVICE_CODE, SignIn, device_code::redeem;
            /// RFC 7523 §2.1
            JwtBearer = grant::JWT_BEARER, Confidential, jwt_bearer::issue;
            /// RFC 8693
            TokenExchange = grant::TOKEN_EXCHANGE, Confidential, exchange::exchange;
        }
    };
}

pub(crate) use grant_types;

/// What a grant type requires of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantKind {
    /// A user signs in for it, so the client may request identity scopes.
    SignIn,
    /// It continues a grant of a user.
    Refresh,
    /// The client acts as itself, so it has to authenticate.
    Confidential,
}

macro_rules! enumerate {
    ($($(#[$doc:meta])* $grant:ident = $name:expr, $kind:ident, $module:ident::$function:ident;)*) => {
        /// A grant type of the token endpoint.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum GrantType {
            $($(#[$doc])* $grant,)*
        }

        impl GrantType {
            /// All of them, as metadata lists them.
            pub const ALL: &[Self] = &[$(Self::$grant),*];

            /// On the wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$grant => $name,)*
                }
            }

            /// What it requires of a client.
            pub const fn kind(self) -> GrantKind {
                match self {
                    $(Self::$grant => GrantKind::$kind,)*
                }
            }
        }
    };
}

grant_types!(enumerate);

impl GrantType {
    /// From the wire.
    pub fn named(name: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|grant| grant.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use kit::telemetry::names::metric;

    use super::*;

    #[test]
    fn each_grant_type_has_a_label_in_the_metric_of_token_requests() {
        let label = &metric::TOKEN_REQUESTS.labels[0];
        assert_eq!(label.name, "sso.grant");
        for grant in GrantType::ALL {
            assert!(label.values.contains(&grant.as_str()), "{grant:?}");
            assert_eq!(GrantType::named(grant.as_str()), Some(*grant));
        }
    }
}
