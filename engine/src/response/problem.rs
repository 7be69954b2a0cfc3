//! Failures as RFC 9457 problem+json.

use std::io;
use std::panic::{self, AssertUnwindSafe};

use crate::ctx::discard;
use crate::http::encode::FieldValue;
use crate::step::Failure;

/// Renders the failure of a request: writes the content and says its media type. One serves all
/// routes; [`problem`] is the default, `Routes::renderer` replaces it.
///
/// One that fails or panics is answered for with fixed bytes.
pub type Renderer = fn(&Failure, &mut Vec<u8>) -> io::Result<&'static str>;

/// Renders `{"type":"about:blank","title":…,"status":…,"detail":…}`.
///
/// The detail is missing where the failure's words are not meant for clients.
///
/// # Errors
/// Never.
///
/// # Source
/// <https://www.rfc-editor.org/rfc/rfc9457#section-3.1>
pub fn problem(failure: &Failure, out: &mut Vec<u8>) -> io::Result<&'static str> {
    use io::Write as _;
    let status = failure.kind().status();
    write!(
        out,
        r#"{{"type":"about:blank","title":"{}","status":{}"#,
        status.reason(),
        status.code()
    )?;
    if failure.is_public() {
        out.extend_from_slice(br#","detail":"#);
        serde_json::to_writer(
            &mut *out,
            &format_args!("{} {}", failure.what(), failure.key()),
        )?;
    }
    out.push(b'}');
    Ok(PROBLEM_JSON.as_str())
}

/// Renders with what falls back.
pub(crate) fn render(
    renderer: Renderer,
    failure: &Failure,
    out: &mut Vec<u8>,
) -> FieldValue<'static> {
    let rendered = panic::catch_unwind(AssertUnwindSafe(|| renderer(failure, out)));
    match rendered {
        Ok(Ok(content_type)) => {
            if let Some(content_type) = FieldValue::new(content_type) {
                return content_type;
            }
        }
        Ok(Err(_)) => {}
        Err(payload) => discard(payload),
    }
    out.clear();
    out.extend_from_slice(FALLBACK);
    PROBLEM_JSON
}

pub(super) const PROBLEM_JSON: FieldValue<'static> = super::constant("application/problem+json");

/// The status line says the rest.
const FALLBACK: &[u8] = br#"{"type":"about:blank"}"#;
