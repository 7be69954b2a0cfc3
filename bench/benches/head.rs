//! A request's head: found and judged, beside `httparse` that only finds it.

use std::hint::black_box;
use std::mem::MaybeUninit;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use cutaway::http::{Connection, Event, head};
use cutaway::limits::Limits;

/// What wrk sends for `wrk -H 'Accept: …' -H 'Connection: keep-alive'`, as TechEmpower has it.
const WRK: &[u8] = b"GET /plaintext HTTP/1.1\r\n\
    Host: tfb-server:8080\r\n\
    User-Agent: wrk/4.2.0\r\n\
    Accept: text/plain,text/html;q=0.9,application/xhtml+xml;q=0.9,application/xml;q=0.8,*/*;q=0.7\r\n\
    Connection: keep-alive\r\n\
    Accept-Encoding: identity\r\n\r\n";

/// What a browser sends.
const BROWSER: &[u8] = b"GET /posts/2024/a-title-of-some-length?page=2&order=newest HTTP/1.1\r\n\
    Host: www.example.com\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8\r\n\
    Accept-Language: en-US,en;q=0.5\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Referer: https://www.example.com/posts/2024\r\n\
    Connection: keep-alive\r\n\
    Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n\
    Upgrade-Insecure-Requests: 1\r\n\
    Sec-Fetch-Dest: document\r\n\
    Sec-Fetch-Mode: navigate\r\n\
    Sec-Fetch-Site: same-origin\r\n\
    Priority: u=0, i\r\n\r\n";

/// The least a client may send.
const SHORT: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn heads(criterion: &mut Criterion) {
    let limits = Limits::default();
    let mut fields = Vec::with_capacity(limits.fields_max);
    for (name, input) in [("short", SHORT), ("wrk", WRK), ("browser", BROWSER)] {
        let mut group = criterion.benchmark_group(format!("head/{name}"));
        group.throughput(Throughput::Bytes(input.len() as u64));
        group.bench_function("httparse", |bencher| {
            bencher.iter(|| found_by_httparse(black_box(input)));
        });
        group.bench_function("parse", |bencher| {
            bencher.iter(|| head::parse(black_box(input), &limits, &mut fields));
        });
        group.bench_function("connection", |bencher| {
            let mut connection = Connection::new();
            bencher.iter(|| connection.next(black_box(input), &limits, &mut fields));
        });
        group.finish();
    }
}

fn found_by_httparse(input: &[u8]) -> usize {
    let mut lines = [const { MaybeUninit::uninit() }; 64];
    let mut request = httparse::Request::new(&mut []);
    let found = request.parse_with_uninit_headers(input, &mut lines);
    black_box(&request);
    match found {
        Ok(httparse::Status::Complete(len)) => len,
        _ => 0,
    }
}

/// A chunked body of sixteen small chunks, framing and all.
fn chunks(criterion: &mut Criterion) {
    let limits = Limits::default();
    let mut input = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..16 {
        input.extend_from_slice(b"40\r\n");
        input.extend_from_slice(&[b'x'; 64]);
        input.extend_from_slice(b"\r\n");
    }
    input.extend_from_slice(b"0\r\n\r\n");
    let mut fields = Vec::with_capacity(limits.fields_max);
    let mut connection = Connection::new();
    let mut group = criterion.benchmark_group("body/chunked");
    group.throughput(Throughput::Bytes(input.len() as u64));
    group.bench_function("16 x 64 B", |bencher| {
        bencher.iter(|| {
            let mut rest = black_box(&input[..]);
            while let Ok((consumed, event)) = connection.next(rest, &limits, &mut fields) {
                rest = &rest[consumed..];
                if matches!(event, Event::End | Event::NeedMore) {
                    break;
                }
            }
            rest.len()
        });
    });
    group.finish();
}

criterion_group!(benches, heads, chunks);
criterion_main!(benches);
