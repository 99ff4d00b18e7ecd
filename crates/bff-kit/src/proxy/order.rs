//! An order or a reservation, as JSON or as a form of the app's pages.

use actix_web::http::{
    StatusCode,
    header::{self, HeaderMap},
};
use kit::json;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use web_kit::{
    body::{Body, FORM, is_form},
    problem::Problem,
};

use crate::params;

/// An item and its quantity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    /// The item's name.
    #[schema(example = "chess-set", max_length = 64)]
    pub(crate) item: String,
    /// How many, at least 1.
    #[schema(example = 1, minimum = 1)]
    pub(crate) quantity: u32,
}

impl Order {
    /// Reads the body of a request that has a live session.
    pub(super) async fn receive(headers: &HeaderMap, body: Body) -> Result<Self, Problem> {
        let kind = Kind::of(headers)?;
        Self::parse(kind, &body.authenticated().read(FORM).await?)
    }

    fn parse(kind: Kind, body: &[u8]) -> Result<Self, Problem> {
        match kind {
            Kind::Form => Self::of_form(body),
            Kind::Json => json::object(body)
                .map_err(|error| unreadable(format!("The body is not an order: {error}."))),
        }
    }

    /// Reads a query, which is encoded like a form.
    pub(super) fn of_query(query: &str) -> Result<Self, Problem> {
        Self::of_form(query.as_bytes())
    }

    fn of_form(form: &[u8]) -> Result<Self, Problem> {
        let read = || {
            let form = params::parse(form).ok()?;
            Some(Self {
                item: form.get("item")?.to_owned(),
                quantity: form.get("quantity")?.parse().ok()?,
            })
        };
        read().ok_or_else(|| {
            unreadable("The form needs an item, and a quantity that is a whole number.".to_owned())
        })
    }
}

/// The media type of an order.
#[derive(Clone, Copy)]
enum Kind {
    Form,
    Json,
}

impl Kind {
    fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        if is_form(headers) {
            return Ok(Self::Form);
        }
        let kind = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let essence = kind
            .and_then(|kind| kind.split(';').next())
            .unwrap_or_default();
        if !essence.trim().eq_ignore_ascii_case("application/json") {
            return Err(
                Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Not JSON").detail(
                    "Send application/json, such as {\"item\": \"chess-set\", \"quantity\": 1}.",
                ),
            );
        }
        Ok(Self::Json)
    }
}

fn unreadable(why: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "Not an order").detail(why)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn read(kind: &'static str, body: &str) -> Result<Order, u16> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        let read = Kind::of(&headers).and_then(|kind| Order::parse(kind, body.as_bytes()));
        read.map_err(|problem| problem.status().as_u16())
    }

    #[test]
    fn a_form_is_the_same_order_as_its_json_without_the_forms_token() {
        let json = read(
            "application/json; charset=utf-8",
            r#"{"item":"chess-set","quantity":2}"#,
        );
        let form = read(
            "application/x-www-form-urlencoded",
            "csrf_token=x&item=chess-set&quantity=2",
        );
        assert_eq!(
            json,
            Ok(Order {
                item: "chess-set".into(),
                quantity: 2
            })
        );
        assert_eq!(form, json);
    }

    #[test]
    fn what_is_no_order_is_refused_before_any_call() {
        let form = "application/x-www-form-urlencoded";
        for body in [
            "item=x",
            "quantity=1",
            "item=x&quantity=-1",
            "item=x&quantity=1&quantity=2",
        ] {
            assert_eq!(read(form, body), Err(400), "{body}");
        }
        for body in [
            "",
            "{}",
            "[]",
            r#"["x",1]"#,
            r#"{"item":"x","quantity":-1}"#,
            r#"{"item":"x","quantity":1,"admin":true}"#,
        ] {
            assert_eq!(read("application/json", body), Err(400), "{body}");
        }
        assert_eq!(read("text/plain", "{}"), Err(415));
    }

    #[test]
    fn fuzz_orders() {
        let seeds = [
            r#"{"item":"chess-set","quantity":2}"#,
            "item=chess-set&quantity=2",
        ];
        fuzz::run(&seeds, |body| {
            for kind in [Kind::Json, Kind::Form] {
                if let Ok(order) = Order::parse(kind, body) {
                    let json = serde_json::to_vec(&order).unwrap();
                    assert_eq!(Order::parse(Kind::Json, &json).ok(), Some(order));
                }
            }
        });
    }
}
