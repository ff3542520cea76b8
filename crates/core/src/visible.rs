//! Text of tables, files and job files made safe to show: a terminal must never obey what a stranger has written there.

use std::borrow::Cow;

/// The text with every character that has no shape of its own written as an escape, such as `\n`, `\u{1b}` or `\u{202e}`:
/// line breaks, control characters, and the marks that hide text or reverse its direction. All other text stays as it is.
///
/// ```
/// # use quelea_core::visible::visible;
/// assert_eq!(visible("naïve \u{1b}[31mred\u{7}\n"), r"naïve \u{1b}[31mred\u{7}\n");
/// ```
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_invisible) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            invisible if is_invisible(invisible) => shown.extend(invisible.escape_debug()),
            other => shown.push(other),
        }
    }
    shown.into()
}

/// The text, or its beginning where it is longer than 40 characters.
pub fn shortened(text: &str) -> String {
    if text.chars().count() <= 40 { text.into() } else { text.chars().take(37).chain("...".chars()).collect() }
}

/// Whether a terminal shows nothing for the character, or something other than the character: Unicode's control characters (Cc),
/// separators of lines and paragraphs (Zl, Zp), and formats (Cf).
pub fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_every_script_stays_as_it_is() {
        for text in ["", "plain", "naïve café", "e\u{301}", "日本語", "हिन्दी", "עברית", "\"quoted\" \\ 'back'", "👍🏽", "a\u{a0}b", "░█"]
        {
            assert!(matches!(visible(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn what_steers_a_terminal_is_escaped() {
        for (text, shown) in [
            ("\u{1b}[2J", r"\u{1b}[2J"),
            ("a\tb\r\nc\0", r"a\tb\r\nc\0"),
            ("\u{7f}\u{80}\u{9b}31m", r"\u{7f}\u{80}\u{9b}31m"),
            ("abc\u{202e}cba\u{2066}", r"abc\u{202e}cba\u{2066}"),
            ("\u{feff}a\u{200b}b\u{2028}", r"\u{feff}a\u{200b}b\u{2028}"),
            ("\u{e0041}", r"\u{e0041}"),
        ] {
            assert_eq!(visible(text), shown);
        }
    }

    #[test]
    fn nothing_invisible_is_left_and_nothing_is_escaped_twice() {
        let all: String = ('\0'..=char::MAX).collect();
        let shown = visible(&all);
        assert!(!shown.contains(is_invisible));
        assert!(matches!(visible(&shown), Cow::Borrowed(_)));
    }
}
