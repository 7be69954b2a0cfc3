//! A guide: one page for each concept, with examples that run.
//!
//! Read the first five in this order; the others when they are needed.
//!
//! 1. [Steps](steps): what a service is made of, and what a step decides.
//! 2. [Slots](slots): the values of a request, named by types.
//! 3. [Chains and routes](chains): steps in an order, and which requests they answer.
//! 4. [Extractors and bodies](extractors): what a request says, as values of slots.
//! 5. [Effects and joins](effects): what a step asks for, and what it waits for.
//! 6. [SQLite](sqlite): statements as effects.
//! 7. [Timers and deadlines](deadlines): how long things may take.
//! 8. [Errors and panics](errors): what the client reads, what only the timeline says.
//! 9. [Timelines](timelines): where the time of each request went.
//! 10. [Configuration](configuration): what the operator may change.
//! 11. [Testing](testing): steps by themselves, services in virtual time.
//! 12. [Running a server](serving): shards, signals, the drain.
//!
//! Each page says what is bounded, by how much, and what happens beyond it. The repository's
//! `engine/examples` has a numbered program for most of them, and `blog`, a whole service.
//!
//! # For those who know axum
//!
//! | axum | here |
//! |---|---|
//! | `async fn handler(..)` | one or several [steps]: plain functions; where a handler would `.await`, a step ends with `cx.need(..)` and the next one goes on |
//! | `Path`, `Query`, `HeaderMap`, `Json` as arguments | slots with a source: `slot!(Id: i64 = path "id")`, in the step's `Reads`. See [extractors] |
//! | `Body` as a stream | [`cx.body()`](extractors) of a step with `Uses<Body>` |
//! | `State`, `Extension` | a [resource](sqlite) in `Uses`; a value that was known at the start is captured by the step. What one part of a request leaves for the next is a [slot](slots) |
//! | `Router::route`, `nest`, `fallback` | [`Routes`](crate::Routes)`::get`, `mount`, `fallback` |
//! | `layer`, `middleware::from_fn` | a [`before` chain](chains), typed: what it writes the routes behind it may read |
//! | `impl IntoResponse` | `cx.json(..)`, `cx.text(..)`, `cx.status(..)`, `cx.response_header(..)` |
//! | `Result<_, AppError>` | [`fail(..)`, `or_fail(..)?`, `?`](errors); one renderer for all failures |
//! | `tokio::join!` | `cx.need((a.into(A), b.into(B)))` |
//! | `tokio::select!` between two sources | `cx.need(first([a, b]).into(One))` |
//! | `TimeoutLayer` | a [deadline](deadlines), which every request has |
//! | `TraceLayer` | [timelines], which every request has |
//! | `spawn_blocking` around a database | an [effect](effects); workers are the engine's |
//! | `oneshot` in tests | [`testing::App`](crate::testing::App): with virtual time |
//! | `axum::serve(..).with_graceful_shutdown(..)` | [`Engine::run`](crate::Engine::run), which drains by itself |
//!
//! Three things have no counterpart. There is no `async`: a step runs to its end at once, and what
//! waits is the request, not a future. There is no work stealing: a request stays on the core whose
//! listener took it. And there is no shared state between requests but the resources.

macro_rules! pages {
    ($($name:ident)+) => {$(
        pub mod $name {
            #![doc = include_str!(concat!("../docs/guide/", stringify!($name), ".md"))]
        }
    )+};
}

pages! { steps slots chains extractors effects sqlite deadlines errors timelines configuration testing serving }
