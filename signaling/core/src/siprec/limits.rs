//! The bounds of SIPREC bodies and metadata: what is counted, how much, and what happens beyond.

/// Parts of a multipart body, nested ones included; beyond it 400. Vendors send two or three.
pub const PARTS: usize = 16;

/// Header lines of one part; beyond it 400.
pub const PART_HEADERS: usize = 32;

/// A boundary (RFC 2046 5.1.1 says 70); beyond it 400.
pub const BOUNDARY_OCTETS: usize = 200;

/// A metadata document; beyond it `metadata_rejected`, the raw octets are kept.
pub const METADATA_OCTETS: usize = 1024 * 1024;

/// Depth of nested elements; beyond it `metadata_rejected`. RFC 7865 needs 4.
pub const DEPTH: usize = 64;

/// Attributes of one element; beyond it `metadata_rejected`.
pub const ATTRIBUTES: usize = 256;

/// Elements of one document; beyond it `metadata_rejected`.
pub const ELEMENTS: usize = 10_000;

/// Participants, streams, groups or ids of one kind; later ones are dropped (`metadata_truncated`).
pub const ITEMS: usize = 256;

/// One id, name or address in characters; longer ones are cut.
pub const TEXT_CHARS: usize = 1_024;

/// Known key/value pairs kept from extensions; later ones stay in the raw octets alone.
pub const EXTENSION_KEYS: usize = 128;

/// Parts of one message that are kept without being understood; later ones are dropped (`attachment_dropped`).
pub const ATTACHMENTS: usize = 8;

/// Octets of one such part; a longer one is dropped (`attachment_dropped`). Call-control signals take a few hundred.
pub const ATTACHMENT_OCTETS: usize = 64 * 1024;

/// Value of one correlation key in characters; longer ones are cut.
pub const CORRELATION_CHARS: usize = 256;

/// Header fields of one INVITE that are kept as they came; later ones are dropped.
pub const KEPT_HEADERS: usize = 32;

/// Leaves of extensions that roles are read from; later ones do not count.
pub const HINTS: usize = 512;
