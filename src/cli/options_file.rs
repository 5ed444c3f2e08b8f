//! `--options FILE`: options in TOML, a key for each long option, inserted before those that were typed.
//!
//! Only the part of TOML that options need: `key = value` with strings, numbers, booleans and one-line lists of these.
//! A full TOML parser would add eight crates.

use clap::{Arg, ArgAction, Command, Id};
use krylane::host::suggest::did_you_mean;
use krylane::{Error, Result};
use serde_json::{Map, Value};
use std::ffi::OsString;
use std::sync::OnceLock;

/// The options read, for the report.
pub(super) static ECHO: OnceLock<Value> = OnceLock::new();

/// The arguments with those of an options file inserted before them.
pub(crate) fn expand(args: Vec<OsString>, command: &Command) -> Result<Vec<OsString>> {
    let Some(path) = named(&args) else { return Ok(args) };
    let shown = std::path::Path::new(&path).display().to_string();
    let fail = |message: String| Error::input(format!("{shown}: {message}"));
    let text = std::fs::read_to_string(super::source::file(&path)).map_err(|e| fail(e.to_string()))?;
    let table = parse(&text).map_err(|(line, message)| Error::input(format!("{shown}:{line}: {message}")))?;
    // The first word that is not an option is the subcommand.
    let Some(at) = args.iter().skip(1).position(|a| !a.to_string_lossy().starts_with('-')).map(|k| k + 1) else {
        return Ok(args);
    };
    let Some(sub) = command.find_subcommand(&args[at]) else { return Ok(args) };
    let given = words(sub, &table).map_err(|(line, message)| Error::input(format!("{shown}:{line}: {message}")))?;
    let echoed: Map<String, Value> = table.into_iter().map(|(_, key, value)| (key, value)).collect();
    let _ = ECHO.set(serde_json::json!({ "file": shown, "options": echoed }));
    let mut all = args;
    all.splice(at + 1..at + 1, given);
    Ok(all)
}

/// A line's number, key and value.
type Line = (usize, String, Value);

/// A faulty line's number, and what is wrong with it.
type Fault = (usize, String);

/// The lines as words of a command line.
fn words(command: &Command, table: &[Line]) -> Result<Vec<OsString>, Fault> {
    let options = || command.get_arguments().filter(|a| !["options", "help", "version"].contains(&a.get_id().as_str()));
    let mut given = vec![];
    let mut seen: Vec<(&Id, &str)> = vec![];
    for (line, key, value) in table {
        let name = key.replace('_', "-");
        let Some(option) = options().find(|a| names(a).contains(&name)) else {
            let known: Vec<String> = options().filter(|a| !a.is_hide_set()).flat_map(names).collect();
            let hint = did_you_mean(&name, known.iter().map(String::as_str));
            let sub = command.get_name();
            return Err((*line, format!("{key} is not an option of {sub}{hint}; `krylane {sub} --help` lists them")));
        };
        if let Some((_, other)) = seen.iter().find(|(id, _)| *id == option.get_id()) {
            let same = *other == key;
            let fault = if same { format!("{key} is given twice") } else { format!("{key} is {other}, given above") };
            return Err((*line, fault));
        }
        seen.push((option.get_id(), key));
        let flag = if name.len() == 1 { format!("-{name}") } else { format!("--{name}") };
        let switch = matches!(option.get_action(), ArgAction::SetTrue);
        let values = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        for value in values {
            match value {
                Value::Bool(true) if switch => given.push(OsString::from(&flag)),
                Value::Bool(false) if switch => {}
                Value::String(text) => given.push(format!("{flag}={text}").into()),
                other => given.push(format!("{flag}={other}").into()),
            }
        }
    }
    Ok(given)
}

/// The names of an option: the long one and its aliases, or its letter where there are none.
fn names(option: &Arg) -> Vec<String> {
    let aliases = option.get_all_aliases().into_iter().flatten();
    let long: Vec<String> = option.get_long().into_iter().chain(aliases).map(String::from).collect();
    if long.is_empty() { option.get_short().map(String::from).into_iter().collect() } else { long }
}

