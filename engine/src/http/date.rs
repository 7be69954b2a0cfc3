//! The Date field's value.

/// `Sun, 06 Nov 1994 08:49:37 GMT`: an IMF-fixdate.
///
/// # Source
/// RFC 9110 section 5.6.7.
pub type ImfFixdate = [u8; 29];

/// The IMF-fixdate of a moment.
///
/// # Units
/// Seconds since 1970-01-01 00:00:00 UTC. Moments past the year 9999 are shown as its end.
pub fn imf_fixdate(unix_seconds: u64) -> ImfFixdate {
    // httpdate refuses what lies past the year 9999.
    const END_OF_9999: u64 = 253_402_300_799;
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(unix_seconds.min(END_OF_9999));
    let mut text = [b' '; 29];
    let mut rest = &mut text[..];
    // Writes exactly 29 bytes; a shorter result would leave spaces, never garbage.
    let _ = std::io::Write::write_fmt(&mut rest, format_args!("{}", httpdate::HttpDate::from(at)));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dates_of_the_specification() {
        // RFC 9110 section 5.6.7
        assert_eq!(&imf_fixdate(784_111_777), b"Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(&imf_fixdate(0), b"Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(&imf_fixdate(951_782_400), b"Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(&imf_fixdate(u64::MAX), b"Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
