//! What a deployment offers to the scenarios.

use std::str::FromStr;

use super::scenario::Need;

/// What the apps and APIs of this deployment can show. A service of its own does not say it
/// to the lab, so it is a setting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own about a deployment"
)]
pub struct Offers {
    /// A login chooses its session mode and its credentials (`BFF_SESSION_MODE_CHOICE`).
    pub choice: bool,
    /// The apps have certificates of their own.
    pub certificate: bool,
    /// The apps have an API key for API-1 (`BFF_API1_KEY`).
    pub api_key: bool,
    /// The access tokens for API-2 are opaque.
    pub opaque_tokens: bool,
}

impl Offers {
    /// Whether a scenario that needs `need` works here.
    pub(super) const fn have(self, need: Need) -> bool {
        match need {
            Need::Choice => self.choice,
            Need::Certificate => self.choice && self.certificate,
            Need::ApiKey => self.choice && self.api_key,
            Need::OpaqueTokens => self.opaque_tokens,
        }
    }
}

impl FromStr for Offers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut offers = Self::default();
        for word in text
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
        {
            match word {
                "choice" => offers.choice = true,
                "certificate" => offers.certificate = true,
                "api-key" => offers.api_key = true,
                "opaque-tokens" => offers.opaque_tokens = true,
                _ => {
                    return Err(
                        "expected some of choice, certificate, api-key, opaque-tokens, with commas between them"
                            .to_owned(),
                    );
                }
            }
        }
        Ok(offers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_says_what_a_deployment_offers() {
        assert_eq!("".parse(), Ok(Offers::default()));
        let offers: Offers = "choice, opaque-tokens".parse().unwrap();
        assert!(offers.have(Need::Choice) && offers.have(Need::OpaqueTokens));
        assert!(!offers.have(Need::Certificate) && !offers.have(Need::ApiKey));
        let all: Offers = "choice,certificate,api-key".parse().unwrap();
        assert!(all.have(Need::Certificate) && all.have(Need::ApiKey));
        assert!("choice,keys".parse::<Offers>().is_err());
    }

    #[test]
    fn without_a_choice_no_login_takes_another_credential() {
        let offers: Offers = "certificate,api-key".parse().unwrap();
        assert!(!offers.have(Need::Certificate) && !offers.have(Need::ApiKey));
    }
}
