//! The client side: RFC 7865 documents and the multipart body of RFC 7866.

use std::fmt::Write as _;

use quick_xml::escape::escape;

/// The boundary of our bodies: no SDP or XML of ours has a line that begins with it.
const BOUNDARY: &str = "recording-session-boundary";

/// A metadata document to write. Times are RFC 3339 with zone; ids are base64 of a UUID (RFC 7865 6.10).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetadataSpec {
    /// A partial document names only what changed (RFC 7866 9.1).
    pub partial: bool,
    /// `group_id`, when there is a group.
    pub group_id: Option<String>,
    /// `session_id`.
    pub session_id: String,
    /// `sipSessionID` of the communication session.
    pub sip_session_id: Option<String>,
    /// When the session began.
    pub start_time: String,
    /// When it ended.
    pub stop_time: Option<String>,
    /// Who takes part.
    pub participants: Vec<ParticipantSpec>,
    /// What is sent.
    pub streams: Vec<StreamSpec>,
    /// Key/value pairs inside the session element, under a namespace of ours.
    pub parameters: Vec<(String, String)>,
}

/// One participant to write.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParticipantSpec {
    /// `participant_id`.
    pub id: String,
    /// Address of record, e.g. `sip:7001@example.com`.
    pub aor: String,
    /// Display name.
    pub name: Option<String>,
    /// Ids of streams it contributes to.
    pub sends: Vec<String>,
    /// Ids of streams it receives.
    pub receives: Vec<String>,
    /// When it joined.
    pub associate_time: String,
    /// When it left.
    pub disassociate_time: Option<String>,
}

/// One stream to write.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamSpec {
    /// `stream_id`.
    pub id: String,
    /// The SDP label it is bound to.
    pub label: String,
}

/// The document as text.
pub fn metadata(spec: &MetadataSpec) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n");
    out.push_str("<recording xmlns=\"urn:ietf:params:xml:ns:recording:1\">\r\n");
    element(&mut out, 1, "datamode", if spec.partial { "partial" } else { "complete" });
    if let Some(group) = &spec.group_id {
        open(&mut out, 1, "group", &[("group_id", group)]);
        element(&mut out, 2, "associate-time", &spec.start_time);
        close(&mut out, 1, "group");
    }
    session(&mut out, spec);
    for participant in &spec.participants {
        open(&mut out, 1, "participant", &[("participant_id", &participant.id)]);
        open(&mut out, 2, "nameID", &[("aor", &participant.aor)]);
        if let Some(name) = &participant.name {
            element(&mut out, 3, "name", name);
        }
        close(&mut out, 2, "nameID");
        close(&mut out, 1, "participant");
    }
    for stream in &spec.streams {
        open(&mut out, 1, "stream", &[("stream_id", &stream.id), ("session_id", &spec.session_id)]);
        element(&mut out, 2, "label", &stream.label);
        close(&mut out, 1, "stream");
    }
    associations(&mut out, spec);
    out.push_str("</recording>\r\n");
    out
}

/// The `Content-Disposition` of a body by [`multipart`]: both of its parts are required, and so is the whole (RFC 5621 8.2).
pub const DISPOSITION: &str = "render;handling=required";

