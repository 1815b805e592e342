//! The bounds of SDP: what is counted, how much, and what happens beyond.

/// A description longer than this is refused with 400; the longest of the vendors' is 4 KiB.
pub const OCTETS: usize = 64 * 1024;

/// Lines of any kind; beyond it 400.
pub const LINES: usize = 2_048;

/// One line; beyond it 400. Only `a=` lines with many candidates or keys come near.
pub const LINE_OCTETS: usize = 4 * 1024;

/// m-lines that get a port; later ones are answered with port 0 (`too_many_lines`).
pub const USED_MEDIA: usize = 16;

/// m-lines at all; beyond it the offer is refused with 488, because an answer has to repeat every one.
pub const MEDIA: usize = 64;

/// Formats of one m-line; later ones are dropped.
pub const FORMATS: usize = 64;

/// Attributes of one m-line or of the session; later ones are dropped.
pub const ATTRIBUTES: usize = 256;

/// Crypto lines looked at on one m-line.
pub const CRYPTO_LINES: usize = 16;
