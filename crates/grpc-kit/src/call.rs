//! Calling another service.

use kit::telemetry::propagation;
use tonic::{
    Request,
    metadata::{MetadataValue, errors::InvalidMetadataValue},
};

/// A call with `message` and `authorization: credentials`, which no log shows.
/// Make it inside the call's span: the callee's becomes that one's child.
pub fn authorized<T>(message: T, credentials: &str) -> Result<Request<T>, InvalidMetadataValue> {
    let mut credentials = MetadataValue::try_from(credentials)?;
    credentials.set_sensitive(true);
    let mut request = Request::new(message);
    let metadata = request.metadata_mut();
    metadata.insert("authorization", credentials);
    propagation::inject_metadata(metadata);
    Ok(request)
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
