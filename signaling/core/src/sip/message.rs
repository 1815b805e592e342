//! A SIP message whose existence means that the headers every rule relies on are there and well formed.

use std::fmt;

use super::{Headers, NameAddr, typed::Via};

/// Request method. Case-sensitive (RFC 3261 7.1); unknown ones are kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Method {
    /// RFC 3261 13.
    Invite,
    /// RFC 3261 13.
    Ack,
    /// RFC 3261 15.
    Bye,
    /// RFC 3261 9.
    Cancel,
    /// RFC 3261 11.
    Options,
    /// RFC 6086.
    Info,
    /// RFC 3311.
    Update,
    /// Anything else: 405.
    Other(String),
}

impl Method {
    /// Reads a token.
    pub fn from_token(token: &str) -> Self {
        match token {
            "INVITE" => Self::Invite,
            "ACK" => Self::Ack,
            "BYE" => Self::Bye,
            "CANCEL" => Self::Cancel,
            "OPTIONS" => Self::Options,
            "INFO" => Self::Info,
            "UPDATE" => Self::Update,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The token.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Invite => "INVITE",
            Self::Ack => "ACK",
            Self::Bye => "BYE",
            Self::Cancel => "CANCEL",
            Self::Options => "OPTIONS",
            Self::Info => "INFO",
            Self::Update => "UPDATE",
            Self::Other(token) => token,
        }
    }

    /// A label for metrics: peers must not be able to invent label values.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Invite => "INVITE",
            Self::Ack => "ACK",
            Self::Bye => "BYE",
            Self::Cancel => "CANCEL",
            Self::Options => "OPTIONS",
            Self::Info => "INFO",
            Self::Update => "UPDATE",
            Self::Other(token) => match token.as_str() {
                "REGISTER" => "REGISTER",
                "SUBSCRIBE" => "SUBSCRIBE",
                "NOTIFY" => "NOTIFY",
                "MESSAGE" => "MESSAGE",
                "PUBLISH" => "PUBLISH",
                "PRACK" => "PRACK",
                "REFER" => "REFER",
                _ => "OTHER",
            },
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A request with its mandatory headers read.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Method of the request line.
    pub method: Method,
    /// Request-URI as written.
    pub uri: String,
    /// Every header, as it came.
    pub headers: Headers,
    /// Body, exactly Content-Length octets.
    pub body: Vec<u8>,
    /// Topmost Via.
    pub via: Via,
    /// From.
    pub from: NameAddr,
    /// To.
    pub to: NameAddr,
    /// Call-ID.
    pub call_id: String,
    /// Number of CSeq.
    pub cseq: u32,
}

/// Digits come in the bodies of INFO: nothing of them stays in memory that somebody else may read later.
impl Drop for Request {
    fn drop(&mut self) {
        if self.method == Method::Info {
            self.body.fill(0);
            std::hint::black_box(&self.body);
        }
    }
}

/// A response with its mandatory headers read.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// Status code, 100-699.
    pub status: u16,
    /// Reason phrase as written.
    pub reason: String,
    /// Every header.
    pub headers: Headers,
    /// Body.
    pub body: Vec<u8>,
    /// Topmost Via.
    pub via: Via,
    /// From.
    pub from: NameAddr,
    /// To.
    pub to: NameAddr,
    /// Call-ID.
    pub call_id: String,
    /// Number of CSeq.
    pub cseq: u32,
    /// Method of CSeq.
    pub method: Method,
}

/// Either kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// A request.
    Request(Box<Request>),
    /// A response.
    Response(Box<Response>),
}

/// A message that cannot be used, and what to say about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Malformed {
    /// Status for the answer, when there is anybody to answer.
    pub status: u16,
    /// The rule that was broken, for the reason phrase and the log. Holds nothing of the message.
    pub rule: &'static str,
    /// Method and headers, when the message was a request from whose headers an answer can be made.
    pub request: Option<(Method, Headers)>,
}

/// Reason phrase of a status code (RFC 3261 21 and its extensions).
pub const fn reason(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Request Entity Too Large",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        421 => "Extension Required",
        422 => "Session Interval Too Small",
        469 => "Bad Info Package",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        491 => "Request Pending",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        603 => "Decline",
        _ => "Unspecified",
    }
}
