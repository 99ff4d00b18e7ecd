//! The caller's span, from the two headers of W3C Trace Context. Malformed headers are
//! ignored: the trace begins here.

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

/// The length of version 00 (W3C Trace Context §3.2.2).
const LEN: usize = 55;
/// The maximum number of list members of `tracestate` (§3.3.1.1).
const MAX_MEMBERS: usize = 32;
/// The most characters of `tracestate` that are propagated (§3.3.1.5).
const MAX_STATE: usize = 512;
/// If the list is too long, members longer than this are removed first (§3.3.1.5).
const LONG_MEMBER: usize = 128;

/// The span that the headers `traceparent` and `tracestate` name, if any.
pub fn caller<'h>(
    mut traceparent: impl Iterator<Item = &'h [u8]>,
    tracestate: impl Iterator<Item = &'h [u8]>,
) -> Option<SpanContext> {
    let first = traceparent.next()?;
    if traceparent.next().is_some() {
        // Of two headers, neither can be trusted to be the caller's.
        return None;
    }
    let (trace_id, span_id, flags) = parent(first)?;
    let state = state(tracestate).unwrap_or_default();
    Some(SpanContext::new(trace_id, span_id, flags, true, state))
}

/// §3.2.2: `version-trace_id-parent_id-flags`, in lower-case hex. A later
/// version may have more behind a further `-` (§4.3).
fn parent(text: &[u8]) -> Option<(TraceId, SpanId, TraceFlags)> {
    let text = trimmed(text);
    let (fields, rest) = text.split_at_checked(LEN)?;
    let has_dashes = [2, 35, 52].into_iter().all(|at| fields[at] == b'-');
    let [version] = hex(&fields[..2])?;
    let fits = match version {
        0 => rest.is_empty(),
        0xff => false,
        _ => matches!(rest, [] | [b'-', ..]),
    };
    if !has_dashes || !fits {
        return None;
    }
    let trace_id = TraceId::from_bytes(hex(&fields[3..35])?);
    let span_id = SpanId::from_bytes(hex(&fields[36..52])?);
    let [flags] = hex(&fields[53..55])?;
    let is_valid = trace_id != TraceId::INVALID && span_id != SpanId::INVALID;
    // §3.2.2.5: unknown flags are not set.
    is_valid.then_some((
        trace_id,
        span_id,
        TraceFlags::new(flags) & TraceFlags::SAMPLED,
    ))
}

/// Exactly `N` bytes in lower-case hex.
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    if digits.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])? * 16 + value(pair[1])?;
    }
    Some(bytes)
}

/// §3.3: one list, in one or several headers. A list that is malformed, or repeats a key,
/// is ignored.
fn state<'h>(headers: impl Iterator<Item = &'h [u8]>) -> Option<TraceState> {
    let mut members: Vec<(&str, &str)> = Vec::new();
    for header in headers {
        // §3.3.1.3: only printable ASCII.
        let is_printable = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~');
        if !header.iter().all(is_printable) {
            return None;
        }
        let header = std::str::from_utf8(header).ok()?;
        let listed = header.split(',').map(|one| one.trim_matches([' ', '\t']));
        for member in listed.filter(|member| !member.is_empty()) {
            let (key, value) = member.split_once('=')?;
            let is_known = members.iter().any(|(known, _)| *known == key);
            if members.len() == MAX_MEMBERS || key.is_empty() || is_known {
                return None;
            }
            members.push((key, value));
        }
    }
    bound(&mut members);
    TraceState::from_key_value(members).ok()
}

/// Removes long members, then the last ones, until the list is short enough.
fn bound(members: &mut Vec<(&str, &str)>) {
    // Includes "=" and ",".
    let size = |(key, value): &(&str, &str)| key.len() + value.len() + 2;
    let total = |members: &[(&str, &str)]| members.iter().map(size).sum::<usize>();
    if total(members) > MAX_STATE + 1 {
        members.retain(|member| size(member) <= LONG_MEMBER + 1);
    }
    while total(members) > MAX_STATE + 1 {
        members.pop();
    }
}

