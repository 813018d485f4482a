//! `/random/integers`, `uuids`, `strings` and `shuffle`: unbiased choices from the generator's words.
//! An answer is complete before it is sent: the limits keep it to a few megabytes.

use std::fmt::Write;

use zeroize::Zeroizing;

use crate::dialect::native::list_query::{List, ListQuery};
use crate::dialect::native::random::accepted;
use crate::dialect::native::sampling::{between, shuffle, up_to};
use crate::http::body::Body;
use crate::http::buffer::AnswerBuffer;
use crate::http::call::{Call, Reply};
use crate::http::format::ListFormat;
use crate::http::query::Invalid;
use crate::http::rate_limit;
use crate::http::refusal::Refusal;
use crate::http::respond::ok;
use lavawall_entropy::{Generator, NotReady};

/// Words drawn from the generator at once.
const WORDS: usize = 256;

/// Reads the query by `parse`, draws the list and writes it.
pub(crate) fn answer(
    call: &Call<'_>,
    parse: fn(&str) -> Result<ListQuery, Invalid>,
) -> Result<Reply, Refusal> {
    let app = call.app;
    let (list, format) = parse(call.query())?;
    let format = match format {
        Some(format) => format,
        None => accepted(call.request.headers(), &ListFormat::OFFERS)?,
    };
    // Its length is known once it is drawn; one that cannot fit is not drawn.
    rate_limit::check(&app.limits, &call.caller, call.request.method(), list.shortest())?;
    let headers = app.random_headers(format.media_type());
    let body = write(&list, format, &mut Words::new(&app.generator))?;
    let mut buffer = AnswerBuffer::new(body.len());
    buffer.bytes().copy_from_slice(body.as_bytes());
    rate_limit::charge(&app.limits, &call.caller, call.request.method(), body.len() as u64)?;
    app.meters.add_bytes(body.len());
    Ok(Reply::Now(ok(headers, Body::whole(buffer.into_bytes()))))
}

/// Draws the list.
fn write(
    list: &List,
    format: ListFormat,
    words: &mut Words<'_>,
) -> Result<Zeroizing<String>, NotReady> {
    let mut out = Items::new(format, list.longest());
    match list {
        List::Integers { least, most, count } => {
            for _ in 0..*count {
                out.number(between(*least, *most, || words.next())?);
            }
        }
        List::Uuids { count } => {
            for _ in 0..*count {
                let random = u128::from(words.next()?) << 64 | u128::from(words.next()?);
                let uuid = uuid::Builder::from_random_bytes(random.to_be_bytes()).into_uuid();
                out.text(uuid.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()).chars());
            }
        }
        List::Strings { length, alphabet, count } => {
            let highest = alphabet.len() as u64 - 1;
            for _ in 0..*count {
                let bytes = usize::try_from(4 * length).expect("at most 16 KiB");
                let mut string = Zeroizing::new(String::with_capacity(bytes));
                for _ in 0..*length {
                    let chosen = up_to(highest, || words.next())?;
                    string.push(alphabet[usize::try_from(chosen).expect("an index")]);
                }
                out.text(string.chars());
            }
        }
        List::Shuffle { n } => {
            let mut numbers: Zeroizing<Vec<u64>> = Zeroizing::new((0..*n).collect());
            shuffle(&mut numbers, || words.next())?;
            for number in numbers.iter() {
                out.number(*number);
            }
        }
    }
    Ok(out.finish())
}

impl List {
    /// The fewest bytes of an answer: lines of text.
    fn shortest(&self) -> u64 {
        match self {
            Self::Integers { count, .. } => count * 2,
            Self::Uuids { count } => count * 37,
            Self::Strings { length, count, .. } => count * (length + 1),
            Self::Shuffle { n } => n * 2,
        }
    }

    /// The most bytes of an answer.
    fn longest(&self) -> usize {
        let bytes = match self {
            // A sign, nineteen digits and a comma.
            Self::Integers { count, .. } => count * 21,
            Self::Uuids { count } => count * 39,
            // Four bytes a character; two quotes and a comma.
            Self::Strings { length, count, .. } => count * (length * 4 + 3),
            Self::Shuffle { n } => n * 7,
        };
        usize::try_from(bytes).expect("the limits keep it small") + 16
    }
}

/// The generator's output in words, drawn many at a time.
struct Words<'a> {
    generator: &'a Generator,
    drawn: Zeroizing<[u8; WORDS * 8]>,
    used: usize,
}

impl<'a> Words<'a> {
    fn new(generator: &'a Generator) -> Self {
        let drawn = Zeroizing::new([0; WORDS * 8]);
        Self { generator, drawn, used: WORDS }
    }

    fn next(&mut self) -> Result<u64, NotReady> {
        if self.used == WORDS {
            self.generator.fill(self.drawn.as_mut_slice())?;
            self.used = 0;
        }
        let word = self.drawn.as_chunks().0[self.used];
        self.used += 1;
        Ok(u64::from_le_bytes(word))
    }
}

/// The items written so far: an array in JSON, or a line per item. Never reallocated: that would leave
/// a copy that is not zeroized.
struct Items {
    out: Zeroizing<String>,
    format: ListFormat,
}

impl Items {
    fn new(format: ListFormat, longest: usize) -> Self {
        let mut out = Zeroizing::new(String::with_capacity(longest));
        if format == ListFormat::Json {
            out.push_str("{\"data\":[");
        }
        Self { out, format }
    }

    fn number(&mut self, number: impl std::fmt::Display) {
        // Writing to a String cannot fail.
        let _ = write!(self.out, "{number}");
        self.end();
    }

    /// A string, escaped where JSON requires it.
    fn text(&mut self, text: impl Iterator<Item = char>) {
        if self.format == ListFormat::Text {
            self.out.extend(text);
        } else {
            self.out.push('"');
            for character in text {
                if matches!(character, '"' | '\\') {
                    self.out.push('\\');
                }
                self.out.push(character);
            }
            self.out.push('"');
        }
        self.end();
    }

    fn end(&mut self) {
        self.out.push(if self.format == ListFormat::Json { ',' } else { '\n' });
    }

    fn finish(mut self) -> Zeroizing<String> {
        if self.format == ListFormat::Json {
            // The comma behind the last one.
            self.out.pop();
            self.out.push_str("]}\n");
        }
        self.out
    }
}
