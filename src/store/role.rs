//! Access to a bucket in another account, by a role of that account (AWS STS, `AssumeRole`).
//!
//! In: a role, the external id that its trust policy asks for, and who asks. Out: temporary credentials. Guaranteed: they are asked
//! for again before they end, by one request at a time; an error repeats what STS said, and no secret.
//!
//! Source: AWS Security Token Service API Reference, "AssumeRole".

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use object_store::{
    ClientOptions, CredentialProvider,
    aws::{AwsAuthorizer, AwsCredential, AwsCredentialProvider},
    client::{HttpClient, HttpConnector, HttpRequest, HttpRequestBody, ReqwestConnector},
};
use serde::Deserialize;
use tokio::{sync::Mutex, time::Instant};
use url::{Url, form_urlencoded::Serializer};

/// How long credentials hold: what every role allows (and all that a role allows which assumes another one).
const HOLD: Duration = Duration::from_secs(3_600);
/// So long before their end new ones are asked for.
const MARGIN: Duration = Duration::from_secs(600);
/// What of an answer that is not understood is repeated.
const SHOWN_CHARS: usize = 500;

/// A role, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// `arn:aws:iam::123456789012:role/name`.
    pub arn: String,
    /// What its trust policy asks for.
    pub external_id: String,
    /// Shown in the other account's CloudTrail.
    pub session_name: String,
}

/// Where STS is, and in which region its requests are signed.
#[derive(Clone, Debug)]
pub(super) struct Sts {
    pub(super) endpoint: Url,
    pub(super) region: String,
}

/// Gives credentials of a role.
#[derive(Debug)]
pub(super) struct AssumedRole {
    role: Role,
    sts: Sts,
    /// Who assumes the role.
    asks: AwsCredentialProvider,
    client: HttpClient,
    /// For how long what it gives is used.
    used: Duration,
    held: Mutex<Option<Held>>,
}

#[derive(Debug)]
struct Held {
    credential: Arc<AwsCredential>,
    until: Instant,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    assume_role_result: Outcome,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Outcome {
    credentials: Credentials,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Credentials {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
}

/// What STS answers if it refuses.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Refusal {
    error: Reason,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Reason {
    code: String,
    message: String,
}

impl AssumedRole {
    pub(super) fn new(
        role: Role,
        sts: Sts,
        asks: AwsCredentialProvider,
        options: &ClientOptions,
    ) -> object_store::Result<Self> {
        let client = ReqwestConnector::default().connect(options)?;
        Ok(Self { role, sts, asks, client, used: HOLD - MARGIN, held: Mutex::default() })
    }

    async fn ask(&self) -> Result<Held, String> {
        let asked_at = Instant::now();
        let asks = self
            .asks
            .get_credential()
            .await
            .map_err(|error| format!("no credentials to ask with: {error}"))?;
        let mut request = self.request().map_err(|error| error.to_string())?;
        AwsAuthorizer::new(&asks, "sts", &self.sts.region).authorize(&mut request, None);
        let response = self.client.execute(request).await.map_err(|error| error.to_string())?;
        let status = response.status();
        let body = response.into_body().bytes().await.map_err(|error| error.to_string())?;
        let body = String::from_utf8_lossy(&body);
        if !status.is_success() {
            return Err(refusal(status.as_u16(), &body));
        }
        let answer: Answer = quick_xml::de::from_str(&body)
            .map_err(|error| format!("what it answers is not understood: {error}"))?;
        let Credentials { access_key_id, secret_access_key, session_token } =
            answer.assume_role_result.credentials;
        let credential = AwsCredential {
            key_id: access_key_id,
            secret_key: secret_access_key,
            token: Some(session_token),
        };
        Ok(Held { credential: Arc::new(credential), until: asked_at + self.used })
    }

    fn request(&self) -> Result<HttpRequest, http::Error> {
        let form = Serializer::new(String::new())
            .append_pair("Action", "AssumeRole")
            .append_pair("Version", "2011-06-15")
            .append_pair("RoleArn", &self.role.arn)
            .append_pair("RoleSessionName", &self.role.session_name)
            .append_pair("ExternalId", &self.role.external_id)
            .append_pair("DurationSeconds", &HOLD.as_secs().to_string())
            .finish();
        http::Request::builder()
            .method(http::Method::POST)
            .uri(self.sts.endpoint.as_str())
            .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(HttpRequestBody::from(form))
    }
}

fn refusal(status: u16, body: &str) -> String {
    match quick_xml::de::from_str::<Refusal>(body) {
        Ok(Refusal { error: Reason { code, message } }) => format!("{code}: {message}"),
        Err(_) => format!("status {status}: {}", body.chars().take(SHOWN_CHARS).collect::<String>()),
    }
}

#[async_trait]
impl CredentialProvider for AssumedRole {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let mut held = self.held.lock().await;
        if let Some(Held { credential, until }) = held.as_ref()
            && Instant::now() < *until
        {
            return Ok(Arc::clone(credential));
        }
        let new = self.ask().await.map_err(|reason| object_store::Error::Generic {
            store: "STS",
            source: format!("role {} cannot be assumed: {reason}", self.role.arn).into(),
        })?;
        let credential = Arc::clone(&new.credential);
        *held = Some(new);
        Ok(credential)
    }
}

#[cfg(test)]
mod tests {
    use object_store::StaticCredentialProvider;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    const GIVEN: &str = "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>key</AccessKeyId>\
        <SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken></Credentials></AssumeRoleResult>\
        </AssumeRoleResponse>";

