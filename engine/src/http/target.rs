//! The request-target: its form, its path, its query, its authority.

use std::net::Ipv6Addr;

use super::octet::{NAME, PATH, QUERY, starts_with_escape};
use super::{Method, Refusal, Span};

/// A request-target taken apart; the spans count from the start of the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Target {
    /// The path to route by.
    pub(super) path: Span,
    /// Whether escapes stand in it.
    pub(super) path_is_escaped: bool,
    /// What stands behind the `?`.
    pub(super) query: Option<Span>,
    /// The authority, where the form names one.
    pub(super) authority: Option<Span>,
}

/// Takes `target` apart by the form its method and first octets call for.
///
/// https://www.rfc-editor.org/rfc/rfc9112#section-3.2 – authority-form is for CONNECT only and
/// CONNECT takes no other, asterisk-form is for OPTIONS only, absolute-form MUST be accepted.
#[inline]
pub(super) fn read(method: Method, target: &[u8]) -> Result<Target, Refusal> {
    match target {
        _ if method == Method::Connect => authority_form(target),
        [b'/', ..] => path_and_query(target, 0, None),
        b"*" if method == Method::Options => Ok(Target {
            path: Span::between(0, 1),
            ..Target::default()
        }),
        _ => absolute_form(target),
    }
}

/// `host:port`, and nothing else.
fn authority_form(target: &[u8]) -> Result<Target, Refusal> {
    let has_port = target.last().is_some_and(u8::is_ascii_digit) && target.contains(&b':');
    if !has_port || target.starts_with(b":") || !is_authority(target) {
        return Err(Refusal::TargetFormWrong);
    }
    Ok(Target {
        authority: Some(Span::between(0, target.len())),
        ..Target::default()
    })
}

/// `http://authority/path?query`.
fn absolute_form(target: &[u8]) -> Result<Target, Refusal> {
    let scheme_len = scheme_len(target).ok_or(Refusal::TargetFormWrong)?;
    let authority_len = target[scheme_len..]
        .iter()
        .position(|octet| matches!(octet, b'/' | b'?' | b'#'))
        .unwrap_or(target.len() - scheme_len);
    let path_at = scheme_len + authority_len;
    let authority = Span::between(scheme_len, path_at);
    // https://www.rfc-editor.org/rfc/rfc9110#section-4.2.1 – an empty host "MUST" be rejected.
    // User information fails here too: `@` is not in a host.
    if authority.is_empty() || !is_authority(authority.of(target)) {
        return Err(Refusal::HostMalformed);
    }
    if target.get(path_at) == Some(&b'/') {
        return path_and_query(target, path_at, Some(authority));
    }
    // https://www.rfc-editor.org/rfc/rfc9112#section-3.2.1 – an empty path is sent as `/`. The
    // second slash of `://` lends its place, so that the path is a span like every other.
    let mut taken = path_and_query(target, path_at, Some(authority))?;
    taken.path = Span::between(scheme_len - 1, scheme_len);
    Ok(taken)
}

/// How long `http://` or `https://` is, where `target` starts with it; schemes have no case.
fn scheme_len(target: &[u8]) -> Option<usize> {
    [&b"http://"[..], b"https://"]
        .into_iter()
        .find(|scheme| {
            target
                .get(..scheme.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        })
        .map(<[u8]>::len)
}

/// Reads the path that starts at `path_at`, and the query behind it.
#[inline]
fn path_and_query(
    target: &[u8],
    path_at: usize,
    authority: Option<Span>,
) -> Result<Target, Refusal> {
    let mut at = path_at;
    let mut path_is_escaped = false;
    loop {
        at += PATH.run(&target[at..]);
        match target.get(at) {
            None | Some(b'?') => break,
            Some(b'%') if starts_with_escape(&target[at..]) => {
                path_is_escaped = true;
                at += 3;
            }
            Some(b'%') => return Err(Refusal::PercentMalformed),
            Some(b'#') => return Err(Refusal::TargetFragment),
            Some(_) => return Err(Refusal::TargetMalformed),
        }
    }
    let query = (at < target.len()).then(|| query(target, at)).transpose()?;
    Ok(Target {
        path: Span::between(path_at, at),
        path_is_escaped,
        query,
        authority,
    })
}

/// Reads the query behind the `?` at `mark_at`.
fn query(target: &[u8], mark_at: usize) -> Result<Span, Refusal> {
    let query_at = mark_at + 1;
    let end = query_at + QUERY.run(&target[query_at..]);
    match target.get(end) {
        None => Ok(Span::between(query_at, end)),
        Some(b'#') => Err(Refusal::TargetFragment),
        Some(_) => Err(Refusal::TargetMalformed),
    }
}

/// Whether `octets` are a host with an optional port: `uri-host [ ":" port ]`.
///
/// True of no octets at all, which is what a client without an authority MUST send as Host.
///
/// https://www.rfc-editor.org/rfc/rfc9110#section-7.2
#[inline]
pub(super) fn is_authority(octets: &[u8]) -> bool {
    let host_len = match octets {
        [b'[', ..] => match address_len(octets) {
            Some(len) => len,
            None => return false,
        },
        _ => name_len(octets),
    };
    match &octets[host_len..] {
        [] => true,
        [b':', port @ ..] => is_port(port),
        _ => false,
    }
}

/// How many octets from the front are a registered name or an IPv4 address.
#[inline]
fn name_len(octets: &[u8]) -> usize {
    let mut len = NAME.run(octets);
    while starts_with_escape(&octets[len..]) {
        len += 3;
        len += NAME.run(&octets[len..]);
    }
    len
}

/// How long the bracketed address at the front is. The future versions RFC 3986 leaves room for
/// have never come, and are refused.
fn address_len(octets: &[u8]) -> Option<usize> {
    let close_at = octets.iter().position(|&octet| octet == b']')?;
    let address = std::str::from_utf8(&octets[1..close_at]).ok()?;
    address.parse::<Ipv6Addr>().ok().map(|_| close_at + 1)
}

/// A port is digits, perhaps none, and fits 16 bits; more zeros in front than that takes are not
/// a port anybody means.
#[inline]
fn is_port(digits: &[u8]) -> bool {
    const DIGITS_MAX: usize = 5;
    if digits.len() > DIGITS_MAX {
        return false;
    }
    let mut port = 0u32;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return false;
        }
        port = port * 10 + u32::from(digit - b'0');
    }
    port <= u32::from(u16::MAX)
}