fn trimmed(text: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = text.iter().take_while(|byte| is_blank(byte)).count();
    let text = &text[start..];
    let end = text.iter().rev().take_while(|byte| is_blank(byte)).count();
    &text[..text.len() - end]
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    fn read(traceparent: &[&str], tracestate: &[&str]) -> Option<SpanContext> {
        let bytes = |text: &'static str| text.as_bytes();
        let leak = |texts: &[&str]| -> Vec<&'static [u8]> {
            let texts = texts.iter().map(|text| (*text).to_owned());
            texts.map(|text| bytes(text.leak())).collect()
        };
        caller(leak(traceparent).into_iter(), leak(tracestate).into_iter())
    }

    fn of(traceparent: &str) -> Option<SpanContext> {
        read(&[traceparent], &[])
    }

    #[test]
    fn w3c_trace_context_3_2_2_the_four_fields_are_taken() {
        let found = of(&format!("00-{TRACE}-{SPAN}-01")).unwrap();
        assert_eq!(found.trace_id().to_string(), TRACE);
        assert_eq!(found.span_id().to_string(), SPAN);
        assert!(found.is_sampled() && found.is_remote());
        let unsampled = of(&format!("00-{TRACE}-{SPAN}-00")).unwrap();
        assert!(!unsampled.is_sampled());
        let others = of(&format!(" 00-{TRACE}-{SPAN}-fe\t")).unwrap();
        assert_eq!(others.trace_flags(), TraceFlags::NOT_SAMPLED);
    }

    #[test]
    fn w3c_trace_context_3_2_2_anything_else_is_ignored() {
        let zeros = "0".repeat(32);
        for wrong in [
            String::new(),
            "x".to_owned(),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-"),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}-0g"),
            format!("00-{TRACE}-{SPAN}-+1"),
            format!("00-{TRACE}-{SPAN}-01-"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("0-{TRACE}-{SPAN}-01"),
            format!("000-{TRACE}-{SPAN}-01"),
            format!("+0-{TRACE}-{SPAN}-01"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", &TRACE[1..]),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{}-{SPAN}-01", TRACE.replace('a', "x")),
            format!("00-{TRACE}-{}-01", SPAN.to_uppercase()),
            format!("00-{TRACE}-{}-01", &SPAN[1..]),
            format!("00-{TRACE}-{}z-01", &SPAN[1..]),
            format!("00-{zeros}-{SPAN}-01"),
            format!("00-{TRACE}-{}-01", &zeros[..16]),
            format!("00_{TRACE}_{SPAN}_01"),
            format!("00-{TRACE}{SPAN}---01"),
            "\u{e9}".repeat(55),
        ] {
            assert_eq!(of(&wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn w3c_trace_context_4_3_of_a_later_version_the_known_fields_are_read() {
        for good in ["-01", "-01-", "-01-what-ever"] {
            let found = of(&format!("cc-{TRACE}-{SPAN}{good}"));
            assert!(found.is_some_and(|found| found.is_sampled()), "{good}");
        }
        for wrong in ["-01.", "-0", "-01x-y"] {
            assert_eq!(of(&format!("cc-{TRACE}-{SPAN}{wrong}")), None, "{wrong}");
        }
    }

    #[test]
    fn w3c_trace_context_3_2_two_traceparents_are_none() {
        let one = format!("00-{TRACE}-{SPAN}-01");
        assert_eq!(read(&[&one, &one], &[]), None);
        assert_eq!(read(&[], &["a=1"]), None);
    }

    fn state_of(tracestate: &[&str]) -> String {
        let one = format!("00-{TRACE}-{SPAN}-01");
        let found = read(&[&one], tracestate);
        found
            .expect("tracestate spoils no traceparent")
            .trace_state()
            .header()
    }

    #[test]
    fn w3c_trace_context_3_3_tracestate_is_one_list_in_its_order() {
        assert_eq!(state_of(&["a=1 , b=2", "\tc=3", ""]), "a=1,b=2,c=3");
        assert_eq!(state_of(&[]), "");
        for wrong in ["a", "a=1,a=2", "A=1", "a=1,=2", "a=1;\u{e9}", "a b=1"] {
            assert_eq!(state_of(&[wrong]), "", "{wrong}");
        }
    }

    #[test]
    fn w3c_trace_context_3_3_1_tracestate_is_bounded() {
        let many = |count| (0..count).map(|n| format!("k{n}=v")).collect::<Vec<_>>();
        let full = many(MAX_MEMBERS).join(",");
        assert_eq!(state_of(&[&full]), full);
        assert_eq!(state_of(&[&many(MAX_MEMBERS + 1).join(",")]), "");
        let long = format!("long={}", "x".repeat(200));
        let medium = |key: &str| format!("{key}={}", "x".repeat(100));
        let all = [
            &*long,
            &medium("a"),
            &medium("b"),
            &medium("c"),
            &medium("d"),
            &medium("e"),
        ];
        let kept = state_of(&[&all.join(",")]);
        assert!(kept.len() <= MAX_STATE, "{}", kept.len());
        assert!(kept.starts_with("a=") && kept.contains(",d=") && !kept.contains("long="));
    }

    #[test]
    fn fuzz_trace_context() {
        let parent = format!("00-{TRACE}-{SPAN}-01");
        fuzz::run(&[&parent, &format!("01-{TRACE}-{SPAN}-ff-more")], |text| {
            let Some(found) = caller([text].into_iter(), std::iter::empty()) else {
                return;
            };
            let (trace, span) = (found.trace_id(), found.span_id());
            assert!(found.is_valid() && found.is_remote());
            let written = format!("{trace}-{span}-");
            assert!(String::from_utf8_lossy(text).contains(&written));
            assert!(text.trim_ascii().len() >= LEN);
        });
        let seeds = ["a=1,b=2", "vendor@tenant=x y,  c=,d==", "a=1,a=2"];
        fuzz::run(&seeds, |list| {
            let found = caller([parent.as_bytes()].into_iter(), [list].into_iter());
            let state = found.unwrap().trace_state().header();
            assert!(state.len() <= MAX_STATE, "{state}");
            assert!(state.split(',').count() <= MAX_MEMBERS);
            assert!(
                state
                    .bytes()
                    .all(|b| b == b'\t' || (b' '..=b'~').contains(&b))
            );
        });
    }
}
