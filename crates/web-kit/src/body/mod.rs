//! A request's body. A handler takes a [`Body`] and reads it last: after it has
//! checked the headers and the cookies. It then calls [`Body::authenticated`], so
//! that the bytes come from the reserve. What comes in is bounded by the route, by
//! the service, by the budget of the client's address and in time ([`meter`]).

mod error;
mod meter;

use std::{
    future::{Ready, ready},
    rc::Rc,
};

use actix_web::{
    FromRequest, HttpMessage as _, HttpRequest, dev,
    http::header,
    web::{Bytes, BytesMut},
};
use futures_util::StreamExt as _;
use kit::json;
use serde::de::DeserializeOwned;

pub use crate::content_type::is_form;
use crate::{carried::Carried, content_type::is_json};

pub use self::error::BodyError;
pub(crate) use self::meter::{BodyMeter, meter_body};

/// The maximum size of a form of the project's own pages, in bytes.
pub const FORM: usize = 8 * 1024;

/// A request's body, unread.
pub struct Body {
    payload: dev::Payload,
    meter: Option<Rc<BodyMeter>>,
    /// `Content-Length`.
    length: Option<u64>,
    is_json: bool,
    /// Where a form is told, in a journey.
    carried: Option<Carried>,
}

impl Body {
    /// Marks the request as one with a checked session or client.
    #[must_use]
    pub fn authenticated(self) -> Self {
        if let Some(meter) = &self.meter {
            meter.use_reserve();
        }
        self
    }

    /// Reads the whole body, at most `limit` bytes. A body whose `Content-Length` is
    /// larger is refused unread.
    pub async fn read(mut self, limit: usize) -> Result<Bytes, BodyError> {
        let body = self.read_all(limit).await?;
        if let Some(carried) = &self.carried {
            carried.form(&body);
        }
        Ok(body)
    }

    async fn read_all(&mut self, limit: usize) -> Result<Bytes, BodyError> {
        let too_large = BodyError::TooLarge(limit);
        if self.length.is_some_and(|length| length > limit as u64) {
            return Err(too_large);
        }
        let mut whole = BytesMut::new();
        while let Some(chunk) = self.payload.next().await {
            let chunk = chunk.map_err(|_| self.failed())?;
            if whole.len() + chunk.len() > limit {
                return Err(too_large);
            }
            if whole.is_empty() && self.length == Some(chunk.len() as u64) {
                // Nearly every body arrives in one piece.
                self.payload.next().await;
                return Ok(chunk);
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    /// Reads the body as a JSON object (`Content-Type: application/json`).
    pub async fn json<T: DeserializeOwned>(self, limit: usize) -> Result<T, BodyError> {
        if !self.is_json {
            return Err(BodyError::NotJson);
        }
        let body = self.read(limit).await?;
        json::object(&body).map_err(BodyError::Json)
    }

    fn failed(&self) -> BodyError {
        let known = self.meter.as_ref().and_then(|meter| meter.failure());
        known.unwrap_or(BodyError::Broken)
    }
}

impl FromRequest for Body {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(req: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let length = req.headers().get(header::CONTENT_LENGTH);
        let length = length.and_then(|value| value.to_str().ok());
        ready(Ok(Self {
            payload: payload.take(),
            meter: req.extensions().get::<Rc<BodyMeter>>().map(Rc::clone),
            length: length.and_then(|length| length.trim().parse().ok()),
            is_json: is_json(req.headers()),
            carried: Carried::of_request(req).filter(|_| is_form(req.headers())),
        }))
    }
}

/// Marks the address of an authenticated client: for the next minutes, the bodies of
/// its requests come from the reserve at once.
pub fn mark_client_authenticated(req: &HttpRequest) {
    if let Some(meter) = req.extensions().get::<Rc<BodyMeter>>() {
        meter.mark_authenticated();
    }
}

#[cfg(test)]
mod tests;
