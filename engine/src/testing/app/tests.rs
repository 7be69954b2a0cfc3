use crate::prelude::*;
use crate::shard::Leak;
use crate::testing::{App, caught};

fn hello(cx: &mut Cx) -> Step {
    cx.text("hello")
}

#[test]
fn whatever_is_left_is_told() {
    let check = |leak, expected: &str| {
        let app = App::new(Routes::new().get("/", chain(hello)).build().unwrap());
        app.get("/").send().assert_status(Status::OK);
        let words = caught(|| {
            app.simulation(|simulation| simulation.leak(leak));
            app.finish();
        });
        let words = words.unwrap_err();
        assert!(words.contains(expected), "{leak:?} is told as: {words}");
    };
    check(Leak::Slot, "1 requests wait for it");
    check(Leak::Arena, "1 arenas are left");
    check(Leak::Timer, "1 timers are left");
    check(Leak::Job, "the drain never ends, 1 jobs are left");
    check(Leak::HeldReply, "1 held replies are left");
}
