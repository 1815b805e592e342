//! Dialects without a metadata document: one header field per party (Cisco NBR), parameters of the URI in From, one
//! dialog per end of the call (Cisco CUCM built-in bridge). Which names count is said by the profile.

use crate::{
    event::{Confidence, Join, Metadata, MetadataStream, Participant},
    profile::{LegRule, ParticipantsRule, Profile, uri_parameters},
    sip::{Headers, NameAddr, text},
    siprec::limits,
};

/// Header fields as metadata (RFC 3420 names the type): what was read is kept with the recording.
const FRAGMENT: &str = "message/sipfrag";

/// Every party that a header field names, each on the m-line that it counts; a party without a number counts by its
/// place. `None` when no such field is there.
pub(crate) fn from_headers(rule: &ParticipantsRule, headers: &Headers) -> Option<Metadata> {
    let fields: Vec<&str> = headers.all(&rule.header).take(limits::ITEMS).collect();
    if fields.is_empty() {
        return None;
    }
    let mut metadata = fragment(fields.iter().map(|value| (rule.header.as_str(), *value)));
    let parties = fields.iter().flat_map(|value| text::split(value, ',')).filter_map(NameAddr::parse);
    for (place, party) in parties.take(limits::ITEMS).enumerate() {
        let said = party.params.get(&rule.line).and_then(|line| line.parse::<u16>().ok());
        if said.is_none() {
            metadata.trust = Confidence::Medium;
        }
        let line = said.unwrap_or(place as u16);
        add(&mut metadata, (place, line), Some(party.uri));
    }
    Some(metadata)
}

/// The end of the call that this dialog carries, and what joins it with the other end. `None` when the URI marks
/// neither end.
pub(crate) fn from_uri(profile: &Profile, headers: &Headers) -> Option<(Metadata, Option<Join>)> {
    let rule = &profile.leg;
    let from = NameAddr::parse(headers.get("From")?)?;
    let params = uri_parameters(&from.uri);
    let LegRule { near, far, near_address, far_address, join } = rule;
    let (end, address) = match (params.has(near), params.has(far)) {
        (true, _) => ("near", near_address),
        (false, true) => ("far", far_address),
        (false, false) => return None,
    };
    let mut metadata = fragment(std::iter::once(("From", headers.get("From").unwrap_or_default())));
    let number = params.get(address).filter(|number| !number.is_empty()).map(cut);
    add(&mut metadata, (0, 0), number);
    for participant in &mut metadata.participants {
        end.clone_into(&mut participant.id);
        let fits = profile.role.iter().find(|rule| rule.leg.as_deref() == Some(end));
        participant.role = fits.map(|rule| rule.role.clone());
    }
    // A dialog that does not say to which call it belongs stands alone.
    let parts: Option<Vec<String>> =
        join.iter().map(|name| params.get(name).map(cut).filter(|value| !value.is_empty())).collect();
    let joined = parts.map(|parts| {
        let (first, rest) =
            parts.split_first().map(|(first, rest)| (first.clone(), rest.join("|"))).unwrap_or_default();
        Join { key: (format!("{}:{first}", profile.name), Some(rest)), legs: vec![end.to_owned()] }
    });
    Some((metadata, joined))
}

fn fragment<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> Metadata {
    let raw = fields.fold(String::new(), |raw, (name, value)| raw + name + ": " + value + "\r\n");
    Metadata { content_type: FRAGMENT.to_owned(), raw: raw.into_bytes(), complete: true, ..Metadata::default() }
}

/// A participant that sends on one m-line.
fn add(metadata: &mut Metadata, (place, line): (usize, u16), address: Option<String>) {
    let stream = format!("line-{line}");
    metadata.participants.push(Participant {
        id: format!("party-{place}"),
        aors: address.iter().map(|address| cut(address)).collect(),
        sends: Some(vec![stream.clone()]),
        ..Participant::default()
    });
    if metadata.streams.iter().all(|known| known.id != stream) {
        metadata.streams.push(MetadataStream { id: stream, line: Some(line), ..MetadataStream::default() });
    }
}

fn cut(text: &str) -> String {
    text.trim().chars().take(limits::TEXT_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Catalogue;

    const NBR: &str = "X-Cisco-Recording-Participant";

    fn headers(values: &[&str]) -> Headers {
        values.iter().fold(Headers::new(), |headers, value| headers.with(NBR, *value))
    }

    #[test]
    fn a_header_names_a_party_and_its_line() {
        let profile = Catalogue::built_in().named("cisco-nbr").unwrap();
        let read = |values: &[&str]| from_headers(&profile.participants, &headers(values));
        let told = read(&["sip:b@x;media-index=\"1\"", "\"A, B\" <sip:a@x;user=phone>;media-index=0"]).unwrap();
        let bound: Vec<_> = told.streams.iter().map(|stream| stream.line).collect();
        assert_eq!(bound, [Some(1), Some(0)]);
        assert_eq!(told.participants[1].aors, ["sip:a@x;user=phone"]);
        assert_eq!((told.complete, told.trust), (true, Confidence::High));
        let unnumbered = read(&["sip:a@x, sip:b@x;media-index=z"]).unwrap();
        assert_eq!((unnumbered.streams.len(), unnumbered.trust), (2, Confidence::Medium));
        assert!(read(&[]).is_none());
        assert!(read(&["<unclosed \"quote"]).is_some_and(|told| told.participants.is_empty()));
    }

    #[test]
    fn both_ends_of_a_bridge_join_by_call_and_device() {
        let profile = Catalogue::built_in().named("cucm-bib").unwrap();
        let uri = "x-refci=7;x-nearenddevice=SEP1;x-nearendaddr=1022;x-farendaddr=+1202";
        let read =
            |end: &str| from_uri(profile, &Headers::new().with("From", format!("\"R\" <sip:5@c;{end}{uri}>;tag=t")));
        let ((near, a), (far, b)) = (read("x-nearend;").unwrap(), read("x-farend;").unwrap());
        let (a, b) = (a.unwrap(), b.unwrap());
        assert_eq!(a.key, b.key);
        assert_eq!((a.legs, b.legs), (vec!["near".to_owned()], vec!["far".to_owned()]));
        assert_eq!(
            (near.participants[0].aors[0].as_str(), near.participants[0].role.as_deref()),
            ("1022", Some("near-end"))
        );
        assert_eq!(
            (far.participants[0].aors[0].as_str(), far.participants[0].role.as_deref()),
            ("+1202", Some("far-end"))
        );
        assert!(read("").is_none());
        let lone = Headers::new().with("From", "<sip:5@c;x-nearend;x-refci=;x-nearenddevice=S>;tag=t");
        assert!(from_uri(profile, &lone).unwrap().1.is_none(), "an empty value joins nobody");
    }
}
