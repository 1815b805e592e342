//! A session description put away: one block of octets instead of some forty, for the thousands that only a
//! renegotiation, a restart or an offer of ours will ask for (2.9 kB less a call of two lines).

use super::{Attribute, Connection, Media, SessionDescription};

/// A session description as it was, in as little room as it needs. It holds keys: it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Packed(Box<[u8]>);

impl Packed {
    /// The description again.
    pub(crate) fn open(&self) -> SessionDescription {
        Reader(&self.0).description().expect("it is what was packed, and nobody can change it")
    }
}

impl From<&SessionDescription> for Packed {
    fn from(sdp: &SessionDescription) -> Self {
        let mut out = Writer(Vec::with_capacity(512));
        let SessionDescription { origin, connection, time, attributes, media } = sdp;
        out.text(origin);
        out.connection(connection.as_ref());
        out.text(time);
        out.list(attributes, Writer::attribute);
        out.list(media, |out, media| {
            let Media { kind, port, protocol, formats, connection, attributes } = media;
            out.text(kind);
            out.number(usize::from(*port));
            out.text(protocol);
            out.list(formats, |out, format| out.text(format));
            out.connection(connection.as_ref());
            out.list(attributes, Writer::attribute);
        });
        Self(out.0.into_boxed_slice())
    }
}

/// Numbers by seven bits an octet, the lowest first; texts and lists behind their length; an option as a list.
struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, mut number: usize) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn text(&mut self, text: &str) {
        self.number(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    fn list<T>(&mut self, list: &[T], each: impl Fn(&mut Self, &T)) {
        self.number(list.len());
        list.iter().for_each(|item| each(self, item));
    }

    fn connection(&mut self, connection: Option<&Connection>) {
        self.list(connection.as_slice(), |out, connection| out.text(&connection.host));
    }

    fn attribute(&mut self, attribute: &Attribute) {
        self.text(&attribute.name);
        self.list(attribute.value.as_slice(), |out, value| out.text(value));
    }
}

struct Reader<'p>(&'p [u8]);

impl Reader<'_> {
    fn number(&mut self) -> Option<usize> {
        let (mut number, mut shift) = (0, 0);
        loop {
            let (octet, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= usize::from(octet & 0x7f) << shift;
            if octet & 0x80 == 0 {
                return Some(number);
            }
            shift += 7;
        }
    }

    fn text(&mut self) -> Option<String> {
        let length = self.number()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(std::str::from_utf8(text).ok()?.to_owned())
    }

    fn list<T>(&mut self, each: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        (0..self.number()?).map(|_| each(self)).collect()
    }

    fn connection(&mut self) -> Option<Option<Connection>> {
        let mut hosts = self.list(Self::text)?;
        Some(hosts.pop().map(|host| Connection { host }))
    }

    fn attribute(&mut self) -> Option<Attribute> {
        Some(Attribute { name: self.text()?, value: self.list(Self::text)?.pop() })
    }

    fn media(&mut self) -> Option<Media> {
        Some(Media {
            kind: self.text()?,
            port: self.number()? as u16,
            protocol: self.text()?,
            formats: self.list(Self::text)?,
            connection: self.connection()?,
            attributes: self.list(Self::attribute)?,
        })
    }

    fn description(&mut self) -> Option<SessionDescription> {
        Some(SessionDescription {
            origin: self.text()?,
            connection: self.connection()?,
            time: self.text()?,
            attributes: self.list(Self::attribute)?,
            media: self.list(Self::media)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn attributes() -> impl Strategy<Value = Vec<Attribute>> {
        let attribute = (any::<String>(), any::<Option<String>>()).prop_map(|(name, value)| Attribute { name, value });
        proptest::collection::vec(attribute, 0..4)
    }

    fn media() -> impl Strategy<Value = Media> {
        let texts = proptest::collection::vec(any::<String>(), 0..4);
        (any::<(String, u16, String, Option<String>)>(), texts, attributes()).prop_map(
            |((kind, port, protocol, host), formats, attributes)| Media {
                kind,
                port,
                protocol,
                formats,
                connection: host.map(|host| Connection { host }),
                attributes,
            },
        )
    }

    proptest! {
        #[test]
        fn whatever_was_packed_comes_back(
            (origin, host, time) in any::<(String, Option<String>, String)>(),
            attributes in attributes(),
            media in proptest::collection::vec(media(), 0..4),
        ) {
            let connection = host.map(|host| Connection { host });
            let sdp = SessionDescription { origin, connection, time, attributes, media };
            prop_assert_eq!(Packed::from(&sdp).open(), sdp);
        }
    }

    #[test]
    fn an_offer_of_two_lines_takes_as_much_room_as_its_text() {
        let line = "m=audio 40000 RTP/SAVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
            a=fmtp:101 0-15\r\na=ptime:20\r\na=label:1\r\n\
            a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\na=sendonly\r\n";
        let text = format!("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n{line}{line}");
        let packed = Packed::from(&SessionDescription::parse(text.as_bytes()).unwrap());
        assert!(packed.0.len() <= text.len(), "{} octets for {}", packed.0.len(), text.len());
    }
}
