//! Which requests get an answer: those of the page itself, with its token.
//!
//! A request must name the server's own address as its host, so that no other name can be made to point here. It must
//! come from the page itself or from no page, so that no other site can send it. And it must carry the token, so that
//! no other user of the computer can.

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, COOKIE, HOST, HeaderName, HeaderValue, ORIGIN, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use crate::error::{Answer, Error, Refusal, Result};
use crate::places::Visitor;

/// Bytes of a token.
const TOKEN: usize = 32;

/// The address of a server and the secret of those who may use it.
#[derive(Clone)]
pub(crate) struct Guard {
    host: String,
    port: u16,
    token: String,
}

impl Guard {
    /// A guard with a random token.
    pub(crate) fn new(port: u16) -> Result<Self> {
        let mut bytes = [0; TOKEN];
        getrandom::fill(&mut bytes).map_err(|error| Error::Start { detail: error.to_string() })?;
        let token = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { host: format!("127.0.0.1:{port}"), port, token })
    }

    /// The address with the token, for the user alone.
    pub(crate) fn address(&self) -> String {
        format!("http://{}/?token={}", self.host, self.token)
    }

    /// The cookie that carries the token after the first page. Cookies are shared by all ports of a host, so the port
    /// is part of the name.
    fn cookie(&self) -> HeaderValue {
        let text = format!("dgm-{}={}; Path=/; HttpOnly; SameSite=Strict", self.port, self.token);
        HeaderValue::from_str(&text).expect("the token is made of hexadecimal digits")
    }

    /// Refuses a request that is not one of the page's own; says whether the token stood in the address.
    fn admit(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Answer<bool> {
        let refused = |text: &str| Err(Refusal::new(StatusCode::FORBIDDEN, text));
        let mut hosts = headers.get_all(HOST).iter();
        if hosts.next().is_none_or(|host| host.as_bytes() != self.host.as_bytes()) || hosts.next().is_some() {
            return refused("another host");
        }
        if uri.authority().is_some_and(|authority| authority.as_str() != self.host) {
            return refused("another host");
        }
        let own = format!("http://{}", self.host);
        let mut origins = headers.get_all(ORIGIN).iter().peekable();
        if origins.peek().is_none() && method != Method::GET {
            return refused("no origin");
        }
        if origins.any(|origin| origin.as_bytes() != own.as_bytes()) {
            return refused("another origin");
        }
        let in_address = uri.path() == "/"
            && uri.query().and_then(|query| query.strip_prefix("token=")).is_some_and(|given| self.is_token(given));
        if in_address || self.token_in_cookies(headers) {
            return Ok(in_address);
        }
        Err(Refusal::new(StatusCode::UNAUTHORIZED, "no token: open the address that `dgm serve` has printed"))
    }

    fn token_in_cookies(&self, headers: &HeaderMap) -> bool {
        let name = format!("dgm-{}=", self.port);
        let lines = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        lines
            .flat_map(|line| line.split(';'))
            .any(|pair| pair.trim().strip_prefix(&name).is_some_and(|given| self.is_token(given)))
    }

    /// Compares in a time that does not depend on where the texts differ.
    fn is_token(&self, given: &str) -> bool {
        given.as_bytes().ct_eq(self.token.as_bytes()).into()
    }
}

/// What a page may load and do: its own files, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Headers of every answer.
const HEADERS: [(HeaderName, &str); 7] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Lets requests of the page pass, and gives every answer its headers.
pub(crate) async fn watch_over(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let admitted = guard.admit(request.method(), request.uri(), request.headers());
    if let (Ok(_), Some(visitor)) = (&admitted, request.extensions().get::<Visitor>()) {
        visitor.becomes_known();
    }
    let mut response = match &admitted {
        Ok(_) => next.run(request).await,
        Err(refusal) => refusal.clone().into_response(),
    };
    let headers = response.headers_mut();
    headers.extend(HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value))));
    if admitted == Ok(true) {
        headers.insert(axum::http::header::SET_COOKIE, guard.cookie());
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: Method, uri: &str, headers: &[(HeaderName, String)]) -> Answer<bool> {
        let guard = Guard { host: "127.0.0.1:80".into(), port: 80, token: "ab".repeat(TOKEN) };
        let headers = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()));
        guard.admit(&method, &uri.parse().unwrap(), &headers.collect())
    }

    #[test]
    fn table_the_page_passes_and_other_requests_do_not() {
        let token = "ab".repeat(TOKEN);
        let host = || (HOST, "127.0.0.1:80".to_string());
        let cookie = || (COOKIE, format!("a=b; dgm-80={token}"));
        let origin = |from: &str| (ORIGIN, from.to_string());
        let own = || origin("http://127.0.0.1:80");
        let page = format!("/?token={token}");
        assert_eq!(ask(Method::GET, &page, &[host()]), Ok(true));
        assert_eq!(ask(Method::GET, "/api/runs", &[host(), cookie()]), Ok(false));
        assert_eq!(ask(Method::POST, "/x", &[host(), cookie(), own()]), Ok(false));
        let status = |answer: Answer<bool>| answer.unwrap_err().status.as_u16();
        assert_eq!(status(ask(Method::GET, "/", &[host()])), 401);
        assert_eq!(status(ask(Method::GET, &format!("/api/runs?token={token}"), &[host()])), 401);
        assert_eq!(status(ask(Method::GET, &page[..page.len() - 1], &[host()])), 401);
        assert_eq!(status(ask(Method::GET, "/", &[host(), (COOKIE, format!("dgm-81={token}"))])), 401);
        assert_eq!(status(ask(Method::GET, &page, &[])), 403);
        assert_eq!(status(ask(Method::GET, &page, &[(HOST, "localhost:80".into())])), 403);
        assert_eq!(status(ask(Method::GET, &page, &[host(), host()])), 403);
        assert_eq!(status(ask(Method::GET, "http://a.example/", &[host(), cookie()])), 403);
        assert_eq!(status(ask(Method::POST, "/x", &[host(), cookie()])), 403);
        assert_eq!(status(ask(Method::GET, "/x", &[host(), cookie(), origin("null")])), 403);
        assert_eq!(status(ask(Method::POST, "/x", &[host(), cookie(), own(), origin("http://a.example")])), 403);
    }
}
