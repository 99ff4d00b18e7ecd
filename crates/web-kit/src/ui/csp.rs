//! The Content-Security-Policy of a page.

use std::fmt;

use actix_web::http::header::{self, HeaderMap};

/// No site may show the page in a frame.
const NO_FRAME: &str = "frame-ancestors 'none'";

/// Nothing but the page's own origin, and no inline style or script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Csp {
    connections: Origins,
    images: Origins,
    frames: Origins,
    form_targets: Origins,
    inline_scripts: bool,
}

/// Origins in ASCII: none holds a space or a semicolon.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Origins(Vec<String>);

impl Csp {
    /// The policy that suits a page whose forms stay on its own site.
    pub fn strict() -> Self {
        Self::default()
    }

    /// Lets the page's forms lead to the origin of `url`, too. Chromium holds
    /// `form-action` against the redirect that answers a form as well, so the
    /// login form has to name the client's callback. A URL that is not `http` or `https`
    /// changes nothing, here and below.
    pub fn form_action(mut self, url: &str) -> Self {
        self.form_targets.add(url);
        self
    }

    /// Lets the page's scripts call the origin of `url`, too.
    pub fn connect_src(mut self, url: &str) -> Self {
        self.connections.add(url);
        self
    }

    /// Lets the page show images of the origin of `url`, too.
    pub fn img_src(mut self, url: &str) -> Self {
        self.images.add(url);
        self
    }

    /// Lets the page frame the origin of `url`; without this it frames nothing.
    pub fn frame_src(mut self, url: &str) -> Self {
        self.frames.add(url);
        self
    }

    /// Allows inline scripts: a weakness, for a lab that shows its effect.
    pub fn inline_scripts(mut self) -> Self {
        self.inline_scripts = true;
        self
    }
}

impl Origins {
    fn add(&mut self, url: &str) {
        if let Ok(url) = url::Url::parse(url)
            && matches!(url.scheme(), "http" | "https")
        {
            // CSP 3 §2.3.1 cannot express an IPv6 address, so the scheme is used.
            let origin = match url.host() {
                Some(url::Host::Ipv6(_)) => format!("{}:", url.scheme()),
                _ => url.origin().ascii_serialization(),
            };
            if !self.0.contains(&origin) {
                self.0.push(origin);
            }
        }
    }
}

impl fmt::Display for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|origin| write!(f, " {origin}"))
    }
}

impl fmt::Display for Csp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inline = if self.inline_scripts {
            " 'unsafe-inline'"
        } else {
            ""
        };
        write!(
            f,
            "default-src 'none'; style-src 'self'; script-src 'self'{inline}; \
             img-src 'self' data:{}; connect-src 'self'{}; ",
            self.images, self.connections
        )?;
        if self.frames != Origins::default() {
            write!(f, "frame-src{}; ", self.frames)?;
        }
        write!(
            f,
            "{NO_FRAME}; base-uri 'none'; form-action 'self'{}",
            self.form_targets
        )
    }
}

/// Lets other sites frame the page of this answer: a weakness, for a lab that
/// shows what it leads to.
pub fn let_frame(headers: &mut HeaderMap) {
    headers.remove(header::X_FRAME_OPTIONS);
    let policy = headers.get(header::CONTENT_SECURITY_POLICY);
    let policy = policy.and_then(|policy| policy.to_str().ok());
    let framable = policy.map(|policy| policy.replace(NO_FRAME, "frame-ancestors *"));
    if let Some(Ok(framable)) = framable.map(|policy| policy.parse()) {
        headers.insert(header::CONTENT_SECURITY_POLICY, framable);
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
    fn csp3_2_3_1_an_ipv6_address_is_named_by_its_scheme() {
        let policy = Csp::strict().form_action("http://[::1]:51004/callback");
        let policy = policy.to_string();
        assert!(policy.ends_with("form-action 'self' http:"), "{policy}");
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
    fn each_other_need_is_named_by_its_origin_in_its_own_directive() {
        let policy = Csp::strict()
            .connect_src("http://a.localhost/x")
            .img_src("http://b.localhost/x")
            .frame_src("http://c.localhost:1/x")
            .to_string();
        for directive in [
            "connect-src 'self' http://a.localhost;",
            "img-src 'self' data: http://b.localhost;",
            "frame-src http://c.localhost:1;",
        ] {
            assert!(policy.contains(directive), "{policy}");
        }
        assert!(!Csp::strict().to_string().contains("frame-src"));
        let weakened = Csp::strict().inline_scripts().to_string();
        assert!(weakened.contains("script-src 'self' 'unsafe-inline';"));
    }

    #[test]
    fn an_answer_made_framable_keeps_the_rest_of_its_policy() {
        let mut headers = HeaderMap::new();
        headers.insert(header::X_FRAME_OPTIONS, "DENY".parse().unwrap());
        let policy = Csp::strict().to_string();
        headers.insert(header::CONTENT_SECURITY_POLICY, policy.parse().unwrap());
        let_frame(&mut headers);
        assert!(headers.get(header::X_FRAME_OPTIONS).is_none());
        assert_eq!(
            headers.get(header::CONTENT_SECURITY_POLICY).unwrap(),
            &policy.replace("frame-ancestors 'none'", "frame-ancestors *")
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
