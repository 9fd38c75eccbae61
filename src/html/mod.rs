//! HTML that is well formed by construction, and in which nobody else's text can become markup; and the style of all pages.

/// The style of all pages: light and dark, on a screen and on paper.
pub(crate) const STYLE: &str = include_str!("page.css");

/// Writes HTML: elements close where their closure ends, and every text and attribute value is escaped.
#[derive(Debug, Default)]
pub struct Html {
    written: String,
}

impl Html {
    /// An element with what `content` writes inside.
    pub fn element(&mut self, tag: &'static str, attributes: &[(&'static str, &str)], content: impl FnOnce(&mut Html)) {
        self.open(tag, attributes);
        content(self);
        self.written += "</";
        self.written += tag;
        self.written.push('>');
    }

    /// An element that holds a text alone.
    pub fn leaf(&mut self, tag: &'static str, attributes: &[(&'static str, &str)], text: &str) {
        self.element(tag, attributes, |html| html.text(text));
    }

    /// An element that has no end: `img`, `input`, `meta`, `link`.
    pub fn void(&mut self, tag: &'static str, attributes: &[(&'static str, &str)]) {
        self.open(tag, attributes);
    }

    /// A text.
    pub fn text(&mut self, text: &str) {
        for character in text.chars() {
            match character {
                '&' => self.written += "&amp;",
                '<' => self.written += "&lt;",
                '>' => self.written += "&gt;",
                '"' => self.written += "&quot;",
                '\'' => self.written += "&#39;",
                '\n' | '\t' => self.written.push(character),
                // HTML knows no other control characters, not even escaped.
                control if control.is_control() => self.written.push(char::REPLACEMENT_CHARACTER),
                other => self.written.push(other),
            }
        }
    }

    /// Markup of this crate's own.
    pub(crate) fn raw(&mut self, markup: &'static str) {
        self.written += markup;
    }

    /// An element `script` with a text of this crate's making: a program, or what is none (`type` says so).
    ///
    /// # Panics
    /// Where the text would end the element.
    #[cfg(feature = "gpu")]
    pub(crate) fn script(&mut self, attributes: &[(&'static str, &str)], text: &str) {
        assert!(!text.contains("</") && !text.contains("<!--"), "a script that ends before its end");
        self.open("script", attributes);
        self.written += text;
        self.written += "</script>";
    }

    /// What was written.
    pub fn finish(self) -> String {
        self.written
    }

    fn open(&mut self, tag: &'static str, attributes: &[(&'static str, &str)]) {
        self.written.push('<');
        self.written += tag;
        for (name, value) in attributes {
            self.written.push(' ');
            self.written += name;
            self.written += "=\"";
            self.text(value);
            self.written.push('"');
        }
        self.written.push('>');
    }
}

/// Bytes in base64 (RFC 4648, section 4).
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_attributes_never_become_markup() {
        let hostile = "<script>alert(\"1\")</script>&amp;'\0\u{1b}\n";
        let mut html = Html::default();
        html.element("p", &[("title", hostile)], |html| html.text(hostile));
        let escaped = "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;amp;&#39;\u{fffd}\u{fffd}\n";
        assert_eq!(html.finish(), format!("<p title=\"{escaped}\">{escaped}</p>"));
    }

    #[test]
    fn base64_agrees_with_the_vectors_of_rfc_4648() {
        let rows =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE=")];
        for (bytes, text) in rows {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }
}
