//! The bounds of this crate: each with its reason and what happens at the bound.

/// Octets of a master key file: its one line has 88. Longer files are refused unread.
pub const KEY_FILE_OCTETS: u64 = 1024;

/// Octets of a PEM file: a chain with its CAs has a few KiB, a bundle of the world's roots 250 KiB. Longer: refused unread.
pub const PEM_FILE_OCTETS: u64 = 1 << 20;
