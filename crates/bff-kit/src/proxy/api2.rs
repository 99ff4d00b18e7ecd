//! `/api2/data`: calls to API-2, JSON for the browser and gRPC to the API.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use kit::{config::Site, telemetry::names::span};
use serde_json::{Value, json};
use sso_proto::inventory::{
    ListRequest, ReserveRequest, WhoAmIRequest, inventory_client::InventoryClient,
};
use token_verify::dpop;
use tonic::{Code, Request, Response, Status, metadata::MetadataValue, transport::Channel};
use tracing::Instrument as _;
use web_kit::{body::Body, problem::Problem};

use super::{Upstreams, order::Order, problems, with_credential};
use crate::{
    audiences::API2,
    credentials::Credential,
    prover::{CallProver, Server},
    sessions::{Purpose, Session},
    state::Bff,
};

type Client = InventoryClient<Channel>;

const CALL: Purpose = Purpose::Call(&API2);

/// The paths of the methods.
const LIST: &str = "/sso.inventory.v1.Inventory/List";
const RESERVE: &str = "/sso.inventory.v1.Inventory/Reserve";
const WHO_AM_I: &str = "/sso.inventory.v1.Inventory/WhoAmI";

/// `GET /api2/data`: the stock.
#[utoipa::path(
    get, path = "/api2/data", summary = "List the stock", tag = "API-2, inventory", security(("session" = [])),
    responses((status = 200, description = "The stock"), (status = 401, description = "No session"))
)]
pub(crate) async fn list(
    req: HttpRequest,
    bff: web::Data<Bff>,
    upstreams: web::Data<Upstreams>,
) -> Result<HttpResponse, Problem> {
    let calling = bff.sessions.with_session(&req, CALL, async |session| {
        let call = async |mut client: Client, request: Request<()>| {
            client.list(request.map(|()| ListRequest {})).await
        };
        let listed = call_api2(&req, &bff, &upstreams, session, (LIST, call)).await?;
        let items: Vec<_> = listed
            .items
            .iter()
            .map(|stock| json!({"item": stock.item, "quantity": stock.quantity}))
            .collect();
        Ok(answer(HttpResponse::Ok(), &json!({"items": items})))
    });
    calling.await
}

/// `POST /api2/data`: reserves stock.
#[utoipa::path(
    post, path = "/api2/data", summary = "Reserve stock", tag = "API-2, inventory", security(("session" = [])), request_body = Order,
    responses(
        (status = 201, description = "Reserved"),
        (status = 401, description = "No session"),
        (status = 403, description = "No X-CSRF: 1"),
        (status = 404, description = "No such item"),
        (status = 409, description = "More than there is"),
    )
)]
pub(crate) async fn reserve(
    req: HttpRequest,
    bff: web::Data<Bff>,
    upstreams: web::Data<Upstreams>,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let calling = bff.sessions.with_session(&req, CALL, async |session| {
        let Order { item, quantity } = Order::receive(req.headers(), body).await?;
        let call = async |mut client: Client, request: Request<()>| {
            let reservation = ReserveRequest {
                item: item.clone(),
                quantity,
            };
            client.reserve(request.map(|()| reservation)).await
        };
        let reserved = call_api2(&req, &bff, &upstreams, session, (RESERVE, call)).await?;
        let reserved = json!({
            "id": reserved.id,
            "item": reserved.item,
            "quantity": reserved.quantity,
            "left": reserved.left,
        });
        Ok(answer(HttpResponse::Created(), &reserved))
    });
    calling.await
}

