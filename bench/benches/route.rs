//! Finding a request's route, beside matchit.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use cutaway::http::Method;
use cutaway::route::{Found, TableBuilder};

/// Patterns as an API of middling size has them.
const PATTERNS: &[&str] = &[
    "/",
    "/plaintext",
    "/json",
    "/users",
    "/users/{id}",
    "/users/{id}/posts",
    "/users/{id}/posts/{post}",
    "/posts/{id}",
    "/posts/{id}/comments/{comment}",
    "/static/{*rest}",
    "/health",
    "/metrics",
];

const PATHS: &[(&str, &str)] = &[
    ("literal", "/plaintext"),
    ("two parameters", "/users/7/posts/9"),
    ("rest", "/static/css/site.css"),
    ("not found", "/nowhere/at/all"),
];

fn routes(criterion: &mut Criterion) {
    let mut builder = TableBuilder::new();
    let mut peer = matchit::Router::new();
    for (index, pattern) in PATTERNS.iter().enumerate() {
        builder.add(Method::Get, pattern, index);
        peer.insert(*pattern, index)
            .expect("the patterns do not conflict");
    }
    let table = builder.build().expect("the patterns do not conflict");
    for (name, path) in PATHS {
        let mut group = criterion.benchmark_group(format!("route/{name}"));
        group.bench_function("cutaway", |bencher| {
            bencher.iter(
                || match table.find(Method::Get, black_box(path.as_bytes())) {
                    Found::Route { value, params } => {
                        black_box(params.spans());
                        Some(*value)
                    }
                    Found::NotFound | Found::MethodNotAllowed { .. } => None,
                },
            );
        });
        group.bench_function("matchit", |bencher| {
            bencher.iter(|| {
                peer.at(black_box(path)).ok().map(|found| {
                    black_box(&found.params);
                    *found.value
                })
            });
        });
        group.finish();
    }
}

criterion_group!(benches, routes);
criterion_main!(benches);
