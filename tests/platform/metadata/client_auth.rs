//! How clients authenticate: each method at each endpoint, with the right credentials and
//! with wrong ones, and each algorithm of their assertions.

use serde_json::json;
use tempfile::NamedTempFile;
use testkit::{Answer, ClientAuth, TestCertificate};
use tests::Party;
use token_verify::testing::TestKey;

use super::{Scene, unused};
use crate::{receiver::file, rfc8705_mtls::lab_certificate};

pub(super) const MEMBERS: &[&str] = &[
    "token_endpoint_auth_methods_supported",
    "token_endpoint_auth_signing_alg_values_supported",
    "revocation_endpoint_auth_methods_supported",
    "revocation_endpoint_auth_signing_alg_values_supported",
    "introspection_endpoint_auth_methods_supported",
    "introspection_endpoint_auth_signing_alg_values_supported",
];

const ENDPOINTS: [&str; 3] = ["token", "revocation", "introspection"];
const SECRET: &str = "the-secret-of-every-method";

/// The client `every`, which has each method of a confidential client.
struct Every {
    scene: Scene,
    keys: [TestKey; 4],
    registered: TestCertificate,
    _file: NamedTempFile,
}

/// Good credentials, or wrong ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Credentials {
    Good,
    Wrong,
}

impl Every {
    async fn start() -> Self {
        let keys = [
            TestKey::es256(),
            TestKey::ps256(),
            TestKey::eddsa(),
            TestKey::rs256(),
        ];
        let jwks = keys.iter().map(|key| {
            let jwk = key.jwk(key.alg());
            let members = jwk.as_object().unwrap().iter();
            let members: Vec<_> = members
                .map(|(name, value)| format!("{name} = {value}"))
                .collect();
            format!("{{ {} }}", members.join(", "))
        });
        let jwks: Vec<_> = jwks.collect();
        let registered = TestCertificate::self_signed("registered");
        let certificate = file(&registered.certificate);
        let client = format!(
            "\n[[clients]]\nclient_id = \"every\"\nname = \"Every method\"\nsecret = \"{SECRET}\"\n\
             auth = [\"client_secret_basic\", \"client_secret_post\", \"private_key_jwt\", \
             \"tls_client_auth\", \"self_signed_tls_client_auth\"]\n\
             tls_client_auth_subject_dn = \"CN=every\"\ntls_client_certificate_file = \"{}\"\n\
             jwks = {{ keys = [{}] }}\ngrants = [\"client_credentials\"]\n\
             audiences = [\"https://api-1\"]\nintrospects = [\"https://api-1\"]\n",
            certificate.path().display(),
            jwks.join(", ")
        );
        let scene = Scene::start(&client).await;
        Self {
            scene,
            keys,
            registered,
            _file: certificate,
        }
    }

    /// An assertion for `private_key_jwt` that names `alg`. A wrong one is signed by
    /// another key.
    fn assertion(&self, endpoint: &str, alg: &str, credentials: Credentials) -> String {
        let member = format!("{endpoint}_endpoint_auth_signing_alg_values_supported");
        let key = self.keys.iter().find(|key| key.alg() == alg);
        let key = key.unwrap_or_else(|| unused(&member, alg));
        let now = self.scene.platform.clock().now().secs();
        let claims = json!({
            "iss": "every", "sub": "every", "aud": self.scene.platform.issuer(),
            "jti": format!("{endpoint} {alg} {credentials:?}"), "iat": now, "exp": now + 60,
        });
        let header = json!({"alg": alg, "kid": alg});
        match credentials {
            Credentials::Good => key.sign(&header, &claims),
            Credentials::Wrong => key.another().sign(&header, &claims),
        }
    }

    /// The certificate for `method`. A wrong one has another name, or is not registered.
    fn certificate(&self, method: &str, credentials: Credentials) -> TestCertificate {
        let platform = &self.scene.platform;
        match (method, credentials) {
            ("tls_client_auth", Credentials::Good) => lab_certificate(platform, "every"),
            ("tls_client_auth", Credentials::Wrong) => lab_certificate(platform, "other"),
            (_, Credentials::Good) => self.registered.clone(),
            (_, Credentials::Wrong) => TestCertificate::self_signed("registered"),
        }
    }

    /// A request to `endpoint` of a client that authenticates by `method`; `alg` signs
    /// its assertion.
    async fn request(
        &self,
        (endpoint, method, alg): (&str, &str, &str),
        credentials: Credentials,
    ) -> Answer {
        let secret = match credentials {
            Credentials::Good => SECRET,
            Credentials::Wrong => "wrong",
        };
        let assertion;
        let mut form = match endpoint {
            "token" => vec![("grant_type", "client_credentials")],
            _ => vec![("token", "x")],
        };
        let auth = match method {
            "client_secret_basic" => ClientAuth::basic("every", secret),
            "client_secret_post" => ClientAuth::post("every", secret),
            "private_key_jwt" => {
                assertion = self.assertion(endpoint, alg, credentials);
                form.push((
                    "client_assertion_type",
                    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                ));
                form.push(("client_assertion", &assertion));
                ClientAuth::public("every")
            }
            "tls_client_auth" | "self_signed_tls_client_auth" => {
                let own = self.certificate(method, credentials);
                let platform = &self.scene.platform;
                let machine = platform.mtls_machine(ClientAuth::public("every"), Some(&own));
                let path = self.scene.path(&format!("{endpoint}_endpoint"));
                return machine.post_as_client(path, &form).await;
            }
            "none" if endpoint == "token" => {
                let party = Party::my_spa(&self.scene.platform);
                return party.tokens(&mut party.cli(), &[]).await;
            }
            "none" => ClientAuth::public("my_spa"),
            other => unused(
                &format!("{endpoint}_endpoint_auth_methods_supported"),
                other,
            ),
        };
        let path = self.scene.path(&format!("{endpoint}_endpoint"));
        let machine = self.scene.machine(auth);
        machine.post_as_client(path, &form).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_that_is_advertised_is_taken_and_checked_at_its_endpoint() {
    let every = Every::start().await;
    for endpoint in ENDPOINTS {
        let member = format!("{endpoint}_endpoint_auth_methods_supported");
        for method in every.scene.values(&member) {
            let request = (endpoint, method, "ES256");
            every.request(request, Credentials::Good).await.granted();
            if method != "none" {
                let refused = every.request(request, Credentials::Wrong).await;
                let expected = (401, "invalid_client".to_owned());
                assert_eq!(refused.refusal(), expected, "{endpoint}: {method}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_algorithm_of_assertions_that_is_advertised_is_taken_and_checked() {
    let every = Every::start().await;
    for endpoint in ENDPOINTS {
        let member = format!("{endpoint}_endpoint_auth_signing_alg_values_supported");
        for alg in every.scene.values(&member) {
            let request = (endpoint, "private_key_jwt", alg);
            every.request(request, Credentials::Good).await.granted();
            let refused = every.request(request, Credentials::Wrong).await;
            let expected = (401, "invalid_client".to_owned());
            assert_eq!(refused.refusal(), expected, "{endpoint}: {alg}");
        }
    }
}
