//! `GET /`: gathers what the app's page shows.

mod held;

use actix_web::{HttpRequest, HttpResponse, web};
use kit::config::{Site, Weakness, Weaknesses};
use web_kit::problem::Problem;

use crate::{
    audiences::{API1, API2},
    credentials::{Chosen, Credentials},
    csrf::Csrf,
    login::{API1_CREDENTIAL, API2_CREDENTIAL},
    pages::{self, HomePage},
    params,
    sessions::{Purpose, Session},
    state::Bff,
};

/// `GET /`.
pub(crate) async fn home(
    req: HttpRequest,
    bff: web::Data<Bff>,
    csrf: web::Data<Csrf>,
) -> Result<HttpResponse, Problem> {
    let (session, set) = bff.sessions.open(&req, Purpose::USE).await?;
    let settings = bff.sessions.settings();
    let mode = session
        .as_ref()
        .map_or(settings.mode, |session| session.about().mode);
    let chosen = session.as_ref().map(|session| session.about().credentials);
    let chosen = chosen.unwrap_or_default();
    let signed_in = session.map(|session| signed_in(&csrf, &session));
    let page = HomePage {
        app: pages::App {
            name: bff.app.name.to_owned(),
            site: bff.app.site,
        },
        signed_in,
        mode,
        choice: settings.choice,
        credentials: credentials(bff.sessions.credentials(), chosen),
        cookies: held::in_mode(mode),
        still_good: still_good(&bff, &req),
        other_app: bff
            .addresses
            .link(bff.app.other)
            .map(|url| pages::OtherApp {
                site: bff.app.other,
                url,
            }),
        lab_url: bff.addresses.link(Site::Lab),
        idp_url: bff.provider.issuer().to_owned(),
        note: reflected(&req, bff.weaknesses),
    };
    Ok(set.add_to(page.respond()))
}

fn signed_in(csrf: &Csrf, session: &Session) -> pages::SignedIn {
    let about = session.about();
    let user = about.user.clone();
    pages::SignedIn {
        user: pages::User {
            name: user.name,
            email: user.email,
            sub: user.sub,
        },
        session: pages::Session {
            handle: session.id.handle().as_str().to_owned(),
            created: about.created_at,
            expires_at: about.expires_at,
        },
        csrf_token: csrf.form_token(&session.id),
    }
}

/// How a session that chose `chosen` gets the credential for each API.
fn credentials(known: &Credentials, chosen: Chosen) -> Vec<pages::ApiCredential> {
    let apis = [
        ("API-1", API1_CREDENTIAL, &API1),
        ("API-2", API2_CREDENTIAL, &API2),
    ];
    let of = |(api, parameter, audience)| pages::ApiCredential {
        api,
        parameter,
        method: known.method(chosen, audience),
        methods: known.methods(audience).collect(),
    };
    apis.map(of).into()
}

/// Access tokens of sessions that have ended in this browser.
fn still_good(bff: &Bff, req: &HttpRequest) -> Vec<pages::StillGood> {
    let told = bff.sessions.still_good(req).into_iter();
    told.map(|(audience, until)| pages::StillGood {
        audience: audience.uri,
        until,
    })
    .collect()
}

/// The query's `note`, shown unescaped: only in a lab with that weakness.
fn reflected(req: &HttpRequest, weaknesses: Weaknesses) -> Option<String> {
    let params = params::parse(req.query_string().as_bytes()).ok();
    let params = params.filter(|_| weaknesses.has(Weakness::ReflectedHtml));
    params?.get("note").map(ToOwned::to_owned)
}
