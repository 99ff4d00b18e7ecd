//! The Content-Security-Policy of a page.

use std::fmt;

/// Nothing but the page's own origin, and no inline style or script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Csp {
    form_targets: Vec<String>,
}

impl Csp {
    /// The policy that suits a page whose forms stay on its own site.
    pub const fn strict() -> Self {
        Self {
            form_targets: Vec::new(),
        }
    }

    /// Lets the page's forms lead to the origin of `url`, too. Chromium holds
    /// `form-action` against the redirect that answers a form as well, so the
    /// login form has to name the client's callback. What is not an `http` or
    /// `https` address changes nothing.
    pub fn form_action(mut self, url: &str) -> Self {
        if let Ok(url) = url::Url::parse(url)
            && matches!(url.scheme(), "http" | "https")
        {
            // An origin in ASCII holds neither a space nor a semicolon.
            let origin = url.origin().ascii_serialization();
            if !self.form_targets.contains(&origin) {
                self.form_targets.push(origin);
            }
        }
        self
    }
}

impl fmt::Display for Csp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
             connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
        )?;
        self.form_targets
            .iter()
            .try_for_each(|origin| write!(f, " {origin}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_inline_and_nothing_foreign() {
        let policy = Csp::strict().to_string();
        assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"));
        assert!(policy.starts_with("default-src 'none';"));
        assert!(policy.ends_with("form-action 'self'"));
    }

    #[test]
    fn a_forms_redirect_target_is_named_by_its_origin_alone() {
        let policy = Csp::strict()
            .form_action("http://app1.localhost:8082/callback?x=1")
            .to_string();
        assert!(
            policy.ends_with("form-action 'self' http://app1.localhost:8082"),
            "{policy}"
        );
    }

    #[test]
    fn the_same_origin_is_named_once() {
        let csp = Csp::strict()
            .form_action("http://a.localhost/x")
            .form_action("http://a.localhost/y");
        assert_eq!(csp.to_string().matches("http://a.localhost").count(), 1);
    }

    #[test]
    fn no_address_can_add_a_directive() {
        for hostile in [
            "javascript:alert(1)",
            "data:text/html,x",
            "http://a;script-src *",
            "http://a b/",
            "*",
            "http://a/; script-src 'unsafe-inline'",
        ] {
            let policy = Csp::strict().form_action(hostile).to_string();
            assert!(
                !policy.contains('*') && !policy.contains("unsafe"),
                "{hostile}: {policy}"
            );
            assert_eq!(
                policy.matches(';').count(),
                Csp::strict().to_string().matches(';').count()
            );
        }
    }
}
