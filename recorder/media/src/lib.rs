//! From packets to sound: RTP and RTCP, counting, chunks on the way in; codecs, one timeline, rendering on the way out.
//!
//! On the way in nothing is decoded: [`rtp::RtpView`] proves that octets are RTP, [`count::StreamCounter`] says what
//! the network did to them, [`chunk::ChunkWriter`] keeps them as they came. After the call the same packets are read
//! twice: [`render::Survey`] sees all of them and draws a [`render::Plan`], [`render::Renderer`] sees them again and
//! writes sound. Two passes, so that a recording of a day needs no more memory than one of a minute.

pub mod chunk;
pub mod codec;
pub mod count;
pub mod limits;
pub mod mp3;
pub mod peaks;
pub mod render;
pub mod rtcp;
pub mod rtp;
pub mod speech;
mod stream;
mod timeline;
pub mod wav;
