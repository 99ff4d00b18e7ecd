//! How an API identifies the bearer of a token.

use kit::net::{self, read_bounded, send_idempotent};
use oauth_types::Members;
use serde_json::Value;

use super::{Said, journey_headers, one_line};
use crate::output::print;

/// The claims that are shown, in this order.
const SHOWN: [&str; 5] = ["sub", "act", "client_id", "aud", "scope"];

/// Prints how API-1, at `api`, identifies the bearer of `token`.
pub(crate) async fn print_whoami(
    http: &reqwest::Client,
    api: &str,
    token: &str,
) -> Result<(), Said> {
    let who = whoami(http, api, token).await?;
    print(format_args!("API-1 identifies you as:\n{who}"));
    Ok(())
}

/// `GET /whoami` of the API at `api`, as lines for a person.
async fn whoami(http: &reqwest::Client, api: &str, token: &str) -> Result<String, Said> {
    let unreached = |why: &str| Said::new(format!("{api}: {why}"));
    let request = http.get(format!("{api}/whoami")).bearer_auth(token);
    let request = request.headers(journey_headers());
    let response = send_idempotent(request).await;
    let response = response.map_err(|error| unreached(&net::why(&error)))?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = read_bounded(response).await;
    let body = body.map_err(|error| unreached(&error.to_string()))?;
    if status != 200 {
        let said = Said::of_response(status, &headers, &body);
        let sentence = one_line(&format!("{api} refused: {}", said.sentence));
        return Err(Said { sentence, ..said });
    }
    let claims = Members::read(&body).map_err(|why| unreached(&why.to_string()))?;
    Ok(lines(&claims))
}

fn lines(claims: &Members) -> String {
    let shown = SHOWN
        .into_iter()
        .filter_map(|name| Some((name, claims.value(name)?)));
    let line = |(name, value): (&str, &Value)| {
        let value = match value {
            Value::String(text) => one_line(text),
            other => one_line(&other.to_string()),
        };
        format!("  {name:<10} {value}")
    };
    shown.map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_claims_that_say_who_it_is_are_shown_in_order() {
        let claims = json!({
            "scope": "https://api-1/read", "sub": "u-1", "act": {"sub": "api-1"},
            "aud": "https://api-1", "client_id": "c\u{1b}[31m", "jti": "x",
        });
        let shown = lines(&Members::of(claims).unwrap());
        assert_eq!(
            shown,
            "  sub        u-1\n  act        {\"sub\":\"api-1\"}\n  client_id  c [31m\n  \
             aud        https://api-1\n  scope      https://api-1/read"
        );
    }
}
