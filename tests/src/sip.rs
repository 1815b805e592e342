//! A SIP peer that sends what a test wrote, octet for octet, over UDP, TCP or TLS, and reads the answers.

use std::{
    io::{Read, Write},
    net::{TcpStream, UdpSocket},
    path::Path,
    sync::Arc,
    time::Duration,
};

/// A connection to the recorder.
pub enum Peer {
    /// One datagram is one message.
    Udp(UdpSocket),
    /// A stream; octets that were read too far wait in the buffer.
    Stream(Box<dyn Stream>, Vec<u8>),
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Peer")
    }
}

/// TCP, or TLS over it.
pub trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// A message from the recorder.
#[derive(Debug, Clone)]
pub struct Message {
    /// Status code; 0 for a request.
    pub status: u16,
    /// Everything up to the empty line.
    pub head: String,
    /// The body.
    pub body: String,
}

const PATIENCE: Duration = Duration::from_secs(5);

impl Peer {
    /// Over UDP.
    ///
    /// # Panics
    /// When there is no socket.
    pub fn udp(port: u16) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.connect(("127.0.0.1", port)).expect("an address");
        socket.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        Self::Udp(socket)
    }

    /// Over TCP.
    ///
    /// # Panics
    /// When nobody listens.
    pub fn tcp(port: u16) -> Self {
        Self::Stream(Box::new(stream(port)), Vec::new())
    }

    /// Over TLS; the server must show `certificate`.
    ///
    /// # Panics
    /// When the handshake cannot begin.
    pub fn tls(port: u16, certificate: &Path) -> Self {
        let pem = std::fs::read(certificate).expect("the recorder's certificate");
        let config = crypto::tls::client_config(crypto::tls::Trust::Roots(pem), None).expect("a client configuration");
        let name = "127.0.0.1".try_into().expect("a name");
        let session = rustls::ClientConnection::new(Arc::clone(&config), name).expect("a session");
        Self::Stream(Box::new(rustls::StreamOwned::new(session, stream(port))), Vec::new())
    }

    /// Sends octets as they are.
    ///
    /// # Panics
    /// When the connection is gone.
    pub fn send(&mut self, octets: &[u8]) {
        match self {
            Self::Udp(socket) => assert_eq!(socket.send(octets).expect("sent"), octets.len()),
            Self::Stream(stream, _) => {
                stream.write_all(octets).expect("sent");
                stream.flush().expect("sent");
            }
        }
    }

    /// The next message; none after five seconds or at the end of the connection.
    pub fn receive(&mut self) -> Option<Message> {
        match self {
            Self::Udp(socket) => {
                let mut octets = vec![0; 65_536];
                let length = socket.recv(&mut octets).ok()?;
                split(&mut octets[..length].to_vec())
            }
            Self::Stream(stream, buffer) => loop {
                if let Some(message) = split(buffer) {
                    return Some(message);
                }
                let mut octets = [0; 4096];
                match stream.read(&mut octets) {
                    Ok(0) | Err(_) => return None,
                    Ok(length) => buffer.extend_from_slice(&octets[..length]),
                }
            },
        }
    }

    /// Sends a request and returns its final response; what the recorder asks in between is answered with 200.
    ///
    /// # Panics
    /// When no final response comes.
    pub fn ask(&mut self, request: &str) -> Message {
        self.send(request.as_bytes());
        self.answer(header(request, "CSeq").expect("a CSeq"))
    }

    /// The final response to the request of that CSeq.
    ///
    /// # Panics
    /// When none comes.
    pub fn answer(&mut self, cseq: &str) -> Message {
        loop {
            let message = self.receive().unwrap_or_else(|| panic!("no answer to {cseq}"));
            if message.status == 0 {
                self.oblige(&message);
            } else if message.status >= 200 && message.header("CSeq") == Some(cseq) {
                return message;
            }
        }
    }

    /// Answers a request of the recorder with 200.
    pub fn oblige(&mut self, request: &Message) {
        self.send(reply(request).as_bytes());
    }
}

impl Message {
    /// The first header field of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    /// The tag of the To header.
    pub fn to_tag(&self) -> Option<&str> {
        self.header("To")?.split(";tag=").nth(1).map(|rest| rest.split(';').next().unwrap_or(rest))
    }

    /// The attributes and lines of each m-line of the body, the m-line first.
    pub fn lines(&self) -> Vec<Vec<&str>> {
        let mut media: Vec<Vec<&str>> = Vec::new();
        for line in self.body.lines() {
            match (line.starts_with("m="), media.last_mut()) {
                (true, _) => media.push(vec![line]),
                (false, Some(last)) => last.push(line),
                (false, None) => {}
            }
        }
        media
    }

    /// The port of an m-line.
    ///
    /// # Panics
    /// When there is none.
    pub fn port(&self, line: usize) -> u16 {
        let lines = self.lines();
        lines[line][0].split(' ').nth(1).and_then(|port| port.parse().ok()).expect("a port")
    }
}

/// The value of a header field, by its full name.
pub fn header<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    let head = message.split("\r\n\r\n").next().unwrap_or(message);
    let fields = head.split("\r\n").filter_map(|line| line.split_once(':'));
    fields.filter(|(field, _)| field.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
}

/// An ACK for the final response to `invite`.
///
/// # Panics
/// When the request lacks a header.
pub fn ack(invite: &str, response: &Message) -> String {
    let value = |name| header(invite, name).unwrap_or_default();
    let number = value("CSeq").split(' ').next().unwrap_or("1").to_owned();
    let uri = invite.split(' ').nth(1).expect("a Request-URI");
    // The ACK of a 2xx is a transaction of its own (RFC 3261 13.2.2.4).
    let branch = if response.status < 300 { format!("{}-ack", value("Via")) } else { value("Via").to_owned() };
    format!(
        "ACK {uri} SIP/2.0\r\nVia: {branch}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {number} ACK\r\nContent-Length: 0\r\n\r\n",
        value("From"),
        response.header("To").unwrap_or_default(),
        value("Call-ID"),
    )
}

/// A 200 to a request of the recorder.
pub fn reply(request: &Message) -> String {
    let mut out = "SIP/2.0 200 OK\r\n".to_owned();
    for line in request.head.split("\r\n").skip(1) {
        let name = line.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
        if matches!(name.as_str(), "via" | "from" | "to" | "call-id" | "cseq") {
            out += &format!("{line}\r\n");
        }
    }
    out + "Contact: <sip:src@127.0.0.1>;+sip.src\r\nContent-Length: 0\r\n\r\n"
}

fn stream(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("a listener");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    stream
}

/// Takes the first whole message out of the buffer.
pub fn split(buffer: &mut Vec<u8>) -> Option<Message> {
    let end = buffer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    let length: usize = header(&head, "Content-Length").and_then(|value| value.parse().ok()).unwrap_or(0);
    let body = buffer.get(end + 4..end + 4 + length)?;
    let body = String::from_utf8_lossy(body).into_owned();
    buffer.drain(..end + 4 + length);
    let status = head.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok());
    Some(Message { status: status.unwrap_or(0), head, body })
}
