//! Style sheets, scripts and icons, built into the binary and served under
//! `/assets/`. The address that a page uses carries a hash of the content, so
//! a browser may keep the file for ever.

use std::borrow::Cow;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{self, Bytes, ServiceConfig},
};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::Site;

/// The source of a crate's assets: the `get` of its `RustEmbed`.
pub type Source = fn(&str) -> Option<EmbeddedFile>;

#[derive(RustEmbed)]
#[folder = "assets/"]
struct Shared;

/// The length of the hash in an address, in hexadecimal digits of the SHA-256.
const HASH_DIGITS: usize = 16;

/// Serves the assets that every page needs.
pub fn assets(cfg: &mut ServiceConfig) {
    assets_and(cfg, |_| None);
}

/// Also serves the files of `own`, which take precedence.
pub fn assets_and(cfg: &mut ServiceConfig, own: Source) {
    let serve = move |request: HttpRequest, name: web::Path<String>| async move {
        answer(own, &name, &request)
    };
    // With a scope of its own, other requests skip this pattern.
    cfg.service(web::scope("/assets").route("/{name}", web::get().to(serve)));
}

/// The address of the file `name` of `source`, with its hash.
pub fn asset_url(source: Source, name: &str) -> String {
    match source(name) {
        Some(file) => address(name, &hash_of(&file)),
        None => format!("/assets/{name}"),
    }
}

/// The address of a file that all sites serve.
pub(crate) fn shared_url(name: &str) -> String {
    asset_url(Shared::get, name)
}

pub(super) fn favicon_url(site: Site) -> String {
    // An icon changes only with the colours.
    let hash = Shared::get("colours.css")
        .map(|file| hash_of(&file))
        .unwrap_or_default();
    address(&favicon_name(site), &hash)
}

fn favicon_name(site: Site) -> String {
    format!("favicon-{}.svg", site.short_name())
}

fn address(name: &str, hash: &str) -> String {
    format!("/assets/{name}?v={hash}")
}

fn hash_of(file: &EmbeddedFile) -> String {
    use std::fmt::Write as _;
    let mut hex =
        file.metadata
            .sha256_hash()
            .iter()
            .fold(String::with_capacity(64), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            });
    hex.truncate(HASH_DIGITS);
    hex
}

/// Serves the icon of `site` where browsers look for it if a page names none, or if what they
/// show is no page. A service without a site has none.
pub(crate) fn icon(cfg: &mut ServiceConfig, site: Option<Site>) {
    let Some(site) = site else { return };
    let serve =
        move |request: HttpRequest| async move { answer(|_| None, &favicon_name(site), &request) };
    cfg.route("/favicon.ico", web::get().to(serve));
}

fn answer(own: Source, name: &str, request: &HttpRequest) -> HttpResponse {
    let icon = || {
        Site::ALL
            .into_iter()
            .find(|site| favicon_name(*site) == name)
    };
    if let Some(file) = own(name).or_else(|| Shared::get(name)) {
        let hash = hash_of(&file);
        let body = match file.data {
            Cow::Borrowed(data) => Bytes::from_static(data),
            Cow::Owned(data) => Bytes::from(data),
        };
        send(name, body, &hash, request)
    } else if let (Some(site), Some(colours)) = (icon(), Shared::get("colours.css")) {
        let hash = hash_of(&colours);
        send(name, favicon(site, &colours).into(), &hash, request)
    } else {
        HttpResponse::NotFound()
            .content_type("text/plain; charset=utf-8")
            .body("There is no such file.\n")
    }
}