/// `GET /api2/whoami`: what API-2 knows of the user.
#[utoipa::path(
    get, path = "/api2/whoami", summary = "What API-2 knows of you", tag = "API-2, inventory", security(("session" = [])),
    responses((status = 200, description = "What the credential of the call says"), (status = 401, description = "No session"))
)]
pub(crate) async fn whoami(
    req: HttpRequest,
    bff: web::Data<Bff>,
    upstreams: web::Data<Upstreams>,
) -> Result<HttpResponse, Problem> {
    let calling = bff.sessions.with_session(&req, CALL, async |session| {
        let call = async |mut client: Client, request: Request<()>| {
            client.who_am_i(request.map(|()| WhoAmIRequest {})).await
        };
        let told = call_api2(&req, &bff, &upstreams, session, (WHO_AM_I, call)).await?;
        let mut said = json!({
            "sub": told.sub,
            "client_id": told.client_id,
            "aud": told.aud,
            "scope": told.scope,
        });
        // The current actor outermost (RFC 8693 §4.1).
        let nested = |prior, sub: &String| match prior {
            Value::Null => json!({ "sub": sub }),
            prior => json!({ "sub": sub, "act": prior }),
        };
        let act = told.act.iter().rev().fold(Value::Null, nested);
        if !act.is_null() {
            said["act"] = act;
        }
        Ok(answer(HttpResponse::Ok(), &said))
    });
    calling.await
}

/// Calls the method with the path `path` by `call`, with the session's credential.
async fn call_api2<T>(
    req: &HttpRequest,
    bff: &Bff,
    upstreams: &Upstreams,
    session: &mut Session,
    (path, call): (
        &str,
        impl AsyncFn(Client, Request<()>) -> Result<Response<T>, Status>,
    ),
) -> Result<T, Problem> {
    let send = async |credential: &Credential| {
        let prover = bff.call_prover(Server::Api2, credential);
        let once = async || {
            let request = request(credential, prover, path)?;
            call(upstreams.api2.clone(), request).await
        };
        let outcome = traced(req.method().is_safe(), credential, once).await;
        bff.note_failures(
            Site::Api2,
            match &outcome {
                Ok(answer) => answer.metadata().as_ref(),
                Err(status) => status.metadata().as_ref(),
            },
        );
        let refused = outcome.as_ref().err().filter(|status| is_refusal(status));
        let learnt = refused.zip(prover).is_some_and(|(status, prover)| {
            let headers = status.metadata().clone().into_headers();
            prover.learn(&headers)
        });
        Ok((outcome.map(Response::into_inner), learnt))
    };
    let is_refused = |outcome: &Result<T, Status>| outcome.as_ref().is_err_and(is_refusal);
    let outcome = with_credential(bff, req, session, &API2, send, is_refused).await?;
    outcome.map_err(|status| match status {
        status if is_refusal(&status) => problems::token_refused(),
        status => problems::of_status(&status),
    })
}

fn is_refusal(status: &Status) -> bool {
    status.code() == Code::Unauthenticated
}

/// Makes the call `once`, or again where that is safe, as a step of the trace.
async fn traced<T>(
    is_safe: bool,
    credential: &Credential,
    once: impl AsyncFn() -> Result<T, Status>,
) -> Result<T, Status> {
    let span = kit::step!(
        span::UPSTREAM,
        "sso.to" = "api-2",
        "sso.audience" = API2.uri,
        "sso.credential" = credential.method.as_str()
    );
    let calling = async {
        credential.record_on_span();
        if is_safe {
            grpc_kit::call_idempotent(once).await
        } else {
            grpc_kit::call_retry_unprocessed(once).await
        }
    };
    calling.instrument(span).await
}

/// Made inside the call's span, so that API-2's becomes its child.
fn request(
    credential: &Credential,
    prover: Option<CallProver<'_>>,
    path: &str,
) -> Result<Request<()>, Status> {
    let request = grpc_kit::authorized((), credential.authorization());
    let mut request = request.map_err(|_| Status::internal("the token does not fit a header"))?;
    // gRPC calls are POST requests (RFC 9113 §8.3.1).
    let proof = prover.and_then(|own| own.proof("POST", path));
    let proof = proof.and_then(|proof| MetadataValue::try_from(proof.as_bytes()).ok());
    if let Some(proof) = proof {
        request.metadata_mut().insert(dpop::HEADER, proof);
    }
    Ok(request)
}

fn answer(mut response: actix_web::HttpResponseBuilder, body: &Value) -> HttpResponse {
    response
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(body)
}
