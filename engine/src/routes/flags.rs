//! The flags that a service gets from its routes.

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Write};

use super::BuiltRoutes;

impl BuiltRoutes {
    /// Answers what a command line asks of the routes, and says whether it did; the program has nothing
    /// else to do then.
    ///
    /// - `--print-routes` prints the [`listing`](BuiltRoutes::listing);
    /// - `--print-routes=dot` and `--print-routes=mermaid` print a graph of the same.
    ///
    /// # Errors
    /// The flag asks for what there is not. Returned from `main`, it is printed and the process ends
    /// with the status 1.
    ///
    /// Hand it [`args_os`](std::env::args_os): `args` panics where an argument is not UTF-8, as a path may
    /// be.
    ///
    /// ```
    /// use cutaway::prelude::*;
    ///
    /// fn hello(cx: &mut Cx) -> Step {
    ///     cx.text("Hello, World!")
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let routes = Routes::new().get("/hello", chain(hello)).build()?;
    ///     # let asked = ["hello", "--print-routes"];
    ///     if routes.answer_flags(std::env::args_os())? {
    ///         return Ok(());
    ///     }
    ///     # assert!(routes.answer_flags(asked)?);
    ///     # return Ok(());
    ///     Ok(Engine::new(routes).run()?)
    /// }
    /// ```
    pub fn answer_flags(
        &self,
        arguments: impl IntoIterator<Item: AsRef<OsStr>>,
    ) -> Result<bool, FlagRefused> {
        let Some(text) = self.answer(arguments).transpose()? else {
            return Ok(false);
        };
        // Whoever reads may have enough after the first lines, as `head` does: that is no fault.
        let _ = io::stdout().write_all(text.as_bytes());
        Ok(true)
    }

    /// What is printed; none where nothing was asked.
    fn answer(
        &self,
        arguments: impl IntoIterator<Item: AsRef<OsStr>>,
    ) -> Option<Result<String, FlagRefused>> {
        let formats = arguments.into_iter().filter_map(|argument| {
            let rest = argument.as_ref().to_str()?.strip_prefix(FLAG)?;
            match rest.strip_prefix('=') {
                Some(format) => Some(format.to_owned()),
                None if rest.is_empty() => Some("text".to_owned()),
                None => None,
            }
        });
        Some(match formats.last()?.as_str() {
            "text" => Ok(self.listing().to_string()),
            "dot" => Ok(self.dot().to_string()),
            "mermaid" => Ok(self.mermaid().to_string()),
            other => Err(FlagRefused {
                format: other.to_owned(),
            }),
        })
    }
}

/// A `--print-routes` that asks for what there is not.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{FLAG}={format}: there are `text`, `dot` and `mermaid`")]
pub struct FlagRefused {
    format: String,
}

/// As the sentence, for `main` prints it so.
impl fmt::Debug for FlagRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const FLAG: &str = "--print-routes";

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use crate::prelude::*;

    #[test]
    fn a_flag_is_answered_and_anything_else_is_not() {
        fn hello(cx: &mut Cx) -> Step {
            cx.text("hello")
        }
        let routes = Routes::new().get("/", chain(hello)).build().unwrap();
        let answer = |arguments: &[&str]| routes.answer(arguments);
        let begins = |arguments: &[&str], with: &str| {
            let text = answer(arguments).unwrap().unwrap();
            assert!(text.starts_with(with), "{text}");
        };
        begins(&["service", "--print-routes"], "GET /\n");
        begins(&["service", "--print-routes=text"], "GET /\n");
        begins(&["--port", "1", "--print-routes=dot"], "digraph");
        begins(&["--print-routes", "--print-routes=mermaid"], "flowchart");
        for others in [&["service"][..], &[], &["--print-routes-not"], &["--trace"]] {
            assert_eq!(answer(others), None, "{others:?}");
        }
        // A path need not be UTF-8.
        let path = OsStr::from_bytes(b"--db=\xff");
        assert_eq!(routes.answer([path]), None);
        assert!(
            routes
                .answer([path, OsStr::new("--print-routes")])
                .is_some()
        );
        let refused = routes.answer_flags(["service", "--print-routes=svg"]);
        assert_eq!(
            format!("{:?}", refused.unwrap_err()),
            "--print-routes=svg: there are `text`, `dot` and `mermaid`"
        );
    }
}
