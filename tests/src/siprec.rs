//! A SIPREC INVITE around any offer: two parties, the caller on the first label.

use signaling_core::siprec::write::{MetadataSpec, ParticipantSpec, StreamSpec, metadata, multipart};

/// Metadata for `caller` and the agent 7002, who send on these labels.
pub fn document(caller: &str, labels: [&str; 2]) -> String {
    let id = |number: u8| format!("AAAAAAAAQACAAAAAAAAA{}==", char::from(b'A' + number));
    let party = |number: u8, digits: &str, name: &str| ParticipantSpec {
        id: id(number),
        aor: format!("sip:{digits}@clients.example.com"),
        name: Some(name.to_owned()),
        sends: vec![id(number + 2)],
        receives: vec![id(5 - number)],
        associate_time: "2026-03-04T10:15:00.000Z".to_owned(),
        disassociate_time: None,
    };
    metadata(&MetadataSpec {
        // Another call is another session: base64 of 16 octets, told by the number.
        session_id: format!("{caller:A<22}=="),
        start_time: "2026-03-04T10:15:00.000Z".to_owned(),
        participants: vec![party(1, caller, "Caller"), party(2, "7002", "Agent")],
        streams: vec![3, 4]
            .into_iter()
            .zip(labels)
            .map(|(number, label)| StreamSpec { id: id(number), label: label.to_owned() })
            .collect(),
        ..MetadataSpec::default()
    })
}

/// An INVITE over `transport` that carries `sdp` and the metadata for its labels.
pub fn invite(transport: &str, caller: &str, sdp: &str, labels: [&str; 2]) -> String {
    let (content_type, body) = multipart(sdp.as_bytes(), &document(caller, labels));
    let call = format!("siprec-{caller}-{}", std::process::id());
    format!(
        "INVITE sip:srs@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/{transport} 127.0.0.1:5999;rport;branch=z9hG4bK{call}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:src@127.0.0.1>;tag=f{call}\r\nTo: <sip:srs@127.0.0.1>\r\nCall-ID: {call}\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:src@127.0.0.1:5999;transport={transport}>;+sip.src\r\nRequire: siprec\r\n\
         Content-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{}",
        body.len(),
        String::from_utf8_lossy(&body)
    )
}
