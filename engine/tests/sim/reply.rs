//! A small strict reader of replies: what it takes, every client takes.

/// A reply as the client read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    fields: Vec<(String, String)>,
    /// The length of its content, as its head has it.
    pub length: usize,
    pub content: Vec<u8>,
}

impl Reply {
    /// Reads one reply from the front of `bytes`, and says how long it is; none where it is not all
    /// there yet.
    ///
    /// # Errors
    /// In words, what is wrong with it.
    pub fn read(bytes: &[u8], is_to_head: bool) -> Result<Option<(Reply, usize)>, String> {
        let Some(head_len) = find(bytes, b"\r\n\r\n") else {
            return check_beginning(bytes).map(|()| None);
        };
        let head = std::str::from_utf8(&bytes[..head_len]).map_err(|_| "a head is not text")?;
        let mut lines = head.split("\r\n");
        let status = status_of(lines.next().unwrap_or_default())?;
        let fields = lines.map(field_of).collect::<Result<Vec<_>, _>>()?;
        let mut reply = Reply {
            status,
            fields,
            length: 0,
            content: Vec::new(),
        };
        let content_from = head_len + 4;
        let length = reply.check_fields()?;
        reply.length = length;
        let content_len = if is_to_head { 0 } else { length };
        let Some(content) = bytes.get(content_from..content_from + content_len) else {
            return Ok(None);
        };
        reply.content = content.to_vec();
        Ok(Some((reply, content_from + content_len)))
    }

    /// The value of a field that may stand once.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut found = self
            .fields
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "`{name}` stands twice");
        value
    }

    /// Whether it is the connection's last.
    pub fn is_last(&self) -> bool {
        self.field("Connection") == Some("close")
    }

    /// Whether it only comes before the reply.
    pub fn is_interim(&self) -> bool {
        self.status < 200
    }

    /// Whether the fields are as they must be; and the length of the content.
    fn check_fields(&self) -> Result<usize, String> {
        let length = self.field("Content-Length");
        if self.is_interim() || self.status == 204 {
            // https://www.rfc-editor.org/rfc/rfc9110#section-8.6: "A server MUST NOT send a
            // Content-Length header field in any response with a status code of 1xx
            // (Informational) or 204 (No Content)."
            return match length {
                None => Ok(0),
                Some(_) => Err(format!("a {} with Content-Length", self.status)),
            };
        }
        let date = self.field("Date").ok_or("no Date")?;
        if date.len() != 29 || !date.ends_with(" GMT") {
            return Err(format!("the Date is `{date}`"));
        }
        match self.field("Connection") {
            None | Some("close" | "keep-alive") => {}
            Some(other) => return Err(format!("Connection is `{other}`")),
        }
        if self.status == 405 && self.field("Allow").is_none() {
            return Err("a 405 without Allow".into());
        }
        let length = length.ok_or("no Content-Length")?;
        length
            .parse()
            .map_err(|_| format!("a length of `{length}`"))
    }
}

/// What there is of an unfinished head must still be one.
fn check_beginning(bytes: &[u8]) -> Result<(), String> {
    let expected = b"HTTP/1.1 ";
    let len = bytes.len().min(expected.len());
    if bytes[..len] != expected[..len] {
        return Err(format!(
            "a reply begins with \"{}\"",
            bytes[..len].escape_ascii()
        ));
    }
    if bytes.len() > HEAD_BYTES_MAX {
        return Err("a head without an end".into());
    }
    Ok(())
}

fn status_of(line: &str) -> Result<u16, String> {
    let wrong = || format!("the status line is `{line}`");
    let rest = line.strip_prefix("HTTP/1.1 ").ok_or_else(wrong)?;
    let (code, reason) = rest.split_once(' ').ok_or_else(wrong)?;
    if code.len() != 3 || reason.is_empty() {
        return Err(wrong());
    }
    code.parse().map_err(|_| wrong())
}

fn field_of(line: &str) -> Result<(String, String), String> {
    let (name, value) = line
        .split_once(": ")
        .ok_or_else(|| format!("a field line `{line}`"))?;
    let is_token = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let is_value = !value.is_empty() && value.trim() == value;
    if !is_token || !is_value {
        return Err(format!("a field line `{line}`"));
    }
    Ok((name.into(), value.into()))
}

pub fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

const HEAD_BYTES_MAX: usize = 2048;
