//! The flags that a service gets from its routes.

use std::io::{self, Write};

use super::BuiltRoutes;

impl BuiltRoutes {
    /// Answers what a command line asks of the routes, and says whether it did; the program has nothing
    /// else to do then.
    ///
    /// - `--print-routes` prints the [`listing`](BuiltRoutes::listing);
    /// - `--print-routes=dot` and `--print-routes=mermaid` print a graph of the same.
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
    ///     if routes.answer_flags(std::env::args()) {
    ///         return Ok(());
    ///     }
    ///     # assert!(routes.answer_flags(asked));
    ///     # return Ok(());
    ///     Ok(Engine::new(routes).run()?)
    /// }
    /// ```
    pub fn answer_flags(&self, arguments: impl IntoIterator<Item: AsRef<str>>) -> bool {
        let Some(answer) = self.answer(arguments) else {
            return false;
        };
        // Whoever reads may have enough after the first lines, as `head` does: that is no fault.
        let _ = match answer {
            Ok(text) => io::stdout().write_all(text.as_bytes()),
            Err(text) => io::stderr().write_all(text.as_bytes()),
        };
        true
    }

    /// What is printed, and where: an error goes to standard error. None where nothing was asked.
    fn answer(
        &self,
        arguments: impl IntoIterator<Item: AsRef<str>>,
    ) -> Option<Result<String, String>> {
        let formats = arguments.into_iter().filter_map(|argument| {
            let rest = argument.as_ref().strip_prefix(FLAG)?;
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
            other => Err(format!(
                "{FLAG}={other}: there are `text`, `dot` and `mermaid`\n"
            )),
        })
    }
}

const FLAG: &str = "--print-routes";

#[cfg(test)]
mod tests {
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
        assert_eq!(
            answer(&["service", "--print-routes=svg"]).unwrap(),
            Err("--print-routes=svg: there are `text`, `dot` and `mermaid`\n".to_owned())
        );
    }
}