/// The file that `--options` names.
fn named(args: &[OsString]) -> Option<OsString> {
    let typed = args.iter().position(|a| a == "--").map_or(args, |end| &args[..end]);
    let joined = typed.iter().find_map(|a| a.to_str()?.strip_prefix("--options=").map(OsString::from));
    joined.or_else(|| typed.iter().position(|a| a == "--options").and_then(|k| typed.get(k + 1).cloned()))
}

/// Lines, keys and values, or the faulty line's number and an error message.
fn parse(text: &str) -> Result<Vec<Line>, Fault> {
    let mut table = vec![];
    for (k, line) in text.lines().enumerate() {
        let fail = |message: &str| (k + 1, message.to_string());
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.starts_with('[') {
            return Err(fail("tables are not supported: the form is `key = value`"));
        }
        let (key, rest) = line.split_once('=').ok_or_else(|| fail("the form is `key = value`, as in rtol = 1e-10"))?;
        let key = key.trim().trim_matches(['"', '\'']);
        let (value, rest) = one(rest.trim_start()).map_err(|message| fail(&message))?;
        let rest = rest.trim_start();
        if !rest.is_empty() && !rest.starts_with('#') {
            return Err(fail(&format!("unexpected `{rest}` after the value")));
        }
        table.push((k + 1, key.to_string(), value));
    }
    Ok(table)
}

/// The value at the start of `text`, and what follows it.
fn one(text: &str) -> Result<(Value, &str), String> {
    if let Some(mut rest) = text.strip_prefix('[') {
        let mut list = vec![];
        loop {
            rest = rest.trim_start();
            if let Some(after) = rest.strip_prefix(']') {
                return Ok((Value::Array(list), after));
            }
            let (value, after) = one(rest)?;
            list.push(value);
            rest = after.trim_start();
            rest = rest.strip_prefix(',').unwrap_or(rest);
            if rest.is_empty() {
                return Err("the list is not closed on this line".into());
            }
        }
    }
    if let Some(rest) = text.strip_prefix('\'') {
        let (inner, after) = rest.split_once('\'').ok_or("the closing quote is missing")?;
        return Ok((inner.into(), after));
    }
    if let Some(rest) = text.strip_prefix('"') {
        let mut inner = String::new();
        let mut chars = rest.char_indices();
        while let Some((k, c)) = chars.next() {
            match c {
                '"' => return Ok((inner.into(), &rest[k + 1..])),
                '\\' => inner.push(match chars.next() {
                    Some((_, 'n')) => '\n',
                    Some((_, 't')) => '\t',
                    Some((_, c @ ('"' | '\\'))) => c,
                    _ => return Err("\\ must be followed by n, t, \" or \\".into()),
                }),
                c => inner.push(c),
            }
        }
        return Err("the closing quote is missing".into());
    }
    let end = text.find([',', ']', '#', ' ', '\t']).unwrap_or(text.len());
    let (word, after) = text.split_at(end);
    let plain = word.replace('_', "");
    let value = match word {
        "true" => true.into(),
        "false" => false.into(),
        _ if plain.parse::<i64>().is_ok() => plain.parse::<i64>().unwrap_or_default().into(),
        _ => match plain.parse::<f64>() {
            Ok(v) if v.is_finite() => v.into(),
            _ => return Err(format!("`{word}` is not a number, true or false; text needs quotes")),
        },
    };
    Ok((value, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_every_kind() {
        let text =
            "# head\nmethod = \"cg\" # why\nrtol=1e-10\nn = 1_000\nquiet = true\nset = [ 'a=1', \"b\\\"2\", 3 ]\n\n";
        let table = parse(text).unwrap();
        assert_eq!(
            serde_json::json!(table),
            serde_json::json!([
                [2, "method", "cg"],
                [3, "rtol", 1e-10],
                [4, "n", 1000],
                [5, "quiet", true],
                [6, "set", ["a=1", "b\"2", 3]]
            ])
        );
        for (text, line) in [
            ("[solve]", 1),
            ("a = 1\nb", 2),
            ("a = cg", 1),
            ("a = 'x", 1),
            ("a = [1", 1),
            ("a = 1 2", 1),
            ("a = {}", 1),
        ] {
            assert_eq!(parse(text).unwrap_err().0, line, "{text}");
        }
    }
}
