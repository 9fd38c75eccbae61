//! Tables of values with commas between them, as spreadsheets write and read them (RFC 4180); read are also those with semicolons, as where
//! a comma stands in numbers, or tabs.

/// The number of the line that a record begins in, and its fields.
pub type Record = (usize, Vec<String>);

/// What may stand between the values of a text.
const SEPARATORS: [char; 3] = [',', ';', '\t'];

/// What does: the first of these that the first record has outside of quotes.
fn separator(text: &str) -> char {
    let mut letters = text.chars().peekable();
    let (mut begins, mut there) = (true, Vec::new());
    while let Some(letter) = letters.next_if(|letter| !matches!(letter, '\n' | '\r')) {
        if begins && letter == '"' {
            while let Some(letter) = letters.next() {
                if letter == '"' && letters.next_if_eq(&'"').is_none() {
                    break;
                }
            }
        }
        begins = SEPARATORS.contains(&letter);
        there.extend(begins.then_some(letter));
    }
    SEPARATORS.into_iter().find(|separator| there.contains(separator)).unwrap_or(',')
}

/// The records of a text; empty lines are none.
///
/// # Errors
/// The number of the line that is at fault, and what is wrong there.
pub fn records(text: &str) -> Result<Vec<Record>, (usize, &'static str)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let separator = separator(text);
    let mut letters = text.chars().peekable();
    let (mut records, mut line) = (Vec::new(), 1);
    while letters.peek().is_some() {
        let (begins, mut record) = (line, Vec::new());
        loop {
            let mut field = String::new();
            if letters.next_if_eq(&'"').is_some() {
                loop {
                    match letters.next() {
                        None => return Err((begins, "a quote is not closed")),
                        // Two that stand together are one within.
                        Some('"') if letters.next_if_eq(&'"').is_none() => break,
                        Some(letter) => {
                            line += usize::from(letter == '\n');
                            field.push(letter);
                        }
                    }
                }
            }
            while let Some(letter) = letters.next_if(|&letter| letter != separator && !matches!(letter, '\n' | '\r')) {
                field.push(letter);
            }
            record.push(field);
            match letters.next() {
                Some(letter) if letter == separator => continue,
                Some('\r') => {
                    letters.next_if_eq(&'\n');
                }
                _ => {}
            }
            break;
        }
        line += 1;
        if record != [""] {
            records.push((begins, record));
        }
    }
    Ok(records)
}

/// A field as it is written.
pub fn quoted(field: &str) -> String {
    match field.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn records_are_those_of_spreadsheets() {
        let read = |text: &str| records(text).unwrap();
        let row =
            |line: usize, fields: &[&str]| (line, fields.iter().map(|field| field.to_string()).collect::<Vec<_>>());
        for end in ["\n", "\r\n", "\r"] {
            let text = ["\u{feff}file,class", "a b.png, cat", "", "\"x,\"\"y\"\"\",", "z,dog"].join(end);
            let expected = [
                row(1, &["file", "class"]),
                row(2, &["a b.png", " cat"]),
                row(4, &["x,\"y\"", ""]),
                row(5, &["z", "dog"]),
            ];
            assert_eq!(read(&text), expected, "{end:?}");
            assert_eq!(read(&(text + end)), expected, "{end:?} at the end");
        }
        assert_eq!(read("\"two\nlines\",1\n3"), [row(1, &["two\nlines", "1"]), row(3, &["3"])]);
        assert!(read("").is_empty());
        for separator in [';', '\t'] {
            let text = format!("file{separator}class\nb,c.png{separator}x\n\"d{separator}e\"{separator}y");
            let last = format!("d{separator}e");
            assert_eq!(read(&text)[1..], [row(2, &["b,c.png", "x"]), row(3, &[&last, "y"])], "{separator:?}");
        }
        // A comma in quotes, or in another line, does not stand between values.
        for end in ["\n", "\r\n", "\r"] {
            let text = format!("file;class;\"a,\"\"b\"{end}x.png;a,b;0,25{end}");
            assert_eq!(
                read(&text),
                [row(1, &["file", "class", "a,\"b"]), row(2, &["x.png", "a,b", "0,25"])],
                "{end:?}"
            );
        }
        assert_eq!(read("\"x\ny,z\";file\n1;2"), [row(1, &["x\ny,z", "file"]), row(3, &["1", "2"])]);
        assert_eq!(read("5\";file\n1;2"), [row(1, &["5\"", "file"]), row(2, &["1", "2"])]);
        assert_eq!(records("a\n\"b\nc").unwrap_err(), (2, "a quote is not closed"));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(table in prop::collection::vec(prop::collection::vec("[a,\"\n\r é]{0,4}", 2..4), 0..5)) {
            let lines = table.iter().map(|row| row.iter().map(|field| quoted(field)).collect::<Vec<_>>().join(","));
            let text: String = lines.map(|line| line + "\n").collect();
            let read: Vec<Vec<String>> = records(&text).unwrap().into_iter().map(|(_, record)| record).collect();
            prop_assert_eq!(read, table);
        }
    }
}
