//! What a peer asks of its recording in the middle of a session, by a header of its own or by a document in an INFO.

use quick_xml::{Reader, events::Event};

use super::{Control, Profile};
use crate::{event::Action, sip::Request};

/// Tags of a document that are looked at; MSML has a handful.
const TAGS: usize = 1_024;

/// The action that an INFO asks for, where the profile knows its header or its document.
pub(crate) fn action(profile: &Profile, request: &Request) -> Option<Action> {
    let control = &profile.control;
    let by_header = || request.headers.get(&control.header).filter(|_| !control.header.is_empty());
    let said = by_header().map(|value| value.split(';').next().unwrap_or_default().trim().to_owned());
    let said = said.or_else(|| documented(control, request))?;
    let is_one_of = |values: &[String]| values.iter().any(|value| value.eq_ignore_ascii_case(&said));
    let known = [(&control.pause, Action::Pause), (&control.resume, Action::Resume), (&control.stop, Action::Stop)];
    known.into_iter().find(|(values, _)| is_one_of(values)).map(|(_, action)| action)
}

/// What the document says. Genesys sends its elements under a prefix that nobody declared (genesys.md): tags are read as
/// they look.
fn documented(control: &Control, request: &Request) -> Option<String> {
    let document = control.document.as_ref()?;
    let content_type = request.headers.get("Content-Type")?.split(';').next()?.trim();
    if !content_type.eq_ignore_ascii_case(&document.content_type) {
        return None;
    }
    let mut reader = Reader::from_reader(request.body.as_slice());
    reader.config_mut().check_end_names = false;
    for _ in 0..TAGS {
        let (Event::Start(tag) | Event::Empty(tag)) = (match reader.read_event() {
            Ok(Event::Eof) | Err(_) => return None,
            Ok(event) => event,
        }) else {
            continue;
        };
        if tag.local_name().as_ref() == document.element.as_bytes() {
            let is_it = |name: &[u8]| name == document.attribute.as_bytes();
            let mut attributes = tag.attributes();
            let said = attributes.with_checks(false).flatten().find(|said| is_it(said.key.local_name().as_ref()));
            if let Some(state) = said {
                return std::str::from_utf8(&state.value).ok().map(|value| value.trim().to_owned());
            }
        }
    }
    None
}
