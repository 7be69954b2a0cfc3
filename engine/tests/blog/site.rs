//! One blog, reached in two ways: on the simulated machine, and over real sockets.

use cutaway::effect::sqlite::scripted::Script;
use cutaway::limits::Limits;
use cutaway::prelude::*;
use cutaway::testing::simulation::{
    Fault, FaultPlan, SimClient, SimConfig, Simulation, SimulationOptions,
};
use serde_json::Value;

use crate::client::{Client, Response};
use crate::example;
use crate::server::{Scratch, Server};

/// A request that is to be sent.
#[derive(Clone, Debug)]
pub struct Ask {
    pub method: &'static str,
    pub target: String,
    fields: String,
    body: Vec<u8>,
}

impl Ask {
    pub fn new(method: &'static str, target: impl Into<String>) -> Ask {
        Ask {
            method,
            target: target.into(),
            fields: String::new(),
            body: Vec::new(),
        }
    }

    pub fn field(mut self, name: &str, value: &str) -> Ask {
        self.fields += &format!("{name}: {value}\r\n");
        self
    }

    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Ask {
        self.body = body.into();
        self.field("Content-Type", content_type)
    }

    pub fn json(self, value: &Value) -> Ask {
        self.body("application/json", value.to_string())
    }

    pub fn form(self, fields: &[(&str, &str)]) -> Ask {
        let escaped = |text: &str| -> String {
            let escaped = text.bytes().map(|byte| match byte {
                b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => char::from(byte).to_string(),
                b' ' => "+".to_owned(),
                byte => format!("%{byte:02X}"),
            });
            escaped.collect()
        };
        let pairs = fields
            .iter()
            .map(|(name, value)| format!("{}={}", escaped(name), escaped(value)));
        let pairs: Vec<String> = pairs.collect();
        self.body("application/x-www-form-urlencoded", pairs.join("&"))
    }

    pub fn bytes(&self) -> Vec<u8> {
        let Ask {
            method,
            target,
            fields,
            body,
        } = self;
        let length = if matches!(*method, "GET" | "HEAD" | "DELETE") && body.is_empty() {
            String::new()
        } else {
            format!("Content-Length: {}\r\n", body.len())
        };
        let head = format!("{method} {target} HTTP/1.1\r\nHost: blog.test\r\n{fields}{length}\r\n");
        [head.as_bytes(), body].concat()
    }
}

pub fn get(target: impl Into<String>) -> Ask {
    Ask::new("GET", target)
}

pub fn post(target: impl Into<String>) -> Ask {
    Ask::new("POST", target)
}

/// Somewhere the blog can be asked.
pub trait Site {
    fn ask(&mut self, ask: &Ask) -> Response;

    /// Asks, and makes sure of the status.
    fn expect(&mut self, status: u16, ask: Ask) -> Response {
        let response = self.ask(&ask);
        let (method, target) = (ask.method, &ask.target);
        let (found, text) = (response.status, String::from_utf8_lossy(&response.body));
        assert_eq!(found, status, "{method} {target}: {text}");
        response
    }

    /// Asks for JSON.
    fn json(&mut self, status: u16, ask: Ask) -> Value {
        let response = self.expect(status, ask);
        assert_eq!(response.field("content-type"), Some("application/json"));
        serde_json::from_slice(&response.body).unwrap()
    }

    /// Asks for a page.
    fn page(&mut self, status: u16, ask: Ask) -> String {
        let response = self.expect(status, ask);
        let content_type = response.field("content-type");
        assert_eq!(
            content_type,
            Some("text/html; charset=utf-8"),
            "{response:?}"
        );
        response.text().to_owned()
    }

    /// Asks for what sends on to another address, and says which.
    fn sent_on(&mut self, ask: Ask) -> String {
        let response = self.expect(303, ask);
        response.field("location").unwrap().to_owned()
    }

    /// Asks for something that is refused as a problem, and says in which words.
    fn problem(&mut self, status: u16, ask: Ask) -> Value {
        self.expect(status, ask).problem()
    }

    /// Writes a post, and gives its id.
    fn write_post(&mut self, title: &str) -> i64 {
        let post = serde_json::json!({"title": title, "content": "Some text.", "author": "Ada"});
        let written = self.json(201, crate::site::post("/blog/posts").json(&post));
        written["id"].as_i64().unwrap()
    }
}

