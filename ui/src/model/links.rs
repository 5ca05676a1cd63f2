//! Links in text: http and https as they are written, nothing guessed.
//!
//! ```text
//! "see https://exämple.org/a?b (now)."
//!      └─ begins a word ────┘└─ to a space, less what closes the sentence
//!                  ▼ parsed as a browser does
//!      address  https://xn--exmple-cua.org/a?b     what would be opened, to the letter
//!      host     xn--exmple-cua.org                 whom it would be asked of
//! ```
//!
//! A link that names a user in front of its host is none: that is how one host is made to look like another.

use url::Url;

/// Links of one message that are shown: a longer list is copied, not pressed.
const SHOWN: usize = 8;

/// Bytes of an address at most: what browsers take, and what a question can show.
const LONGEST: usize = 2_048;

/// Something that can be opened, once the person said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The whole address in ASCII, as it would be opened.
    pub address: String,
    /// Its host as the network knows it, with its port if that is unusual and its scheme if that is not sealed.
    pub host: String,
    /// What follows the host.
    pub rest: String,
}

impl Link {
    /// The host has letters beyond a to z, which can look like others.
    pub fn has_foreign_letters(&self) -> bool {
        self.host.split('.').any(|label| label.starts_with("xn--"))
    }
}

/// The links in `text`, in their order, each once.
pub fn find(text: &str) -> Vec<Link> {
    let mut found: Vec<Link> = Vec::new();
    for link in text.split(ends).filter_map(in_word) {
        if found.len() < SHOWN && !found.iter().any(|known| known.address == link.address) {
            found.push(link);
        }
    }
    found
}

fn ends(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"' | '“' | '”' | '„' | '«' | '»')
}

fn in_word(word: &str) -> Option<Link> {
    let from = ["https://", "http://"].iter().filter_map(|scheme| scheme_in(word, scheme)).min()?;
    read(shorn(&word[from..]))
}

fn scheme_in(word: &str, scheme: &str) -> Option<usize> {
    // Letters of ASCII alone change here: places stay what they are.
    let at = word.to_ascii_lowercase().find(scheme)?;
    let inside_word = word[..at].chars().next_back().is_some_and(char::is_alphanumeric);
    (!inside_word).then_some(at)
}

/// Without what closes the sentence or the bracket around it.
fn shorn(mut link: &str) -> &str {
    while let Some(last) = link.chars().next_back() {
        let closes = match last {
            ')' => link.matches(')').count() > link.matches('(').count(),
            ']' => link.matches(']').count() > link.matches('[').count(),
            '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '’' | '‘' | '…' | '}' | '*' | '_' => true,
            _ => false,
        };
        if !closes {
            break;
        }
        link = &link[..link.len() - last.len_utf8()];
    }
    link
}

/// One address, judged as a browser would.
pub fn read(text: &str) -> Option<Link> {
    let url = Url::parse(text).ok().filter(|_| text.len() <= LONGEST)?;
    if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    let host = url.host_str().filter(|host| !host.is_empty())?;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let rest = url[url::Position::BeforePath..].to_owned();
    let rest = if rest == "/" { String::new() } else { rest };
    let open = if url.scheme() == "http" { "http://" } else { "" };
    Some(Link { address: url.as_str().to_owned(), host: format!("{open}{host}{port}"), rest })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(text: &str) -> Vec<String> {
        find(text).into_iter().map(|link| link.address).collect()
    }

    #[test]
    fn g6_links_are_found_where_they_are_written() {
        let text = "see https://example.org/a(b)?c=d#e, (HTTP://Example.com:8080) and https://example.org.";
        assert_eq!(
            addresses(text),
            ["https://example.org/a(b)?c=d#e", "http://example.com:8080/", "https://example.org/"]
        );
        let link = read("https://example.org/notes/g").expect("a link");
        assert_eq!((link.host.as_str(), link.rest.as_str()), ("example.org", "/notes/g"));
        assert_eq!(read("http://a.example:81/").map(|link| link.host).as_deref(), Some("http://a.example:81"));
        assert_eq!(read("https://example.org").map(|link| link.rest), Some(String::new()));
    }

    #[test]
    fn g6_nothing_is_guessed() {
        for text in [
            "example.org",
            "www.example.org",
            "ftp://example.org",
            "mailto:a@b.c",
            "javascript:alert(1)",
            "file:///etc/passwd",
            "xhttps://example.org",
            "https://",
            "https:// example.org",
            "data:text/html,x",
            "https:///",
        ] {
            assert_eq!(addresses(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn g6_the_real_host_is_shown() {
        let link = read("https://аррӏе.com/login").expect("a link");
        assert_eq!((link.host.as_str(), link.has_foreign_letters()), ("xn--80ak6aa92e.com", true));
        assert_eq!(addresses("https://good.example@evil.example/"), Vec::<String>::new());
        assert_eq!(addresses("https://good.example:x@evil.example"), Vec::<String>::new());
        assert_eq!(read("https://evil.example\\@good.example").map(|link| link.host).as_deref(), Some("evil.example"));
        assert_eq!(read("https://0x7f.1/").map(|link| link.host).as_deref(), Some("127.0.0.1"));
    }

    #[test]
    fn each_is_shown_once_and_not_without_end() {
        assert_eq!(addresses(&"https://a.example ".repeat(50)).len(), 1);
        let many: String = (0..50).map(|n| format!("https://a.example/{n} ")).collect();
        assert_eq!(addresses(&many).len(), SHOWN);
        assert_eq!(read(&format!("https://a.example/{}", "x".repeat(LONGEST))), None);
    }
}
