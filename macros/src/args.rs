//! The words of `#[delay::func(…)]`, read into [`Args`] with their spans.
//!
//! Owns what each word may be; never looks at the item that the attribute is on.

use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, quote};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Error, Lit, LitInt, LitStr, Path, Result, Token};

use crate::mistakes::Mistakes;
use entries::Seen;
use retry::Retry;

pub(crate) mod cron;
pub(crate) mod duration;
pub(crate) mod entries;
pub(crate) mod isolate;
pub(crate) mod key;
pub(crate) mod nearest;
pub(crate) mod program;
pub(crate) mod retry;
pub(crate) mod size;

pub(crate) const WORDS: &[&str] = &[
    "global",
    "queue",
    "priority",
    "retry",
    "timeout",
    "keep_result",
    "isolate",
    "memory",
    "cpu",
    "cron",
    "time_zone",
    "aliases",
    "removed",
    "crate",
];

mod kw {
    syn::custom_keyword!(global);
}

/// The words of one attribute. What was not written, or was written wrongly, is `None` or empty.
pub(crate) struct Args {
    /// The key, and whether it is global.
    pub(crate) key: Option<Key>,
    /// The path of the `delay` crate.
    pub(crate) delay: TokenStream,
    pub(crate) queue: Option<LitStr>,
    pub(crate) priority: Option<i16>,
    pub(crate) retry: Option<Retry>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) keep_result: Option<Kept>,
    /// Whether it runs in a process of its own.
    pub(crate) isolate: Option<Ident>,
    /// What that process may use.
    pub(crate) memory: Option<u64>,
    pub(crate) cpu: Option<Duration>,
    /// The expressions; none if the function is on no schedule.
    pub(crate) cron: Vec<LitStr>,
    pub(crate) time_zone: Option<LitStr>,
    pub(crate) aliases: Vec<LitStr>,
    pub(crate) removed: Vec<LitStr>,
    /// The words of `#[delay::program]` alone.
    pub(crate) program: Option<program::Program>,
}

/// What a function is known by.
pub(crate) struct Key {
    pub(crate) text: LitStr,
    pub(crate) scope: Scope,
}

/// Within what a key is unique.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// `"key"`: unique in its file.
    File,
    /// `global = "key"`: unique in everything that shares the store.
    Global,
}

/// `keep_result = "1d"`.
pub(crate) struct Kept {
    pub(crate) word: Span,
    pub(crate) duration: Duration,
}

impl Args {
    /// Reads the tokens between the attribute's parentheses; every mistake is noted and the rest is read on.
    pub(crate) fn parse(tokens: TokenStream, mistakes: &mut Mistakes) -> Args {
        let mut args = Args {
            key: None,
            delay: quote!(::delay),
            queue: None,
            priority: None,
            retry: None,
            timeout: None,
            keep_result: None,
            isolate: None,
            memory: None,
            cpu: None,
            cron: Vec::new(),
            time_zone: None,
            aliases: Vec::new(),
            removed: Vec::new(),
            program: None,
        };
        let mut seen = Seen::default();
        let mut key = None;
        let read = |input: ParseStream<'_>| {
            entries::entries(input, mistakes, |input, mistakes| {
                if input.peek(Lit) || input.peek(kw::global) || is_bare_word(input) {
                    key.get_or_insert(input.span());
                }
                args.word(input, &mut seen, mistakes)
            });
            Ok(())
        };
        if let Err(mistake) = read.parse2(tokens) {
            mistakes.add(mistake);
        }
        if key.is_none() {
            let help = "a delayed function has a key, which stored calls find it by: `#[delay::func(\"welcome-email\")]`";
            mistakes.missing(Span::call_site(), help);
        }
        isolate::belongs(&seen, mistakes);
        if let Some(zone) = args.time_zone.as_ref().filter(|_| !seen.has("cron")) {
            mistakes.at(zone, "a time zone is that of a schedule: add `cron = \"0 3 * * *\"`, or remove it");
        }
        args
    }

    fn word(&mut self, input: ParseStream<'_>, seen: &mut Seen, mistakes: &mut Mistakes) -> Result<()> {
        if input.peek(Lit) {
            return match input.parse()? {
                Lit::Str(text) => self.set_key(text, Scope::File),
                other => {
                    Err(Error::new(other.span(), "the key is text in quotes: `#[delay::func(\"key\")]`"))
                }
            };
        }
        let Ok(name) = input.call(Ident::parse_any) else {
            return Err(input.error("expected the key in quotes, or a word such as `queue = \"mail\"`"));
        };
        seen.once(&name)?;
        match name.to_string().as_str() {
            "global" => {
                let text = entries::text(input, &name, "key")?;
                self.set_key(text, Scope::Global)?;
            }
            "queue" => {
                let queue = entries::text(input, &name, "mail")?;
                key::check_queue(&queue)?;
                self.queue = Some(queue);
            }
            "priority" => self.priority = Some(priority(input, &name)?),
            "retry" => self.retry = Some(Retry::parse(&name, input, mistakes)?),
            "timeout" => self.timeout = Some(duration::positive(input, &name, "2m")?),
            "keep_result" => {
                let duration = duration::positive(input, &name, "1d")?;
                self.keep_result = Some(Kept { word: name.span(), duration });
            }
            "isolate" => self.isolate = Some(isolate::isolate(input, &name)?),
            "memory" => self.memory = Some(isolate::memory(input, &name)?),
            "cpu" => self.cpu = Some(isolate::cpu(input, &name)?),
            "cron" => self.cron = cron::expressions(input, &name, mistakes)?,
            "time_zone" => self.time_zone = Some(cron::time_zone(input, &name)?),
            "aliases" => self.aliases = aliases(input, &name)?,
            "removed" => self.removed = removed(input, &name)?,
            "crate" => self.delay = crate_path(input, &name)?,
            other if ends(input) && nearest::nearest(other, WORDS).is_none() => {
                let text = format!("the key is text in quotes: `#[delay::func(\"{other}\")]`");
                return Err(Error::new(name.span(), text));
            }
            other => return Err(Error::new(name.span(), nearest::unknown(other, "`#[delay::func]`", WORDS))),
        }
        Ok(())
    }

    fn set_key(&mut self, text: LitStr, scope: Scope) -> Result<()> {
        if self.key.is_some() {
            return Err(Error::new(text.span(), "a function has one key: remove the second"));
        }
        let checked = key::check_key(&text);
        self.key = Some(Key { text, scope });
        checked
    }
}

