//! Scenarios in which a program in a terminal takes part: the page's own command runs in a
//! pseudo-terminal, beside the browser.

use super::play::{Act::*, Play};

pub const PLAYS: &[Play] = &[NATIVE_LOGIN, DEVICE_LOGIN, NIGHTLY_JOB];

const NATIVE_LOGIN: Play = Play {
    name: "native-login",
    acts: &[
        Press("Begin your journey"),
        Run("The native app"),
        Shown("Waiting for your browser"),
        OpenShown("/authorize?"),
        SignIn,
        Press("Allow"),
        Until("body", "close this window"),
        Ends("Signed in as"),
    ],
    arrows: &[
        (
            "Browser → IdP",
            "GET /authorize?response_type=code&client_id=sso-lab-cli",
        ),
        ("IdP → IdP store", "Save authorization_session"),
        ("User → Browser", "Name and password"),
        ("Browser → IdP", "POST /sign-in"),
        ("User → Browser", "Answer the consent form"),
        ("Browser → IdP", "POST /consent"),
        ("IdP → IdP store", "Save authorization_code"),
        ("IdP → Browser", "303 /callback?code="),
        (
            "Terminal → IdP",
            "POST /token grant_type=authorization_code",
        ),
        ("IdP → Terminal", "id_token"),
        (
            "Terminal → API-1",
            "GET /whoamiAuthorization: Bearer access_token(aud=https://api-1)",
        ),
        ("API-1, inside", "The API verifies the access token"),
        ("API-1 → Terminal", "client_id"),
    ],
};

const DEVICE_LOGIN: Play = Play {
    name: "device-login",
    acts: &[
        Press("Begin your journey"),
        Run("The device"),
        Shown("Waiting for your confirmation"),
        Start("Open the page for the code"),
        SignIn,
        TypeShownCode,
        Press("Continue"),
        Press("Allow"),
        Until("h1", "Device connected"),
        Ends("Signed in as"),
    ],
    arrows: &[
        ("Terminal → IdP", "POST /device_authorization"),
        ("IdP → IdP store", "device_code"),
        ("IdP → Terminal", "device_code"),
        ("Browser → IdP", "GET /device"),
        ("User → Browser", "Name and password"),
        ("Browser → IdP", "POST /device/sign-in"),
        ("User → Browser", "Type the device's code"),
        ("Browser → IdP", "POST /device"),
        ("IdP, inside", "The provider looks up the user code"),
        ("User → Browser", "Allow or deny the device"),
        ("Browser → IdP", "POST /device/answer"),
        ("IdP → IdP store", "Update device_code"),
        ("Terminal → IdP", "POST /token grant_type=device_code"),
        ("IdP → Terminal", "id_token"),
        (
            "Terminal → API-1",
            "GET /whoamiAuthorization: Bearer access_token(aud=https://api-1)",
        ),
        ("API-1, inside", "The API verifies the access token"),
        ("API-1 → Terminal", "client_id"),
    ],
};

const NIGHTLY_JOB: Play = Play {
    name: "machine-to-machine",
    acts: &[
        Press("Begin your journey"),
        Run("A nightly job"),
        Ends("1 done"),
    ],
    arrows: &[
        (
            "Terminal → IdP",
            "POST /token grant_type=client_credentials",
        ),
        ("IdP, inside", "The provider authenticates the client"),
        ("IdP, inside", "The provider validates the grant"),
        ("IdP → Terminal", "access_token"),
        (
            "Terminal → API-1",
            "POST /resourceAuthorization: Bearer access_token(aud=https://api-1)",
        ),
        ("API-1, inside", "The API verifies the access token"),
        ("API-1 → Terminal", "201"),
    ],
};
