use proptest::prelude::*;

use super::*;

fn object(text: &str) -> RawObject {
    RawObject::parse(&Bytes::copy_from_slice(text.as_bytes()), 100).unwrap()
}

#[test]
fn what_is_not_changed_goes_back_byte_for_byte() {
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let text = format!(
        r#"{{"a":[],"b":1.0,"c":9007199254740993,"d":"\/","e":"\ud83d","f":{deep},"g":1e400,"\ud83d":1,"日":"本"}}"#
    );
    let mut object = object(&text);
    assert_eq!(object.to_bytes(), text);
    object.set("b", Raw::of(&2).unwrap());
    assert_eq!(object.to_bytes(), text.replace("1.0", "2"));
    assert_eq!(object.get("f").unwrap().depth(), 200);
    assert_eq!(object.get("日").unwrap().as_str(), "\"本\"");
}

#[test]
fn names_are_compared_decoded() {
    let object = object(r#"{"\u0061":1}"#);
    assert_eq!(object.get("a").unwrap().as_str(), "1");
}

#[test]
fn a_name_that_stands_twice_has_its_last_value_as_json_parse_has_it() {
    let object = object(r#"{"a":1,"b":2,"a":3}"#);
    assert_eq!(object.to_bytes(), r#"{"a":3,"b":2}"#);
}

#[test]
fn names_that_stand_twice_count_once_however_many_there_are() {
    for names in [1, FEW - 1, FEW, FEW + 1, 3 * FEW] {
        let pairs = |from: usize| (0..names).map(move |n| format!("\"n{n}\":{}", from + n));
        let text = |pairs: Vec<String>| format!("{{{}}}", pairs.join(","));
        let twice = object(&text(pairs(0).chain(pairs(100)).collect()));
        assert_eq!(twice.to_bytes(), text(pairs(100).collect()), "{names}");
        assert_eq!(twice.len(), names);
    }
}

#[test]
fn too_many_names_are_refused_also_where_they_are_the_same() {
    let parse =
        |text: &'static str, most| RawObject::parse(&Bytes::from_static(text.as_bytes()), most);
    assert_eq!(parse(r#"{"a":1,"a":2}"#, 2).unwrap().len(), 1);
    let error = parse(r#"{"a":1,"a":2}"#, 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    // What cannot be read to its end is not known to be an object.
    let error = parse(r#"{"a":1,"a":2"#, 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[test]
fn what_was_read_and_what_was_given_is_the_same_if_its_text_is() {
    let read = object(r#"{ "a" : 1 , "b":[2], "c\n":"x" }"#);
    let mut given = RawObject::new();
    given.set("a", Raw::of(&1).unwrap());
    given.set("c\n", Raw::of("x").unwrap());
    assert_ne!(read, given);
    given.remove("c\n");
    given.set("b", Raw::of(&[2]).unwrap());
    assert_ne!(read, given);
    given.set("c\n", Raw::of("x").unwrap());
    assert_eq!(read, given);
    assert_eq!(read.to_bytes(), r#"{"a":1,"b":[2],"c\n":"x"}"#);
    assert_eq!(read.to_bytes(), given.to_bytes());
    assert_eq!(read.byte_len(), read.to_bytes().len());

    let mut mixed = read.clone();
    mixed.set("b", Raw::of(&3).unwrap());
    assert_ne!(mixed, read);
    assert_eq!(mixed.get("b").unwrap().as_str(), "3");
    assert_eq!(mixed.remove("a").unwrap().as_str(), "1");
    assert_eq!(mixed.get("c\n").unwrap().as_str(), "\"x\"");
    mixed.set_first("a", Raw::of(&1).unwrap());
    mixed.set("b", Raw::of(&[2]).unwrap());
    assert_eq!(mixed, read);
    // The order counts.
    let moved = mixed.remove("a").unwrap();
    mixed.set("a", moved);
    assert_ne!(mixed, read);
}

proptest! {
    /// Whatever is set and removed in whatever order, and nothing is kept that no name has.
    #[test]
    fn names_keep_their_own_values(
        steps in prop::collection::vec((0..3_u8, "[a-e]|\"", any::<u16>()), 0..40),
    ) {
        let mut object = object(r#"{"a":-1,"\u0062":-2,"b":-3,"x":-4}"#);
        let mut model = vec![("a", -1), ("b", -2), ("b", -3), ("x", -4)]
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect::<Vec<_>>();
        for (step, name, value) in steps {
            let value = i32::from(value);
            let raw = Raw::of(&value).unwrap();
            let place = model.iter().rposition(|(other, _)| *other == name);
            match (step, place) {
                (0, _) => {
                    let removed = object.remove(&name).map(|raw| raw.as_str().to_owned());
                    prop_assert_eq!(removed, place.map(|place| model[place].1.to_string()));
                    model.retain(|(other, _)| *other != name);
                }
                (1, None) => {
                    object.set_first(&name, raw);
                    model.insert(0, (name, value));
                }
                (_, None) => {
                    object.set(&name, raw);
                    model.push((name, value));
                }
                (_, Some(place)) => {
                    object.set(&name, raw);
                    model[place].1 = value;
                }
            }
            let all: Vec<_> = object
                .iter()
                .map(|(name, value)| (name, value.as_str().parse::<i32>().unwrap()))
                .collect();
            prop_assert_eq!(&all, &model);
            prop_assert!(object.given.len() <= 2 * object.entries.len());
        }
    }
}

#[test]
fn an_escape_in_a_name_is_no_letter_of_it() {
    let object = object(r#"{"\u0061":1,"\\u0061":2}"#);
    assert_eq!(object.get("a").unwrap().as_str(), "1");
    assert_eq!(object.get(r"\u0061").unwrap().as_str(), "2");
    assert_eq!(object.get(r"\\u0061"), None);
}

#[test]
fn what_is_no_object_is_corrupt() {
    for text in [
        "",
        "null",
        "[]",
        "5",
        "\"s\"",
        "{bad",
        "{} x",
        "TOMBSTONE",
        "{\"a\":1,}",
    ] {
        let error = RawObject::parse(&Bytes::copy_from_slice(text.as_bytes()), 100).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{text}");
    }
    let error = RawObject::parse(&Bytes::from_static(b"{\"a\":\"\xff\"}"), 100).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let error = RawObject::parse(&Bytes::from_static(b"{\"a\":1,\"b\":2}"), 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
}
