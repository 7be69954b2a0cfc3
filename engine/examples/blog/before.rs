//! What runs before every route.

use cutaway::http::Method;
use cutaway::prelude::*;

/// Refuses what the page of another site makes a visitor's browser send. Clients that are no
/// browsers send neither field.
pub fn refuse_cross_site(cx: &mut Cx) -> Step {
    let request = cx.request();
    let is_safe = matches!(
        request.method(),
        Method::Get | Method::Head | Method::Options
    );
    let is_ours = match (request.field("sec-fetch-site"), request.field("origin")) {
        (Some(site), _) => matches!(site, b"same-origin" | b"none"),
        // Older browsers, and all where there is no TLS, send the origin alone: scheme://host.
        (None, Some(origin)) => (origin.split(|byte| *byte == b'/').nth(2))
            .is_some_and(|host| request.field("host") == Some(host)),
        (None, None) => true,
    };
    if is_safe || is_ours {
        Continue
    } else {
        fail(Forbidden, "request", "from another site")
    }
}

/// Tells browsers to load and run nothing but our own files, whatever a page may say.
pub fn restrict(cx: &mut Cx) -> Step {
    cx.response_header(
        "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
         img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    )?;
    cx.response_header("X-Content-Type-Options", "nosniff")?;
    Continue
}
