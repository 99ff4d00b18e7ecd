//! Calling another service.

use std::error::Error;

use kit::{telemetry::propagation, tls::PeerCertificates};
use tonic::{
    Request, Status,
    metadata::{MetadataValue, errors::InvalidMetadataValue},
};

/// The most repeats of a call that its peer did not process.
const REPEATS: usize = 2;

/// A call with `message` and `authorization: credentials`, which no log shows. Make it
/// inside the call's span, which becomes the parent of the callee's span.
pub fn authorized<T>(message: T, credentials: &str) -> Result<Request<T>, InvalidMetadataValue> {
    let mut credentials = MetadataValue::try_from(credentials)?;
    credentials.set_sensitive(true);
    let mut request = Request::new(message);
    let metadata = request.metadata_mut();
    metadata.insert("authorization", credentials);
    propagation::inject_metadata(metadata);
    Ok(request)
}

/// The certificate that the client of `request` presented on its connection, if the
/// listener asks for one ([`kit::tls::ClientCertificates`]).
pub fn peer_certificates<T>(request: &Request<T>) -> Option<&PeerCertificates> {
    request.extensions().get()
}

/// Makes `call`, and repeats it if the peer certainly did not process it
/// (RFC 9113 §6.8, §8.7). A draining server closes connections while calls are on
/// their way to it; a repeat opens a new connection. It is safe for any call.
///
/// There are two repeats at most: the first may still meet the connection that has ended,
/// and is then taken back from its queue.
pub async fn call_retry_unprocessed<T>(
    call: impl AsyncFn() -> Result<T, Status>,
) -> Result<T, Status> {
    let mut outcome = call().await;
    for _ in 0..REPEATS {
        match outcome {
            Err(status) if is_because(&status, is_of_unprocessed) => outcome = call().await,
            done => return done,
        }
    }
    outcome
}

/// Makes the idempotent `call` (RFC 9110 §9.2.2), and repeats it once if its
/// connection broke before the answer.
pub async fn call_idempotent<T>(call: impl AsyncFn() -> Result<T, Status>) -> Result<T, Status> {
    let is_of_connection = <dyn Error>::is::<hyper::Error>;
    match call().await {
        Err(status) if is_because(&status, is_of_connection) => call().await,
        outcome => outcome,
    }
}

fn is_because(status: &Status, is_cause: fn(&(dyn Error + 'static)) -> bool) -> bool {
    kit::net::causes(status).any(is_cause)
}

/// Whether the call was never sent, or the peer says that it did not process the
/// call (RFC 9113 §6.8, §8.7).
fn is_of_unprocessed(error: &(dyn Error + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        // Taken back from the queue of a connection that has ended.
        return error.is_canceled();
    }
    error.downcast_ref::<h2::Error>().is_some_and(|error| {
        let told_to_go = error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR);
        let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
        error.is_remote() && (told_to_go || refused)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_credentials_are_sent_and_not_shown() {
        let request = authorized((), "Bearer secret-1").unwrap();
        let sent = request.metadata().get("authorization").unwrap();
        assert_eq!(sent, "Bearer secret-1");
        assert!(!format!("{request:?}").contains("secret-1"));
    }

    #[test]
    fn what_fits_no_header_is_refused() {
        assert!(authorized((), "Bearer a\r\nb").is_err());
    }
}