/// Runs a conversation with a new blog on each kind of site.
pub fn on_every_site(conversation: impl Fn(&mut dyn Site)) {
    // What the network does to honest requests must not show.
    let rough = FaultPlan::none()
        .with(Fault::ShortReceive, 300)
        .with(Fault::ShortSend, 300)
        .with(Fault::Interrupted, 100)
        .with(Fault::NoBuffers, 100)
        .with(Fault::QueueOverflow, 100)
        .with(Fault::AcceptEnds, 300)
        .with(Fault::ReceiveEnds, 300)
        .with(Fault::StaleCompletion, 300);
    for faults in [FaultPlan::none(), rough] {
        let scratch = Scratch::in_memory("blog");
        let mut site = SimulatedSite::new(&scratch, 7, faults);
        conversation(&mut site);
        site.end();
    }
    let scratch = Scratch::in_memory("blog");
    let mut site = RealSite::new(&scratch);
    conversation(&mut site);
    site.end();
}

/// Where the database of a site lies.
pub fn database(scratch: &Scratch) -> Sqlite {
    Sqlite::open(scratch.join("blog.db"))
}

/// The blog on the simulated machine.
pub struct SimulatedSite {
    simulation: Simulation,
    client: SimClient,
    unread: Vec<u8>,
}

impl SimulatedSite {
    pub fn new(scratch: &Scratch, seed: u64, faults: FaultPlan) -> SimulatedSite {
        let routes = example::routes(database(scratch)).build().unwrap();
        let config = SimConfig {
            faults,
            ..SimConfig::new(seed)
        };
        let simulation = Simulation::new(routes, config).unwrap();
        SimulatedSite {
            client: simulation.connect(),
            simulation,
            unread: Vec::new(),
        }
    }

    /// A blog whose database is played.
    pub fn scripted(script: &Script) -> SimulatedSite {
        let routes = example::routes(Sqlite::open("is never opened"))
            .build()
            .unwrap();
        let options = SimulationOptions::default();
        let simulation = Simulation::scripted(routes, SimConfig::new(1), options, script);
        SimulatedSite {
            client: simulation.connect(),
            simulation,
            unread: Vec::new(),
        }
    }

    /// Asks, and is gone so long after; nobody looks at an answer.
    pub fn leave_after(&mut self, ask: &Ask, micros: u64) {
        self.client.send(&ask.bytes());
        self.simulation
            .run_for(std::time::Duration::from_micros(micros));
        self.client.reset();
    }

    /// Drains; nothing may be left.
    pub fn end(mut self) {
        self.client.finish();
        self.simulation.drain(1.secs());
        self.simulation.run_for(2.secs());
        self.simulation.check_drained();
    }
}

impl Site for SimulatedSite {
    fn ask(&mut self, ask: &Ask) -> Response {
        self.client.send(&ask.bytes());
        for _ in 0..PATIENCE_MS {
            self.simulation.run_for(1.millis());
            self.unread.extend(self.client.take_read());
            if let Some(response) = Response::take(&mut self.unread, ask.method) {
                if response.closes() {
                    self.client.finish();
                    self.client = self.simulation.connect();
                }
                return response;
            }
        }
        panic!(
            "no answer to {ask:?}; so far {:?}",
            String::from_utf8_lossy(&self.unread)
        );
    }
}

/// How long a simulated answer may take.
const PATIENCE_MS: u64 = 10_000;

/// The blog over sockets.
pub struct RealSite {
    server: Server,
    client: Client,
}

impl RealSite {
    pub fn new(scratch: &Scratch) -> RealSite {
        let routes = example::routes(database(scratch)).build().unwrap();
        let server = Server::start(routes, Limits::default());
        RealSite {
            client: Client::connect(server.address),
            server,
        }
    }

    pub fn end(self) {
        drop(self.client);
        self.server.stop();
    }
}

impl Site for RealSite {
    fn ask(&mut self, ask: &Ask) -> Response {
        self.client.send(ask.bytes());
        let response = self.client.response_to(ask.method);
        if response.closes() {
            self.client = Client::connect(self.server.address);
        }
        response
    }
}
