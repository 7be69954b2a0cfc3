//! hyper 1 over a current-thread tokio runtime: the leanest form of what most Rust services stand
//! on.
//!
//! `pipeline_flush` gathers the answers to pipelined requests into one write; no timer is set, so
//! no head timeout costs anything; the answer carries `Content-Type` and what hyper adds
//! (`Content-Length`, `Date`), nothing else.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

use crate::failure::{During, Failure};

/// What the engine's listener asks for too.
const BACKLOG: i32 = 4096;

/// Serves on `addr` on this thread until the process is killed.
///
/// *Errors*: the system's, as of an address in use.
pub fn serve(addr: SocketAddr) -> Result<(), Failure> {
    let listener = listen(addr).during(|| format!("listen on {addr}"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .during(|| "build a tokio runtime".to_owned())?;
    runtime
        .block_on(accept(listener))
        .during(|| format!("accept on {addr}"))
}

fn listen(addr: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

async fn accept(listener: std::net::TcpListener) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let mut http = http1::Builder::new();
    http.pipeline_flush(true);
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let connection = http.serve_connection(TokioIo::new(socket), service_fn(answer));
        // A client that goes away is no fault of a load test's server.
        tokio::spawn(async move { drop(connection.await) });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path();
    let response = match (request.method(), path) {
        (&Method::GET, "/plaintext") => text(Bytes::from_static(b"Hello, World!")),
        (&Method::GET, "/json") => json(Bytes::from_static(br#"{"message":"Hello, World!"}"#)),
        (&Method::GET, _) => match user_and_post(path) {
            Some((user, post)) => json(Bytes::from(format!(r#"{{"user":{user},"post":{post}}}"#))),
            None => nothing(),
        },
        _ => nothing(),
    };
    Ok(response)
}

fn text(content: Bytes) -> Response<Full<Bytes>> {
    with_type("text/plain; charset=utf-8", content)
}

fn json(content: Bytes) -> Response<Full<Bytes>> {
    with_type("application/json", content)
}

fn with_type(content_type: &'static str, content: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(content));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn nothing() -> Response<Full<Bytes>> {
    let mut response = text(Bytes::new());
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

/// The two numbers of `/users/{id}/posts/{post}`.
fn user_and_post(path: &str) -> Option<(u64, u64)> {
    let (user, post) = path.strip_prefix("/users/")?.split_once("/posts/")?;
    Some((user.parse().ok()?, post.parse().ok()?))
}
