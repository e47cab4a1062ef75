//! Forms and links, read from HTML as written by careful servers.

/// A form of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// Where it goes; empty for the page itself.
    pub action: String,
    /// The method in lower case.
    pub method: String,
    /// Names and preset values of its fields, in order.
    pub fields: Vec<(String, String)>,
}

impl Form {
    /// Whether a field of this name exists.
    pub fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(field, _)| field == name)
    }

    /// The preset value of a field.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn is_post(&self) -> bool {
        self.method == "post"
    }

    /// All fields, with the given values in place of the preset ones.
    pub fn filled(&self, values: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut filled: Vec<(String, String)> = self.fields.clone();
        for (name, value) in values {
            match filled.iter_mut().find(|(field, _)| field == name) {
                Some(field) => (*value).clone_into(&mut field.1),
                None => filled.push(((*name).to_owned(), (*value).to_owned())),
            }
        }
        filled
    }
}

/// A link of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Where it goes, as written.
    pub href: String,
    /// The text from the link to the next tag.
    pub text: String,
}

pub(super) fn forms(html: &str) -> Vec<Form> {
    let mut forms = Vec::new();
    let mut open: Option<Form> = None;
    for tag in Tags::of(html) {
        match tag.name.as_str() {
            "form" => {
                forms.extend(open.take());
                open = Some(Form {
                    action: tag.attribute("action").unwrap_or_default(),
                    method: tag
                        .attribute("method")
                        .unwrap_or_default()
                        .to_ascii_lowercase(),
                    fields: Vec::new(),
                });
            }
            "/form" => forms.extend(open.take()),
            "input" | "textarea" | "select" => {
                if let (Some(form), Some(field)) = (open.as_mut(), field(&tag)) {
                    form.fields.push(field);
                }
            }
            _ => {}
        }
    }
    forms.extend(open);
    forms
}

pub(super) fn links(html: &str) -> Vec<Link> {
    Tags::of(html)
        .filter(|tag| tag.name == "a")
        .filter_map(|tag| {
            let href = tag.attribute("href")?;
            Some(Link {
                href,
                text: unescape(tag.text.trim()),
            })
        })
        .collect()
}

/// What an element sends unless the person changes it; buttons and unchecked boxes send nothing.
fn field(tag: &Tag<'_>) -> Option<(String, String)> {
    let kind = tag
        .attribute("type")
        .unwrap_or_default()
        .to_ascii_lowercase();
    let checkable = matches!(kind.as_str(), "checkbox" | "radio");
    if matches!(
        kind.as_str(),
        "submit" | "button" | "reset" | "image" | "file"
    ) || (checkable && tag.attribute("checked").is_none())
        || tag.attribute("disabled").is_some()
    {
        return None;
    }
    let name = tag.attribute("name").filter(|name| !name.is_empty())?;
    let value = match tag.name.as_str() {
        "textarea" => unescape(tag.text.strip_prefix('\n').unwrap_or(tag.text)),
        _ => tag.attribute("value").unwrap_or(if checkable {
            "on".to_owned()
        } else {
            String::new()
        }),
    };
    Some((name, value))
}

struct Tag<'a> {
    name: String,
    attributes: Vec<(String, String)>,
    /// What follows the tag, up to the next one.
    text: &'a str,
}

impl Tag<'_> {
    fn attribute(&self, name: &str) -> Option<String> {
        self.attributes
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.clone())
    }
}

struct Tags<'a> {
    rest: &'a str,
}

impl<'a> Tags<'a> {
    fn of(html: &'a str) -> Self {
        Self { rest: html }
    }
}

impl<'a> Iterator for Tags<'a> {
    type Item = Tag<'a>;

    fn next(&mut self) -> Option<Tag<'a>> {
        loop {
            let (_, after) = self.rest.split_once('<')?;
            if let Some(comment) = after.strip_prefix("!--") {
                self.rest = comment.split_once("-->")?.1;
                continue;
            }
            let (inside, after) = split_tag(after)?;
            let (name, attributes) = parse_tag(inside);
            let raw = matches!(name.as_str(), "script" | "style");
            self.rest = if raw {
                after.split_once(&format!("</{name}"))?.1
            } else {
                after
            };
            let text = after.split('<').next().unwrap_or_default();
            return Some(Tag {
                name,
                attributes,
                text,
            });
        }
    }
}

/// Splits at the `>` that ends the tag; one inside quotes does not.
fn split_tag(text: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            (None, '>') => return Some((text.get(..at)?, text.get(at + 1..)?)),
            (None, '"' | '\'') => quote = Some(letter),
            (Some(open), _) if open == letter => quote = None,
            _ => {}
        }
    }
    None
}

fn parse_tag(inside: &str) -> (String, Vec<(String, String)>) {
    let inside = inside.trim_end_matches('/');
    let end = inside.find(char::is_whitespace).unwrap_or(inside.len());
    let (name, mut rest) = inside.split_at(end);
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start();
        let end = rest
            .find(|c: char| c == '=' || c.is_whitespace())
            .unwrap_or(rest.len());
        let (key, after) = rest.split_at(end);
        if key.is_empty() && after.is_empty() {
            return (name.to_ascii_lowercase(), attributes);
        }
        let (value, after) = match after.trim_start().strip_prefix('=') {
            Some(value) => split_value(value.trim_start()),
            None => ("", after),
        };
        attributes.push((key.to_ascii_lowercase(), unescape(value)));
        rest = after;
    }
}

fn split_value(text: &str) -> (&str, &str) {
    for quote in ['"', '\''] {
        if let Some(quoted) = text.strip_prefix(quote) {
            return quoted.split_once(quote).unwrap_or((quoted, ""));
        }
    }
    text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()))
}

/// Decodes character references: numbers, and the five names that escapers write.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        let decoded = after
            .split_once(';')
            .and_then(|(reference, after)| Some((decode(reference)?, after)));
        plain.push(decoded.map_or('&', |(letter, _)| letter));
        rest = decoded.map_or(after, |(_, after)| after);
    }
    plain.push_str(rest);
    plain
}

fn decode(reference: &str) -> Option<char> {
    match reference {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = reference.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_presets_and_buttons_send_nothing() {
        let html = r#"<!-- <form action="/no"> --><script>if (a < b) "<form>"</script>
            <form method="POST" action='/login?a=1&amp;b=2'>
            <input type=hidden name=csrf value="x&#34;&#x3c;y"><input name="user">
            <input type="checkbox" name="off"><input type="checkbox" name="on" checked />
            <textarea name="note">a &lt; b</textarea><button name="go">Go</button></form>"#;
        let form = Form {
            action: "/login?a=1&b=2".into(),
            method: "post".into(),
            fields: vec![
                ("csrf".into(), "x\"<y".into()),
                ("user".into(), String::new()),
                ("on".into(), "on".into()),
                ("note".into(), "a < b".into()),
            ],
        };
        assert_eq!(forms(html), [form]);
    }

    #[test]
    fn links_carry_address_and_text() {
        let html = r#"<p><a class="x" href="/a?b=1&amp;c=2">Go &amp; see</a> <a name=z>no</a>"#;
        let link = Link {
            href: "/a?b=1&c=2".into(),
            text: "Go & see".into(),
        };
        assert_eq!(links(html), [link]);
    }
}
