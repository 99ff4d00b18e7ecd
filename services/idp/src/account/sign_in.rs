//! Sign-in for `/account`.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::{
    Idp,
    forms::PageForm,
    page_sign_in::{self, SignInForm},
};

/// Where the form is posted.
pub const PATH: &str = "/account/sign-in";

/// Shows the form.
pub(super) fn show(idp: &Idp, req: &HttpRequest) -> HttpResponse {
    page_sign_in::show(idp, req, &form())
}

/// `POST /account/sign-in`.
pub async fn endpoint(idp: web::Data<Idp>, req: HttpRequest, form: PageForm) -> HttpResponse {
    let read = |_: &_| Ok((self::form(), super::PATH.to_owned()));
    page_sign_in::submit(&idp, &req, &form, read).await
}

const fn form() -> SignInForm {
    SignInForm {
        action: PATH,
        aim: "manage your sessions",
        hidden: Vec::new(),
    }
}
