//! One RTP stream of a call: when its packets are due, what is in them, how they are protected and sent.

pub mod dtls;
pub mod line;
pub mod packets;
pub mod ports;
pub mod protect;
pub mod said;
pub mod schedule;
