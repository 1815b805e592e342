//! What the command line makes of a file.

use super::*;

#[test]
fn a_file_from_an_editor_gets_the_line_ends_and_the_length_of_the_wire() {
    let text = "INVITE sip:a@b SIP/2.0\nl: 999\nVia: SIP/2.0/TLS 192.0.2.7:5061;branch=z9hG4bK1\n\nv=0\ns=-\n";
    let read = String::from_utf8(on_the_wire(text.into())).expect("text");
    let whole = b"A\r\n\r\nB\n".to_vec();
    assert_eq!(on_the_wire(whole.clone()), whole, "what has the line ends of the wire stays");
    assert!(read.ends_with("Content-Length: 10\r\n\r\nv=0\r\ns=-\r\n"), "{read}");
    assert!(!read.contains("999"));
}

#[test]
fn the_transport_is_that_of_the_via() {
    for (via, transport) in [
        ("SIP/2.0/UDP 192.0.2.1", Transport::Udp),
        ("SIP/2.0/tls host", Transport::Tls),
        ("SIP/2.0/TCP host", Transport::Tcp),
        ("", Transport::Tcp),
    ] {
        assert_eq!(transport_of(via), transport, "{via}");
    }
}
