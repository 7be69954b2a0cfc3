//! The engine before it runs: routes, what the program sets, and what is set from outside.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;

use cutaway_scheduler::{ClassId, Nanos};

use super::{Launch, Running, launch};
use crate::config::{Base, Config, Serving};
use crate::error::Error;
use crate::limits::Limits;
use crate::routes::BuiltRoutes;
use crate::timeline::TraceMode;

/// A set of routes that is ready to serve.
///
/// One shard per core, each with its own listener on the same address (`SO_REUSEPORT`), its own ring
/// and its own workers.
///
/// What is set here is what the program wants unless its operator says otherwise: a
/// [file](Engine::config_file), the environment and a [`Config`] are stronger, whatever the order of
/// the calls. Their keys have the names of the methods.
///
/// ```no_run
/// use cutaway::prelude::*;
///
/// fn hello(cx: &mut Cx) -> Step {
///     cx.text("Hello, World!")
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let routes = Routes::new().get("/hello", chain(hello)).build()?;
///     Ok(Engine::new(routes).run()?)
/// }
/// ```
#[must_use = "an engine serves once it is run"]
pub struct Engine {
    routes: BuiltRoutes,
    serving: Serving,
    limits: Limits,
    config: Config,
}

impl Engine {
    /// An engine with the defaults: 127.0.0.1:8080, a shard for each core that the process may use,
    /// the timelines of slow requests printed.
    ///
    /// ```no_run
    /// # use cutaway::prelude::*;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let routes = Routes::new().get("/hello", chain(hello)).build()?;
    /// Engine::new(routes).run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(routes: BuiltRoutes) -> Engine {
        Engine {
            routes,
            serving: Serving::default(),
            limits: Limits::default(),
            config: Config::new(),
        }
    }

    /// Where to listen. Port 0 takes a free one.
    ///
    /// ```no_run
    /// # use cutaway::prelude::*;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let routes = Routes::new().get("/hello", chain(hello)).build()?;
    /// Engine::new(routes).address("0.0.0.0:8080".parse()?).run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn address(mut self, address: SocketAddr) -> Engine {
        self.serving.address = address;
        self
    }

    /// How many shards. Each is pinned to a core of its own while there are cores left.
    ///
    /// ```no_run
    /// # use cutaway::prelude::*;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let routes = Routes::new().get("/hello", chain(hello)).build()?;
    /// Engine::new(routes).shards(2).run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn shards(mut self, count: usize) -> Engine {
        self.serving.shards = Some(count);
        self
    }

    /// The bounds of everything.
    ///
    /// ```no_run
    /// # use cutaway::prelude::*;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let routes = Routes::new().get("/hello", chain(hello)).build()?;
    /// use cutaway::limits::Limits;
    ///
    /// let limits = Limits { requests_max: 1024, ..Limits::default() };
    /// Engine::new(routes).limits(limits).run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn limits(mut self, limits: Limits) -> Engine {
        self.limits = limits;
        self
    }

    /// Which requests' timelines are printed to standard error.
    ///
    /// ```no_run
    /// # use cutaway::prelude::*;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let routes = Routes::new().get("/hello", chain(hello)).build()?;
    /// use cutaway::TraceMode;
    ///
    /// Engine::new(routes).trace(TraceMode::All).run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn trace(mut self, mode: TraceMode) -> Engine {
        self.serving.trace = mode;
        self
    }

    /// How long a request of a class may take: `[classes.NAME] deadline` of a file.
    ///
    /// ```no_run
    /// use cutaway::prelude::*;
    ///
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("Hello, World!") }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let routes = Routes::new().get("/hello", chain(hello).class(Interactive)).build()?;
    /// Engine::new(routes).class_deadline(Interactive, 50.millis()).run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn class_deadline(mut self, class: ClassId, deadline: impl Into<Nanos>) -> Engine {
        // A class of other routes has no name here, and is refused at the start.
        let name = (self.routes.classes().iter())
            .find_map(|(id, known)| (id == class).then_some(known.name));
        let name = name.unwrap_or("of other routes");
        self.config.deadline(name, deadline.into());
        self
    }

    /// Lays a TOML file over what the program sets. It is read now, and refused at the start.
    ///
    /// Paths in it are relative to its folder. `engine/docs/configuration.md` has all its keys, and
    /// `cutaway check FILE` tells what is wrong with one.
    ///
    /// ```no_run
    /// use cutaway::prelude::*;
    ///
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("Hello, World!") }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let routes = Routes::new().get("/hello", chain(hello)).build()?;
    /// Engine::new(routes).config_file("blog.toml").run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn config_file(mut self, path: impl AsRef<Path>) -> Engine {
        self.config = self.config.file(path);
        self
    }

    /// Lays a configuration over what the program sets, beside those it was given before: for flags,
    /// or for an environment other than the process's.
    ///
    /// ```no_run
    /// use cutaway::Config;
    /// use cutaway::prelude::*;
    ///
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("Hello, World!") }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let routes = Routes::new().get("/hello", chain(hello)).build()?;
    /// let mut config = Config::new().file("blog.toml");
    /// if let Some(address) = std::env::args().nth(1) {
    ///     config = config.set("server.address", address);
    /// }
    /// Engine::new(routes).config(config).run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn config(mut self, config: Config) -> Engine {
        self.config.extend(config);
        self
    }

    /// Serves until SIGTERM or SIGINT, then drains and returns.
    ///
    /// ```no_run
    /// # use cutaway::prelude::*;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let routes = Routes::new().get("/hello", chain(hello)).build()?;
    /// Engine::new(routes).run()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Blocking
    /// For as long as the server runs.
    ///
    /// # Errors
    /// What kept it from starting, or what ended it; the message says what to do.
    pub fn run(self) -> Result<(), Error> {
        self.start()?.wait()
    }

    /// Starts the workers, the exporter and the shards. Returns once every shard listens.
    ///
    /// From then on SIGTERM and SIGINT are the server's.
    ///
    /// ```no_run
    /// # use cutaway::prelude::*;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let routes = Routes::new().get("/hello", chain(hello)).build()?;
    /// let running = Engine::new(routes).start()?;
    /// println!("listening on http://{}", running.address());
    /// running.wait()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`run`](Engine::run). What was started before the fault ends with the process.
    pub fn start(self) -> Result<Running, Error> {
        self.settled(std::env::vars_os()).and_then(launch)
    }

    /// Everything as it is to be, with these variables unless the configuration was given others.
    fn settled(
        self,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Launch, Error> {
        let Engine {
            mut routes,
            mut serving,
            mut limits,
            config,
        } = self;
        let config = config.or_environment(variables);
        let (classes, resources) = routes.configurable();
        config.settle(Base {
            serving: &mut serving,
            limits: &mut limits,
            classes,
            resources: Some(resources),
        })?;
        Ok(Launch {
            routes,
            serving,
            limits,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::Settings;
    use crate::prelude::*;

    resource!(Blog: Sqlite);

    fn engine() -> Engine {
        let routes = Routes::new().resource(Blog, Sqlite::open("own.db"));
        Engine::new(routes.build().unwrap()).shards(3)
    }

    #[test]
    fn file_and_environment_are_stronger_than_the_program() {
        let text = "[resources.Blog]\npath = 'blog.db'\n[server]\ntrace = 'off'";
        let engine = engine()
            .config(Config::new().text("etc/blog.toml", text))
            .trace(TraceMode::All)
            .limits(Limits {
                batch_max: 7,
                ..Limits::default()
            })
            .class_deadline(Interactive, 30.millis());
        let variables = [
            ("CUTAWAY_RESOURCES__BLOG__READERS".into(), "5".into()),
            ("CUTAWAY_LIMITS__FIELDS_MAX".into(), "9".into()),
        ];
        let launch = engine.settled(variables).unwrap();
        assert_eq!(launch.serving.shards, Some(3));
        assert_eq!(launch.serving.trace, TraceMode::Off);
        assert_eq!((launch.limits.batch_max, launch.limits.fields_max), (7, 9));
        let classes = launch.routes.classes();
        let interactive = classes.class(Interactive).deadline;
        assert_eq!(interactive, Nanos::from_millis(30));
        let (_, Settings::Sqlite(sqlite)) = &launch.routes.resources()[0] else {
            panic!("it is a database");
        };
        assert_eq!(sqlite.path(), Path::new("etc/blog.db"));
        assert_eq!(sqlite.bounds().readers, 5);
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let engine = engine()
            .limits(Limits {
                batch_max: 0,
                ..Limits::default()
            })
            .class_deadline(Interactive, 0.secs())
            .config_file("/nowhere/blog.toml")
            .config(Config::new().set("resources.Log.path", "x"));
        let variables = [("CUTAWAY_SERVER__SHARDS".into(), "none".into())];
        let refused = engine.settled(variables).err().unwrap().to_string();
        let expected = "this configuration cannot be used:
  `classes.interactive.deadline` is 0 ns; it takes 1 ns or more
  `limits.batch_max` is 0; it takes 1 or more
  /nowhere/blog.toml: cannot be read: No such file or directory (os error 2)
  CUTAWAY_SERVER__SHARDS: `server.shards` cannot be read; it takes a whole number, 1 to 1024
  command line: unknown resource `Log`; there is `Blog`";
        assert_eq!(refused, expected);
    }
}