fn send(name: &str, body: Bytes, hash: &str, request: &HttpRequest) -> HttpResponse {
    let current = request.query_string().strip_prefix("v=") == Some(hash);
    // An address with another hash, or with none, must not be pinned to this content.
    let keep = if current {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    HttpResponse::Ok()
        .content_type(content_type(name))
        .insert_header((header::CACHE_CONTROL, keep))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(body)
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

/// A ring on the line, in the colour of `site`. The icon carries the colours
/// within it, since an icon does not see the page's style sheets.
fn favicon(site: Site, colours: &EmbeddedFile) -> String {
    let colours = String::from_utf8_lossy(&colours.data);
    let label = site.short_name();
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 32 32\"><style>{colours}\n\
         .ground {{ fill: var(--{label}) }} .mark {{ stroke: var(--on-accent); fill: none; stroke-width: 4 }}\
         </style><rect class=\"ground\" width=\"32\" height=\"32\"/>\
         <path class=\"mark\" d=\"M0 16h9M23 16h9\"/><circle class=\"mark\" cx=\"16\" cy=\"16\" r=\"7\"/></svg>"
    )
}

#[cfg(test)]
mod tests {
    use actix_web::{App, http::StatusCode, test};

    use super::*;

    async fn fetch(path: &str) -> (StatusCode, String, String, Bytes) {
        let app = test::init_service(App::new().configure(assets)).await;
        let response =
            test::call_service(&app, test::TestRequest::get().uri(path).to_request()).await;
        let header = |name: header::HeaderName| {
            response
                .headers()
                .get(name)
                .map(|v| v.to_str().unwrap().to_owned())
                .unwrap_or_default()
        };
        let (status, kind, keep) = (
            response.status(),
            header(header::CONTENT_TYPE),
            header(header::CACHE_CONTROL),
        );
        (status, kind, keep, test::read_body(response).await)
    }

    #[actix_web::test]
    async fn the_address_with_the_hash_of_the_content_may_be_kept_for_ever() {
        for name in ["look.css", "colours.css"] {
            let (status, kind, keep, body) = fetch(&shared_url(name)).await;
            assert_eq!(
                (status, kind.as_str()),
                (StatusCode::OK, "text/css; charset=utf-8")
            );
            assert_eq!(keep, "public, max-age=31536000, immutable");
            let on_disk =
                std::fs::read(format!("{}/assets/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
            assert_eq!(body, on_disk);
        }
    }

    #[actix_web::test]
    async fn the_icon_is_also_where_browsers_look_for_it() {
        let app = App::new().configure(|cfg| icon(cfg, Some(Site::App1)));
        let app = test::init_service(app).await;
        let request = test::TestRequest::get().uri("/favicon.ico").to_request();
        let response = test::call_service(&app, request).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers().get("cache-control").unwrap(), "no-cache");
        let kind = response.headers().get(header::CONTENT_TYPE).unwrap();
        assert_eq!(kind, "image/svg+xml");
        let (_, _, _, of_pages) = fetch(&favicon_url(Site::App1)).await;
        assert_eq!(test::read_body(response).await, of_pages);
    }

    #[actix_web::test]
    async fn an_address_with_another_hash_is_not_pinned() {
        for path in ["/assets/look.css", "/assets/look.css?v=0000000000000000"] {
            let (status, _, keep, _) = fetch(path).await;
            assert_eq!((status, keep.as_str()), (StatusCode::OK, "no-cache"));
        }
    }

    #[actix_web::test]
    async fn each_accent_has_an_icon_in_its_colour() {
        for site in Site::ALL {
            let (status, kind, keep, body) = fetch(&favicon_url(site)).await;
            assert_eq!((status, kind.as_str()), (StatusCode::OK, "image/svg+xml"));
            assert!(keep.contains("immutable"));
            let fill = format!("fill: var(--{})", site.short_name());
            assert!(String::from_utf8_lossy(&body).contains(&fill));
        }
    }

    #[actix_web::test]
    async fn nothing_outside_the_embedded_files_is_served() {
        for path in [
            "/assets/none.css",
            "/assets/..%2fCargo.toml",
            "/assets/favicon-x.svg",
        ] {
            assert_eq!(fetch(path).await.0, StatusCode::NOT_FOUND, "{path}");
        }
    }
}
