//! RTP and offers as a test writes them by hand.

use std::net::UdpSocket;

use media::rtp::RtpHeader;

/// A plain RTP stream of mu-law.
#[derive(Debug)]
pub struct Stream {
    socket: UdpSocket,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
}

impl Stream {
    /// From `source` (an address of this host, any port).
    ///
    /// # Panics
    /// When the address cannot be bound.
    pub fn new(source: &str, ssrc: u32) -> Self {
        let socket = UdpSocket::bind((source, 0)).expect("a socket");
        Self { socket, sequence: 100, timestamp: 16_000, ssrc }
    }

    /// Its own port.
    ///
    /// # Panics
    /// When the system cannot say.
    pub fn port(&self) -> u16 {
        self.socket.local_addr().expect("an address").port()
    }

    /// Sends `octets` as packets of 20 ms, without waiting between them.
    ///
    /// # Panics
    /// When the socket refuses.
    pub fn send(&mut self, to: u16, octets: &[u8]) {
        for payload in octets.chunks(160) {
            let header = RtpHeader {
                payload_type: 0,
                marker: self.sequence == 100,
                sequence: self.sequence,
                timestamp: self.timestamp,
                ssrc: self.ssrc,
            };
            let mut packet = Vec::new();
            header.write(&mut packet);
            packet.extend_from_slice(payload);
            self.raw(to, &packet);
            self.sequence = self.sequence.wrapping_add(1);
            self.timestamp = self.timestamp.wrapping_add(160);
        }
    }

    /// Says nothing for so many samples: its clock runs on.
    pub fn rest(&mut self, samples: u32) {
        self.timestamp = self.timestamp.wrapping_add(samples);
    }

    /// Sends a datagram as it is.
    ///
    /// # Panics
    /// When the socket refuses.
    pub fn raw(&self, to: u16, octets: &[u8]) {
        self.socket.send_to(octets, ("127.0.0.1", to)).expect("sent");
    }
}

/// A Genesys INVITE with one recorded line each in `lines` (everything of a line after `m=audio `).
pub fn genesys_invite(transport: &str, record_id: &str, lines: &[&str]) -> String {
    let mut sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n".to_owned();
    for line in lines {
        sdp += &format!("m=audio {line}\r\n");
    }
    let call = format!("{record_id}-{}", std::process::id());
    format!(
        "INVITE sip:record={record_id}@127.0.0.1;calluuid=U{record_id};dn=5550100;otherDN=7001;recordDN=7001 SIP/2.0\r\n\
         Via: SIP/2.0/{transport} 127.0.0.1:5999;rport;branch=z9hG4bK{call}\r\nMax-Forwards: 70\r\n\
         From: <sip:ms@127.0.0.1>;tag=f{call}\r\nTo: <sip:record={record_id}@127.0.0.1>\r\nCall-ID: {call}\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:ms@127.0.0.1:5999>\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    )
}
