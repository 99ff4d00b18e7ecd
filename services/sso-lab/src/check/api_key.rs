//! A program with an API key, and no access token: API-1 takes the key, and no other text.

use api_1::api_keys::HEADER;
use kit::config::Site;
use reqwest::Method;
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    args::Plan,
    browser::Browser,
    outcome::{Found, Step, ensure},
    ready,
    run::Run,
};

const NAME: &str = "api1: takes an API key, and refuses a wrong one";

pub(super) async fn check(run: &mut Run, plan: &Plan) {
    match &plan.api1_key {
        _ if plan.without.contains(&Site::Api1) => {
            run.skip(NAME, "not reached from here (--without)");
        }
        None => run.skip(NAME, "no API key given (--api1-key-file)"),
        Some(key) => {
            let step = is_taken(plan, key);
            run.step(NAME, &[&ready(Site::Api1)], step).await;
        }
    }
}

async fn is_taken(plan: &Plan, key: &SecretString) -> Step {
    let mut browser = Browser::new(&plan.transport);
    let api = plan.url(Site::Api1);
    let (resource, whoami) = (format!("{api}/resource"), format!("{api}/whoami"));
    let key = key.expose_secret();
    // First the wrong one: the right one then ends what API-1 counts against the key's id.
    let wrong = altered(key);
    let wrong = [(HEADER, wrong.as_str())];
    let refused = browser.call(Method::GET, &resource, &wrong, "").await?;
    refused.expect(401)?;
    let right = [(HEADER, key)];
    let answer = browser.call(Method::GET, &resource, &right, "").await?;
    let answer = answer.expect(200)?;
    ensure(answer.json()?["orders"].is_array(), || {
        answer.failure("has no orders")
    })?;
    let answer = browser.call(Method::GET, &whoami, &right, "").await?;
    let answer = answer.expect(200)?;
    let who = answer.json()?;
    let name = who["api_key"]["name"].as_str().unwrap_or_default();
    ensure(who["sub"].is_null() && !name.is_empty(), || {
        answer.failure("does not name the key's program, and no user")
    })?;
    Ok(Found::new((), name))
}

/// Another text of the same form: a key ends with characters of its secret part.
fn altered(key: &str) -> String {
    let mut text = key.to_owned();
    let last = text.pop();
    text.push(if last == Some('A') { 'B' } else { 'A' });
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_key_is_never_the_right_one() {
        for (key, wrong) in [("api1_A", "api1_B"), ("api1_z", "api1_A"), ("", "A")] {
            assert_eq!(altered(key), wrong);
        }
    }
}
