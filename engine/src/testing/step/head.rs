//! The request of a test, as a shard would have it.

use super::Test;
use crate::ctx::{Context, RequestParts};
use crate::http::{FieldSpan, Method, Span};
use crate::route::Params;
use crate::step::Route;

/// A head as it would have come, and where its parts lie. Parameters stand behind it, for a test
/// names them without a pattern.
pub(super) struct Head {
    bytes: Vec<u8>,
    method: Method,
    target: Span,
    path: Span,
    query: Option<Span>,
    fields: Vec<FieldSpan>,
    params: Params,
}

impl Head {
    pub fn of(test: &Test) -> Head {
        let mut bytes = Vec::new();
        let mut add = |text: &str| {
            let start = bytes.len();
            bytes.extend_from_slice(text.as_bytes());
            Span::between(start, bytes.len())
        };
        add(test.method.name());
        add(" ");
        let target = add(&test.target);
        add(" HTTP/1.1\r\n");
        let fields = (test.fields.iter())
            .map(|(name, value)| {
                let name = add(name);
                add(": ");
                let value = add(value);
                add("\r\n");
                FieldSpan { name, value }
            })
            .collect();
        add("\r\n");
        let (path_len, has_query) = match test.target.find('?') {
            Some(at) => (at, true),
            None => (test.target.len(), false),
        };
        let path = Span::between(target.start as usize, target.start as usize + path_len);
        let mut params = Params::new();
        for (_, text) in &test.params {
            let mut text = add(text);
            text.start -= path.start;
            params.push(text);
        }
        Head {
            bytes,
            method: test.method,
            target,
            path,
            query: has_query.then(|| Span::between(path.end() + 1, target.end())),
            fields,
            params,
        }
    }

    pub fn begin(&self, context: &mut Context, route: &Route, body: &[u8]) {
        let parts = RequestParts {
            method: self.method,
            target: self.target,
            path: self.path,
            query: self.query,
            fields: &self.fields,
            params: &self.params,
            body,
        };
        context.begin(route, &self.bytes, &parts);
    }
}