/// Whether an entry ends here.
fn ends(input: ParseStream<'_>) -> bool {
    input.is_empty() || input.peek(Token![,])
}

/// Whether an entry is one word and nothing else, which a key without its quotes is.
fn is_bare_word(input: ParseStream<'_>) -> bool {
    let ahead = input.fork();
    ahead.call(Ident::parse_any).is_ok() && ends(&ahead)
}

fn priority(input: ParseStream<'_>, name: &Ident) -> Result<i16> {
    entries::assign(input, name, "3")?;
    let minus = input.parse::<Option<Token![-]>>()?;
    let wrong = |span| Error::new(span, "`priority` is a whole number from -32768 to 32767: `priority = 3`");
    let literal = input.parse::<LitInt>().map_err(|cause| wrong(cause.span()))?;
    let sign = if minus.is_some() { "-" } else { "" };
    format!("{sign}{}", literal.base10_digits()).parse().map_err(|_| wrong(literal.span()))
}

/// `aliases = ["src/old.rs:key", …]`
fn aliases(input: ParseStream<'_>, name: &Ident) -> Result<Vec<LitStr>> {
    let example = "[\"src/old_file.rs:key\"]";
    entries::assign(input, name, example)?;
    if !input.peek(syn::token::Bracket) {
        return Err(input.error(format!("`aliases` takes a list: `aliases = {example}`")));
    }
    let list;
    syn::bracketed!(list in input);
    texts(&list, &format!("`aliases` lists texts: `aliases = {example}`"))
}

/// `removed("old_argument", …)`
fn removed(input: ParseStream<'_>, name: &Ident) -> Result<Vec<LitStr>> {
    let help = "`removed` lists the parameters that are gone: `removed(\"old_argument\")`";
    if !input.peek(syn::token::Paren) {
        return Err(Error::new(name.span(), help));
    }
    let list;
    syn::parenthesized!(list in input);
    texts(&list, help)
}

pub(crate) fn texts(list: ParseStream<'_>, help: &str) -> Result<Vec<LitStr>> {
    let texts = list.parse_terminated(<LitStr as syn::parse::Parse>::parse, Token![,]);
    Ok(texts.map_err(|cause| Error::new(cause.span(), help))?.into_iter().collect())
}

/// `crate = some::path`
pub(crate) fn crate_path(input: ParseStream<'_>, name: &Ident) -> Result<TokenStream> {
    let help = "`crate` takes the path under which `delay` is known here: `crate = my_delay`";
    entries::assign(input, name, "my_delay")?;
    match input.call(Path::parse_mod_style) {
        Ok(path) => Ok(path.into_token_stream()),
        Err(cause) => Err(Error::new(cause.span(), help)),
    }
}
