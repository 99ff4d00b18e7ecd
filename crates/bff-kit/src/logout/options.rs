//! The options of a logout.

use actix_web::{
    HttpRequest,
    http::header::{Accept, Header as _},
};
use web_kit::body::is_form;

use super::Scope;
use crate::params;

/// The options of a logout request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LogoutOptions {
    pub(super) scope: Scope,
    /// Whether a script sent it: a script reads JSON, and a plain form is redirected.
    pub(super) by_script: bool,
}

impl LogoutOptions {
    /// `scope` may be in the query or in the form.
    pub(super) fn read(req: &HttpRequest, body: &[u8]) -> Result<Self, String> {
        let is_form = is_form(req.headers());
        let form = if is_form { body } else { b"" };
        let mut scope = Scope::Everywhere;
        for text in [req.query_string().as_bytes(), form] {
            let params = params::parse(text).map_err(|error| error.to_string())?;
            match params.get("scope") {
                None => {}
                Some("app") => scope = Scope::App,
                Some(_) => return Err("scope is app, or left out.".to_owned()),
            }
        }
        Ok(Self {
            scope,
            by_script: !is_form || accepts_json(req),
        })
    }
}

fn accepts_json(req: &HttpRequest) -> bool {
    Accept::parse(req).is_ok_and(|accept| {
        let mut ranges = accept.iter();
        ranges.any(|range| range.item.essence_str() == "application/json")
    })
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

    fn read(uri: &str, headers: &[(&str, &str)], body: &str) -> Result<LogoutOptions, String> {
        let mut req = TestRequest::post().uri(uri);
        for header in headers {
            req = req.insert_header(*header);
        }
        LogoutOptions::read(&req.to_http_request(), body.as_bytes())
    }

    #[test]
    fn the_scope_is_in_the_query_or_in_the_form() {
        let scope =
            |uri, headers: &[_], body| read(uri, headers, body).map(|options| options.scope);
        assert_eq!(scope("/logout", &[], ""), Ok(Scope::Everywhere));
        assert_eq!(scope("/logout?scope=app", &[], ""), Ok(Scope::App));
        assert_eq!(scope("/logout?scope=", &[], ""), Ok(Scope::Everywhere));
        assert_eq!(
            scope("/logout", &[FORM], "scope=app&csrf_token=x"),
            Ok(Scope::App)
        );
        assert_eq!(
            scope("/logout?scope=app", &[FORM], "csrf_token=x"),
            Ok(Scope::App)
        );
        assert_eq!(
            scope("/logout", &[], "scope=app"),
            Ok(Scope::Everywhere),
            "no form"
        );
        for wrong in [
            "/logout?scope=all",
            "/logout?scope=APP",
            "/logout?scope=app&scope=app",
        ] {
            assert!(scope(wrong, &[], "").is_err(), "{wrong}");
        }
        assert!(scope("/logout", &[FORM], "scope=other").is_err());
    }

    #[test]
    fn a_plain_form_is_redirected_and_a_script_is_told() {
        let by_script =
            |headers: &[_]| read("/logout", headers, "").map(|options| options.by_script);
        let json = ("accept", "application/json");
        assert_eq!(by_script(&[FORM]), Ok(false));
        assert_eq!(
            by_script(&[FORM, ("accept", "text/html,*/*;q=0.8")]),
            Ok(false)
        );
        assert_eq!(by_script(&[FORM, json]), Ok(true));
        assert_eq!(by_script(&[json]), Ok(true));
        assert_eq!(by_script(&[]), Ok(true));
    }
}
