//! The attacks that a program of the attacker runs: it acts as the attacker's client and as
//! the attacker's browser, and plays the victim's browser too. All requests go to the real
//! services and belong to the learner's journey, so the diagram shows them. The journey's
//! settings say which defences are off for them, and for no other request.

mod alg_none;
mod api;
mod call;
mod code;
mod code_injection;
mod context;
mod id_token_at_api;
mod mix_up;
mod outcome;
mod person;
mod pkce_downgrade;
mod session_fixation;
mod spa;
mod stage;
mod stolen_refresh_token;
mod wrong_audience;

use kit::{config::Weakness, journey::Journey, net::AddrBucket};

pub(crate) use self::{
    call::calls,
    context::AttackContext,
    outcome::{NotRun, Outcome},
};
use self::{outcome::End, stage::Stage};

/// An attack that a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// A stolen code in a login of the attacker's own.
    CodeInjection,
    /// A login without a challenge, so that its code can be injected.
    PkceDowngrade,
    /// A refresh token that was used before.
    StolenRefreshToken,
    /// An `id_token` in place of an access token.
    IdTokenAtApi,
    /// An access token for another API.
    WrongAudience,
    /// A forged token without a signature.
    AlgNone,
    /// A session id that the attacker knows before the sign-in.
    SessionFixation,
    /// An app that takes the code of one provider for that of another.
    MixUp,
}

impl Program {
    /// All of them.
    pub(crate) const ALL: [Self; 8] = [
        Self::CodeInjection,
        Self::PkceDowngrade,
        Self::StolenRefreshToken,
        Self::IdTokenAtApi,
        Self::WrongAudience,
        Self::AlgNone,
        Self::SessionFixation,
        Self::MixUp,
    ];

    /// Its name in addresses.
    pub(crate) const fn slug(self) -> &'static str {
        match self {
            Self::CodeInjection => "code-injection",
            Self::PkceDowngrade => "pkce-downgrade",
            Self::StolenRefreshToken => "stolen-refresh-token",
            Self::IdTokenAtApi => "id-token-at-api",
            Self::WrongAudience => "wrong-audience",
            Self::AlgNone => "alg-none",
            Self::SessionFixation => "session-fixation",
            Self::MixUp => "mix-up",
        }
    }

    /// The attack with this name.
    pub(crate) fn named(slug: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.slug() == slug)
    }

    /// The defences that are off in its weakened run.
    pub(crate) const fn weaknesses(self) -> &'static [Weakness] {
        match self {
            Self::CodeInjection => &[Weakness::NoPkceCheck, Weakness::NoNonceCheck],
            Self::PkceDowngrade => &[Weakness::PkceOptional, Weakness::NoNonceCheck],
            Self::StolenRefreshToken => &[Weakness::RefreshReuse],
            Self::IdTokenAtApi => &[Weakness::AnyTokenType, Weakness::AnyAudience],
            Self::WrongAudience => &[Weakness::AnyAudience],
            Self::AlgNone => &[Weakness::AlgNone],
            Self::SessionFixation => &[Weakness::KeepSessionId],
            Self::MixUp => &[Weakness::NoIssuerCheck],
        }
    }
}

/// Runs `attack` as part of `journey`, for a browser at `from`; with `weakened` its defences
/// are off for the requests of this run alone.
pub(crate) async fn run(
    attack: Program,
    lab: &AttackContext,
    (journey, from): (&Journey, AddrBucket),
    weakened: bool,
) -> Result<Outcome, NotRun> {
    let work = async {
        let mut stage = Stage::new(lab, journey, attack, weakened);
        let context = stage.context();
        let acting = AttackContext::in_time(act(attack, &mut stage));
        let end = context.in_span(Box::pin(acting)).await;
        if let Ok(end) = &end {
            end.record(&context.span());
        }
        drop(context);
        stage.end(end).await
    };
    Box::pin(lab.bounded(journey, from, work)).await
}

/// Runs it inside the span of the attacker's program.
async fn act(attack: Program, stage: &mut Stage<'_>) -> Result<End, NotRun> {
    match attack {
        Program::CodeInjection => code_injection::run(stage).await,
        Program::PkceDowngrade => pkce_downgrade::run(stage).await,
        Program::StolenRefreshToken => stolen_refresh_token::run(stage).await,
        Program::IdTokenAtApi => id_token_at_api::run(stage).await,
        Program::WrongAudience => wrong_audience::run(stage).await,
        Program::AlgNone => alg_none::run(stage).await,
        Program::SessionFixation => session_fixation::run(stage).await,
        Program::MixUp => mix_up::run(stage).await,
    }
}
