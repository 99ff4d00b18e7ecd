//! The app's pages. They only render their input: they read no session and decide
//! nothing.

mod assets;
mod calls;
mod docs;
pub(crate) mod explain;
mod home;
mod message;

pub(crate) use assets::assets;
pub(crate) use docs::DocsPage;
pub(crate) use home::{
    ApiCredential, App, HeldCookie, HomePage, OtherApp, Session, SignedIn, StillGood, User,
};
pub(crate) use message::MessagePage;
pub(crate) use web_kit::ui::swagger::file as docs_asset;

#[cfg(test)]
mod rendered {
    /// The whole page and its policy.
    pub(super) async fn page(response: actix_web::HttpResponse) -> (String, String) {
        let policy = response
            .headers()
            .get("content-security-policy")
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let body = actix_web::body::to_bytes(response.into_body())
            .await
            .unwrap();
        (String::from_utf8(body.to_vec()).unwrap(), policy)
    }
}