    /// A role of an STS that answers everything, and how often it did: the last letters of what it gives.
    async fn role() -> AssumedRole {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        tokio::spawn(async move {
            for number in 1.. {
                let (mut connection, _) = listener.accept().await.unwrap();
                let mut read = Vec::new();
                while !read.ends_with(b"DurationSeconds=3600") {
                    connection.read_buf(&mut read).await.unwrap();
                }
                let body = GIVEN.replace("key<", &format!("key-{number}<"));
                let length = body.len();
                let answer =
                    format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
                connection.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let own = AwsCredential { key_id: "own".to_owned(), secret_key: "own".to_owned(), token: None };
        let role =
            Role { arn: "arn".to_owned(), external_id: "id".to_owned(), session_name: "name".to_owned() };
        let sts = Sts { endpoint, region: "us-east-1".to_owned() };
        let options = ClientOptions::new().with_allow_http(true);
        AssumedRole::new(role, sts, Arc::new(StaticCredentialProvider::new(own)), &options).unwrap()
    }

    /// Would catch a store that is kept open past the end of its credentials, and one that asks for them at each request.
    #[tokio::test]
    async fn what_has_ended_is_asked_for_again() {
        let held = role().await;
        for _ in 0..3 {
            assert_eq!(held.get_credential().await.unwrap().key_id, "key-1");
        }
        let ended = AssumedRole { used: Duration::ZERO, ..role().await };
        for number in 1..=3 {
            assert_eq!(ended.get_credential().await.unwrap().key_id, format!("key-{number}"));
        }
    }

    /// Would catch a reason that is lost: the answers are those of the API reference.
    #[test]
    fn answers_of_sts_are_read() {
        let answer = r#"<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
            <AssumeRoleResult><AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/demo/TestAR</Arn>
            <AssumedRoleId>ARO123EXAMPLE123:TestAR</AssumedRoleId></AssumedRoleUser>
            <Credentials><AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId><SecretAccessKey>wJalrXUtnFEMI</SecretAccessKey>
            <SessionToken>AQoDYXdzEPT</SessionToken><Expiration>2026-11-09T13:34:41Z</Expiration></Credentials>
            <PackedPolicySize>6</PackedPolicySize></AssumeRoleResult>
            <ResponseMetadata><RequestId>c6104cbe</RequestId></ResponseMetadata></AssumeRoleResponse>"#;
        let credentials = quick_xml::de::from_str::<Answer>(answer).unwrap().assume_role_result.credentials;
        assert_eq!(credentials.access_key_id, "ASIAIOSFODNN7EXAMPLE");
        assert_eq!(credentials.session_token, "AQoDYXdzEPT");
        let refused = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>\
            <Message>User is not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>";
        assert_eq!(refusal(403, refused), "AccessDenied: User is not authorized to perform: sts:AssumeRole");
        assert_eq!(refusal(502, "<html>"), "status 502: <html>");
    }
}
