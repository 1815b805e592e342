//! The crypto suites of SDES: their names and lengths (RFC 4568 6.2, 6188 4, 7714 14.2).

/// A crypto suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Suite {
    /// AES-128 counter mode, 80-bit tag.
    AesCm128Sha1_80,
    /// AES-128 counter mode, 32-bit tag on RTP, 80-bit on RTCP.
    AesCm128Sha1_32,
    /// AES-256 counter mode, 80-bit tag.
    AesCm256Sha1_80,
    /// AES-256 counter mode, 32-bit tag on RTP, 80-bit on RTCP.
    AesCm256Sha1_32,
    /// AES-128-GCM, 128-bit tag.
    AeadAes128Gcm,
    /// AES-256-GCM, 128-bit tag.
    AeadAes256Gcm,
}

impl Suite {
    /// Every suite, in the order of RFC 4568, 6188, 7714.
    pub const ALL: [Self; 6] = [
        Self::AesCm128Sha1_80,
        Self::AesCm128Sha1_32,
        Self::AesCm256Sha1_80,
        Self::AesCm256Sha1_32,
        Self::AeadAes128Gcm,
        Self::AeadAes256Gcm,
    ];

    /// The suite of that name in an `a=crypto` line.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.name() == name)
    }

    /// The name in an `a=crypto` line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AesCm128Sha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128Sha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Self::AesCm256Sha1_80 => "AES_256_CM_HMAC_SHA1_80",
            Self::AesCm256Sha1_32 => "AES_256_CM_HMAC_SHA1_32",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    /// Octets of master key and master salt together, as in the `inline:` parameter.
    pub const fn key_salt_len(self) -> usize {
        self.key_len() + self.salt_len()
    }

    /// Octets of the master key, and of the session encryption keys.
    pub const fn key_len(self) -> usize {
        match self {
            Self::AesCm128Sha1_80 | Self::AesCm128Sha1_32 | Self::AeadAes128Gcm => 16,
            Self::AesCm256Sha1_80 | Self::AesCm256Sha1_32 | Self::AeadAes256Gcm => 32,
        }
    }

    /// Octets of the master salt, and of the session salts.
    pub const fn salt_len(self) -> usize {
        if self.is_aead() { 12 } else { 14 }
    }

    /// Octets of the SRTP authentication tag. SRTCP has 10, or 16 with AEAD, whatever the suite (RFC 4568 6.2).
    pub const fn rtp_tag_len(self) -> usize {
        match self {
            Self::AesCm128Sha1_80 | Self::AesCm256Sha1_80 => 10,
            Self::AesCm128Sha1_32 | Self::AesCm256Sha1_32 => 4,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
        }
    }

    /// Whether it is one of the AEAD suites (RFC 7714).
    pub const fn is_aead(self) -> bool {
        matches!(self, Self::AeadAes128Gcm | Self::AeadAes256Gcm)
    }
}
