//! The content of the page.

use actix_web::{HttpRequest, HttpResponse};
use web_kit::{device, ui::utc};

use super::{END_PATH, GRANT, OTHERS, SID, purpose};
use crate::{
    Idp,
    cookies::with_cookie,
    domain::{Grant, LoginSession},
    form_token, grants,
    page_error::PageError,
    pages::{AccountGrant, AccountPage, AccountSession},
    session_index, sessions,
};

/// How many sessions, and how many grants, the page shows. "End all other sessions" ends them all.
const MAX_SHOWN: usize = 50;

pub(super) async fn show(
    idp: &Idp,
    req: &HttpRequest,
    here: &LoginSession,
) -> Result<HttpResponse, PageError> {
    let (browser, cookie) = form_token::browser(idp, req);
    let mut shown = vec![described(idp, here, true).await?];
    let mut others = session_index::sessions_of(idp, &here.sub, MAX_SHOWN + 2).await?;
    others.retain(|sid| *sid != here.sid);
    for sid in others.iter().take(MAX_SHOWN) {
        if let Some(login) = sessions::live(idp, sid).await? {
            shown.push(described(idp, &login, false).await?);
        }
    }
    let mut lasting = grants::lasting(idp, &here.sub, MAX_SHOWN).await?;
    lasting.sort_by_key(|grant| std::cmp::Reverse(grant.created_at));
    let more = others.len() > MAX_SHOWN || lasting.len() > MAX_SHOWN;
    lasting.truncate(MAX_SHOWN);
    let user = idp.settings.user(&here.sub);
    let page = AccountPage {
        action: END_PATH.to_owned(),
        form_token: form_token::field(&browser, &purpose(here)),
        sid_field: SID,
        others_field: OTHERS,
        user_name: user.map(|user| user.name.clone()).unwrap_or_default(),
        sessions: shown,
        grant_field: GRANT,
        grants: lasting
            .iter()
            .map(|grant| described_grant(idp, grant))
            .collect(),
        more,
    };
    Ok(with_cookie(page.respond(), &cookie))
}

fn described_grant(idp: &Idp, grant: &Grant) -> AccountGrant {
    let client = idp.settings.client(&grant.client_id);
    let ends = grant
        .refresh
        .as_ref()
        .map_or(grant.expires_at, |refresh| refresh.ends);
    AccountGrant {
        id: grant.id.clone(),
        client_name: client.map(|client| client.name.clone()).unwrap_or_default(),
        since: utc(grant.created_at),
        used: utc(grant.last_used_at.unwrap_or(grant.created_at)),
        until: utc(ends),
    }
}

async fn described(
    idp: &Idp,
    login: &LoginSession,
    is_here: bool,
) -> Result<AccountSession, PageError> {
    let mut clients = session_index::clients_of(idp, &login.sid).await?;
    clients.sort_by_key(|(_, since)| *since);
    let name = |id: &str| idp.settings.client(id).map(|client| client.name.clone());
    Ok(AccountSession {
        sid: login.sid.clone(),
        device: device::in_words(login.user_agent.as_deref()),
        since: utc(login.began()),
        until: utc(login.expires_at),
        apps: clients.iter().filter_map(|(id, _)| name(id)).collect(),
        is_here,
    })
}
