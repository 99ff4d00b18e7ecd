//! Problem responses for calls that an API did not answer, or refused.

use actix_web::http::StatusCode;
use tonic::{Code, Status};
use web_kit::problem::Problem;

use super::http1::UpstreamError;

/// The most characters of an API's message that are passed on.
const MAX_SENTENCE: usize = 300;
/// The sentence for a call that the API may have carried out.
const NOT_KNOWN: &str = "The call may have been carried out.";

impl From<UpstreamError> for Problem {
    fn from(error: UpstreamError) -> Self {
        tracing::warn!("an API call failed: {error}");
        match error {
            UpstreamError::Unreachable(_) => away("The call was not sent. Try again."),
            UpstreamError::TimedOut => late(),
            UpstreamError::Broken(_) => Self::new(StatusCode::BAD_GATEWAY, "API connection lost")
                .detail(format!("The connection to the API broke. {NOT_KNOWN}")),
            UpstreamError::TooLarge => Self::new(StatusCode::BAD_GATEWAY, "API response too large")
                .detail("The API's response is larger than this app accepts."),
        }
    }
}

/// `done` says whether the API may have carried out the call.
fn away(done: &str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "API unavailable")
        .detail(format!("The API is not answering. {done}"))
        .retry_after(1)
}

fn late() -> Problem {
    Problem::new(StatusCode::GATEWAY_TIMEOUT, "API timeout")
        .detail(format!("The API did not answer in time. {NOT_KNOWN}"))
}

/// The API rejected a new access token, or a fixed credential: API and provider disagree,
/// and signing in again would not help.
pub(super) fn token_refused() -> Problem {
    tracing::error!("an API refused a fresh credential");
    Problem::new(StatusCode::BAD_GATEWAY, "Credential rejected by the API")
        .detail("The API rejected this app's credential, and a new one where there can be one.")
}

/// The API failed.
pub(super) fn broke(status: u16) -> Problem {
    tracing::warn!(status, "an API answered with an error");
    Problem::new(StatusCode::BAD_GATEWAY, "API failed")
        .detail("The API failed to carry out the call.")
}

/// The problem for a gRPC status. `Unauthenticated` has been handled before.
pub(super) fn of_status(status: &Status) -> Problem {
    let said = |code, title| {
        let sentence: String = status.message().chars().take(MAX_SENTENCE).collect();
        Problem::new(code, title).detail(sentence)
    };
    match status.code() {
        Code::InvalidArgument | Code::OutOfRange => {
            said(StatusCode::UNPROCESSABLE_ENTITY, "Not possible")
        }
        Code::NotFound => said(StatusCode::NOT_FOUND, "Not found"),
        Code::FailedPrecondition | Code::AlreadyExists | Code::Aborted => {
            said(StatusCode::CONFLICT, "Conflict")
        }
        Code::PermissionDenied => said(StatusCode::FORBIDDEN, "Not allowed"),
        // API-2 answers so, too, when its store did not answer.
        Code::ResourceExhausted | Code::Unavailable => away(NOT_KNOWN),
        Code::DeadlineExceeded | Code::Cancelled => late(),
        Code::Unauthenticated => token_refused(),
        Code::Ok | Code::Unknown | Code::Unimplemented | Code::Internal | Code::DataLoss => {
            broke(StatusCode::INTERNAL_SERVER_ERROR.as_u16())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_grpc_refusal_has_its_status() {
        let cases = [
            (Code::InvalidArgument, 422),
            (Code::NotFound, 404),
            (Code::FailedPrecondition, 409),
            (Code::PermissionDenied, 403),
            (Code::Unavailable, 503),
            (Code::DeadlineExceeded, 504),
            (Code::Unauthenticated, 502),
            (Code::Internal, 502),
        ];
        for (code, expected) in cases {
            assert_eq!(
                of_status(&Status::new(code, "x")).status().as_u16(),
                expected,
                "{code:?}"
            );
        }
    }

    #[test]
    fn only_where_no_call_went_out_the_answer_says_that_it_was_not_sent() {
        use actix_web::ResponseError as _;
        let said = |problem: Problem| {
            let answer = problem.error_response();
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert!(answer.headers().contains_key("retry-after"));
            let body = actix_web::body::MessageBody::try_into_bytes(answer.into_body());
            String::from_utf8(body.ok().unwrap().to_vec()).unwrap()
        };
        let unreachable = said(UpstreamError::Unreachable("x".into()).into());
        assert!(unreachable.contains("was not sent"), "{unreachable}");
        for code in [Code::Unavailable, Code::ResourceExhausted] {
            let answered = said(of_status(&Status::new(code, "x")));
            assert!(answered.contains(NOT_KNOWN), "{answered}");
            assert!(!answered.contains("was not sent"), "{answered}");
        }
    }

    #[test]
    fn each_upstream_failure_has_its_status() {
        let cases = [
            (UpstreamError::Unreachable("x".into()), 503),
            (UpstreamError::TimedOut, 504),
            (UpstreamError::Broken("x".into()), 502),
            (UpstreamError::TooLarge, 502),
        ];
        for (error, expected) in cases {
            assert_eq!(Problem::from(error).status().as_u16(), expected);
        }
    }
}