/// `Content-Type` and octets of a body with an offer and its metadata (RFC 7866 9.1).
pub fn multipart(sdp: &[u8], metadata: &str) -> (String, Vec<u8>) {
    let mut body = Vec::with_capacity(sdp.len() + metadata.len() + 300);
    let part = |body: &mut Vec<u8>, headers: &str, content: &[u8]| {
        body.extend_from_slice(format!("--{BOUNDARY}\r\n{headers}\r\n\r\n").as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    };
    part(&mut body, "Content-Type: application/sdp\r\nContent-Disposition: session;handling=required", sdp);
    let headers =
        "Content-Type: application/rs-metadata+xml\r\nContent-Disposition: recording-session;handling=required";
    part(&mut body, headers, metadata.as_bytes());
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    (format!("multipart/mixed;boundary={BOUNDARY}"), body)
}

fn session(out: &mut String, spec: &MetadataSpec) {
    open(out, 1, "session", &[("session_id", &spec.session_id)]);
    if let Some(id) = &spec.sip_session_id {
        element(out, 2, "sipSessionID", id);
    }
    if let Some(group) = &spec.group_id {
        element(out, 2, "group-ref", group);
    }
    element(out, 2, "start-time", &spec.start_time);
    if let Some(stop) = &spec.stop_time {
        element(out, 2, "stop-time", stop);
    }
    if !spec.parameters.is_empty() {
        open(out, 2, "ExtensionParameters", &[("xmlns", "urn:example:recording:parameters")]);
        for (name, value) in &spec.parameters {
            let _ = write!(out, "      <Parameter name=\"{}\">{}</Parameter>\r\n", escape(name), escape(value));
        }
        close(out, 2, "ExtensionParameters");
    }
    close(out, 1, "session");
}

/// In the order of the schema: the session's, then who is in it, then who sends what.
fn associations(out: &mut String, spec: &MetadataSpec) {
    if !spec.partial {
        open(out, 1, "sessionrecordingassoc", &[("session_id", &spec.session_id)]);
        element(out, 2, "associate-time", &spec.start_time);
        close(out, 1, "sessionrecordingassoc");
    }
    for participant in &spec.participants {
        let ids = [("participant_id", participant.id.as_str()), ("session_id", spec.session_id.as_str())];
        open(out, 1, "participantsessionassoc", &ids);
        element(out, 2, "associate-time", &participant.associate_time);
        if let Some(time) = &participant.disassociate_time {
            element(out, 2, "disassociate-time", time);
        }
        close(out, 1, "participantsessionassoc");
    }
    for participant in &spec.participants {
        open(out, 1, "participantstreamassoc", &[("participant_id", &participant.id)]);
        for id in &participant.sends {
            element(out, 2, "send", id);
        }
        for id in &participant.receives {
            element(out, 2, "recv", id);
        }
        close(out, 1, "participantstreamassoc");
    }
}

fn open(out: &mut String, depth: usize, name: &str, attributes: &[(&str, &str)]) {
    let _ = write!(out, "{:indent$}<{name}", "", indent = depth * 2);
    for (key, value) in attributes {
        let _ = write!(out, " {key}=\"{}\"", escape(*value));
    }
    out.push_str(">\r\n");
}

fn close(out: &mut String, depth: usize, name: &str) {
    let _ = write!(out, "{:indent$}</{name}>\r\n", "", indent = depth * 2);
}

fn element(out: &mut String, depth: usize, name: &str, text: &str) {
    let _ = write!(out, "{:indent$}<{name}>{}</{name}>\r\n", "", escape(text), indent = depth * 2);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::siprec::{body, metadata as reading};

    fn spec() -> MetadataSpec {
        let participant = |id: &str, name: &str, sends: &str, receives: &str| ParticipantSpec {
            id: id.to_owned(),
            aor: "sip:7001@example.com".to_owned(),
            name: Some(name.to_owned()),
            sends: vec![sends.to_owned()],
            receives: vec![receives.to_owned()],
            associate_time: "2026-03-04T10:15:00.000Z".to_owned(),
            disassociate_time: None,
        };
        MetadataSpec {
            group_id: Some("g==".to_owned()),
            session_id: "s==".to_owned(),
            sip_session_id: Some("call@host".to_owned()),
            start_time: "2026-03-04T10:15:00.000Z".to_owned(),
            participants: vec![participant("p1", "Smith & \"Sons\" <x>", "a", "b"), participant("p2", "Zoë", "b", "a")],
            streams: ["a", "b"].map(|id| StreamSpec { id: id.to_owned(), label: id.to_uppercase() }).into(),
            parameters: vec![("campaign".to_owned(), "a<b".to_owned())],
            ..MetadataSpec::default()
        }
    }

    #[test]
    fn what_we_write_we_read_without_a_warning() {
        let (content_type, octets) = multipart(b"v=0\r\n", &metadata(&spec()));
        let headers = body::BodyHeaders { content_type: &content_type, ..body::BodyHeaders::default() };
        let parts = body::split(&headers, &octets, true).expect("our own body");
        assert_eq!(parts.sdp.as_deref(), Some(&b"v=0\r\n"[..]));
        let (media_type, xml) = parts.metadata.expect("metadata");
        let mut warnings = Vec::new();
        let read = reading::read(&media_type, &xml, &mut warnings);
        assert_eq!(warnings, []);
        assert!(read.complete);
        assert_eq!((read.session_id.as_deref(), read.groups.as_slice()), (Some("s=="), &["g==".to_owned()][..]));
        assert_eq!(read.participants[0].name.as_deref(), Some("Smith & \"Sons\" <x>"));
        assert_eq!(read.participants[1].sends, Some(vec!["b".to_owned()]));
        assert_eq!(read.streams[1].label.as_deref(), Some("B"));
        assert_eq!(read.user_data.get("campaign").map(String::as_str), Some("a<b"));
        assert_eq!(read.correlation.get("cs_call_id").map(String::as_str), Some("call@host"));
    }

    #[test]
    fn a_partial_document_says_who_left() {
        let mut spec = spec();
        spec.partial = true;
        spec.participants[1].disassociate_time = Some("2026-03-04T10:17:00.000Z".to_owned());
        let read = reading::read("application/rs-metadata+xml", metadata(&spec).as_bytes(), &mut Vec::new());
        assert!(!read.complete);
        assert_eq!(read.participants.iter().map(|p| p.has_left).collect::<Vec<_>>(), [false, true]);
    }
}
