//! The files of the site.

use actix_web::web::ServiceConfig;
use web_kit::ui::{
    self,
    rust_embed::{self, RustEmbed},
};

#[derive(RustEmbed)]
#[folder = "assets/evil/"]
struct Files;

/// Serves `/assets/…`.
pub(super) fn serve(cfg: &mut ServiceConfig) {
    ui::assets_and(cfg, Files::get);
}

/// The URL of the file `name`.
pub(super) fn url(name: &str) -> String {
    ui::asset_url(Files::get, name)
}

/// The text of the file `name`.
pub(super) fn text(name: &str) -> Option<String> {
    let file = Files::get(name)?;
    String::from_utf8(file.data.into_owned()).ok()
}
