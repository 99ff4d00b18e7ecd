//! Sign-in for `/device`: the user returns to the page with the code of the link.

use actix_web::{HttpRequest, HttpResponse, web};

use super::{codes::UserCode, link};
use crate::{
    Idp,
    forms::PageForm,
    page_sign_in::{self, SignInForm},
};

/// Where the form is posted.
pub const PATH: &str = "/device/sign-in";

/// Shows the form.
pub(super) fn show(idp: &Idp, req: &HttpRequest, code: Option<&UserCode>) -> HttpResponse {
    page_sign_in::show(idp, req, &form(code))
}

/// `POST /device/sign-in`.
pub async fn endpoint(idp: web::Data<Idp>, req: HttpRequest, form: PageForm) -> HttpResponse {
    page_sign_in::submit(&idp, &req, &form, |params| {
        let code = link::code_in(params)?;
        Ok((self::form(code.as_ref()), link::path(code.as_ref())))
    })
    .await
}

fn form(code: Option<&UserCode>) -> SignInForm {
    let field = code.map(|code| (link::USER_CODE.to_owned(), code.to_string()));
    SignInForm {
        action: PATH,
        aim: "connect a device",
        hidden: field.into_iter().collect(),
    }
}
