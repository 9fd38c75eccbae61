//! What is known of Deflate's streams before they are unpacked.

/// Deflate cannot expand more than this (RFC 1951: a match of 258 bytes takes at least two bits).
pub(super) const DEFLATE_RATIO: u64 = 1032;
