//! Filters: the grammar, the types, what matches.

#![expect(
    clippy::panic,
    reason = "helpers of tests fail loudly and read shortly"
)]

use serde_json::{Map, Value, json};
use vestibule_scim::evaluate::matches;
use vestibule_scim::schema::Schema;
use vestibule_scim::{Dialect, ErrorKind, Filter, Registry, Repairs, ResourceType, Rule};

fn parse(text: &str) -> Result<Filter, ErrorKind> {
    let registry = Registry::standard();
    Filter::parse(text, registry.of(ResourceType::User)).map_err(|error| error.kind())
}

fn forgiven(text: &str) -> Result<Filter, ErrorKind> {
    let registry = Registry::standard();
    let users = registry.of(ResourceType::User);
    Filter::parse_as(text, users, Dialect::Lenient, &mut Repairs::default())
        .map_err(|error| error.kind())
}

fn printed(text: &str) -> String {
    parse(text)
        .unwrap_or_else(|kind| panic!("{text}: {kind:?}"))
        .to_string()
}

fn document(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

fn ann() -> Map<String, Value> {
    document(json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "id": "Id-1",
        "externalId": "Ext-1",
        "userName": "Ann.Example",
        "title": "",
        "active": true,
        "name": { "familyName": "Exämple" },
        "emails": [
            { "type": "work", "value": "ann@work.test" },
            { "type": "home", "value": "ann@home.test", "primary": true },
        ],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {
            "department": "Sales",
            "manager": { "value": "Boss-1" },
        },
        "meta": {
            "resourceType": "User",
            "created": "2026-01-01T00:00:00Z",
            "lastModified": "2026-01-02T12:00:00.5Z",
        },
    }))
}

fn check(text: &str, expected: bool) {
    let filter = forgiven(text).unwrap_or_else(|kind| panic!("{text}: {kind:?}"));
    assert_eq!(matches(&filter, &ann()), expected, "{text}");
    if let Ok(strict) = parse(text) {
        assert_eq!(strict, filter, "{text}");
    }
}

#[test]
fn and_binds_tighter_than_or() {
    check(
        r#"userName eq "ann.example" or userName eq "b" and active eq false"#,
        true,
    );
    check(
        r#"(userName eq "ann.example" or userName eq "b") and active eq false"#,
        false,
    );
    check(
        r#"not (userName eq "a") and (userName eq "a" or userName eq "ann.example")"#,
        true,
    );
    assert_eq!(
        printed(r"(title pr and (nickName pr and locale pr)) or NOT(active EQ true)"),
        "title pr and nickName pr and locale pr or not (active eq true)".replace(
            "title pr and nickName pr and locale pr",
            "(title pr and nickName pr and locale pr)"
        )
    );
}

#[test]
fn letter_case_counts_where_the_schema_says_so() {
    check(r#"USERNAME Eq "ANN.EXAMPLE""#, true);
    check(r#"externalId eq "ext-1""#, false);
    check(r#"externalId eq "Ext-1""#, true);
    check(r#"id eq "id-1""#, false);
    check(r#"name.familyName eq "EXÄMPLE""#, true);
    check("name.familyName eq \"EXA\u{308}MPLE\"", true);
    check(
        r#"urn:ietf:params:scim:schemas:core:2.0:USER:userName sw "ann""#,
        true,
    );
    check(r#"meta.resourceType eq "user""#, false);
}

#[test]
fn terms_on_a_list_may_match_different_elements_and_brackets_one() {
    check(
        r#"emails.type eq "work" and emails.value eq "ann@home.test""#,
        true,
    );
    check(
        r#"emails[type eq "work" and value eq "ann@home.test"]"#,
        false,
    );
    check(
        r#"emails[type eq "home" and value eq "ann@home.test"]"#,
        true,
    );
    check(r#"emails co "work.test""#, true);
    check(r#"emails[type eq "work"].value eq "ann@work.test""#, true);
    check(r#"emails[type eq "work"].value eq "ann@home.test""#, false);
    check(
        r#"emails[not (type eq "work")].value eq "ann@home.test" and active eq true"#,
        true,
    );
    check(
        r#"emails[type eq "work"] and not (emails[type eq "other"])"#,
        true,
    );
    check(r#"emails[primary eq true].value ew "home.test""#, true);
}

#[test]
fn unassigned_values_are_not_present_and_differ_from_everything() {
    check("nickName pr", false);
    check("title pr", false);
    check("title eq null", true);
    check("name pr", true);
    check("emails pr", true);
    check("phoneNumbers pr", false);
    check(r#"nickName ne "x""#, true);
    check(r#"nickName eq "x""#, false);
    check("nickName eq null", true);
    check("userName ne null", true);
    check(r#"userName ne "ann.example""#, false);
    let empty = document(json!({ "emails": [], "name": { "givenName": "" }, "title": null }));
    for text in ["emails pr", "name pr", "title pr", "emails[type pr]"] {
        assert!(!matches(&parse(text).unwrap(), &empty), "{text}");
    }
}

#[test]
fn times_compare_chronologically() {
    check(r#"meta.lastModified gt "2026-01-02T12:00:00Z""#, true);
    check(
        r#"meta.lastModified lt "2026-01-02T05:00:00.6-07:00""#,
        true,
    );
    check(
        r#"meta.lastModified eq "2026-01-02T13:00:00.500+01:00""#,
        true,
    );
    check(r#"meta.created ge "2026-01-01T00:00:00.0000001Z""#, false);
}

#[test]
fn values_are_json() {
    let quoted = document(json!({ "userName": "a\"b\\c é" }));
    let filter = parse(r#"userName eq "a\"b\\c \u00e9""#).unwrap();
    assert!(matches(&filter, &quoted));
    assert_eq!(
        Filter::parse(
            &filter.to_string(),
            Registry::standard().of(ResourceType::User)
        )
        .unwrap(),
        filter
    );
}

#[test]
fn extensions_are_named_bare_or_by_urn() {
    check(
        r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "sales""#,
        true,
    );
    check(r#"department eq "sales""#, true);
    check(r#"manager eq "Boss-1""#, true);
    check(r#"id eq "Id-1" and manager.value eq "boss-1""#, false);
}

#[test]
fn what_cannot_be_answered_is_refused() {
    for text in [
        "",
        "userName",
        "userName eq",
        r#"userName xx "a""#,
        r#"userName eq "a" and"#,
        r#"userName eq "a" or or userName eq "b""#,
        r#"(userName eq "a""#,
        r#"userName eq "a")"#,
        r#"userName eq "a" userName eq "b""#,
        r#"userName eq "a"#,
        r"userName eq 'a'",
        "userName sw O",
        r#"not userName eq "a""#,
        r#"emails[type eq "work""#,
        r#"emails[type eq "work"].nothing eq "x""#,
        r#"emails[type eq "work"] eq "x""#,
        r#"emails[type eq "work"].value eq "x""#,
        r#"emails co "x""#,
        r#"manager eq "x""#,
        r#"department eq "x""#,
        r#"urn:scim:schemas:extension:enterprise:1.0:department eq "x""#,
        r#"name[familyName eq "a"] or nothing eq "b""#,
        r#"nothing eq "a""#,
        r#"password eq "a""#,
        "password pr",
        "active gt true",
        "active co true",
        r#"active eq "true""#,
        "active gt null",
        r#"name eq "a""#,
        r"userName eq true",
        r#"meta.created gt "yesterday""#,
        r#"meta.created sw "2026""#,
        r#"x509Certificates.value gt "AA==""#,
    ] {
        assert_eq!(parse(text), Err(ErrorKind::InvalidFilter), "{text}");
    }
}

#[test]
fn budget_bounds_length_depth_and_terms() {
    let deep = format!("{}active eq true{}", "(".repeat(40), ")".repeat(40));
    assert_eq!(parse(&deep), Err(ErrorKind::TooMany));
    let wide = vec!["active eq true"; 300].join(" or ");
    assert_eq!(parse(&wide), Err(ErrorKind::TooMany));
    let long = format!(r#"userName eq "{}""#, "a".repeat(20_000));
    assert_eq!(parse(&long), Err(ErrorKind::TooMany));
    assert!(parse(&vec!["active eq true"; 200].join(" or ")).is_ok());
}

#[test]
fn lenient_dialect_repairs_what_clients_send() {
    let registry = Registry::standard();
    for (text, printed, rule) in [
        (r#"active eq "True""#, "active eq true", Rule::TextBoolean),
        ("active eq False", "active eq false", Rule::TextBoolean),
        ("userName sw O", r#"userName sw "O""#, Rule::UnquotedValue),
        (
            r#"emails[primary eq "True"]"#,
            "emails[primary eq true]",
            Rule::TextBoolean,
        ),
        (
            r#"emails[type eq "work"].value eq "x""#,
            r#"emails[type eq "work" and value eq "x"]"#,
            Rule::SelectedValue,
        ),
        (
            r#"urn:scim:schemas:core:2.0:User:title eq "x""#,
            r#"title eq "x""#,
            Rule::AliasUrn,
        ),
    ] {
        let mut repairs = Repairs::default();
        let users = registry.of(ResourceType::User);
        let filter = Filter::parse_as(text, users, Dialect::Lenient, &mut repairs).unwrap();
        assert_eq!(filter.to_string(), printed);
        assert_eq!(repairs.as_slice()[0].rule, rule, "{text}");
    }
}

#[test]
fn filters_compare_by_the_key_of_names() {
    let named = |name: &str| document(json!({ "userName": name, "externalId": name }));
    for (name, text, expected) in [
        ("fiona", r#"userName eq "ﬁona""#, true),
        (
            "fiona",
            r#"userName eq "ﬁona" or userName eq "nobody""#,
            true,
        ),
        ("fiona", r#"userName eq " fiona ""#, true),
        ("fiona", r#"not (userName eq " fiona ")"#, false),
        ("ＡＬＩＣＥ", r#"userName eq "alice""#, true),
        ("ΑΣΑ", r#"userName sw "ΑΣ""#, true),
        ("ΑΣΑ", r#"userName co "ΑΣ""#, true),
        ("ας", r#"userName eq "ΑΣ""#, true),
        ("a b", r#"userName sw "A ""#, true),
        ("ab", r#"userName sw "A ""#, false),
        ("a b", r#"userName ew " B""#, true),
        ("ab", r#"userName co " ""#, false),
        ("fiona", r#"externalId eq " fiona ""#, false),
        ("fiona", r#"externalId eq "ﬁona""#, false),
    ] {
        let filter = parse(text).unwrap();
        assert_eq!(matches(&filter, &named(name)), expected, "{name} {text}");
    }
}

#[test]
fn operand_is_folded_once() {
    let key = |text: &str| match parse(text).unwrap() {
        Filter::Compare(comparison) => comparison.key().map(str::to_owned),
        _ => None,
    };
    assert_eq!(key(r#"userName eq " Ann ""#).as_deref(), Some("ann"));
    assert_eq!(key(r#"userName sw " Ann ""#).as_deref(), Some("ann "));
    assert_eq!(key(r#"userName ew " Ann ""#).as_deref(), Some(" ann"));
    assert_eq!(key(r#"userName co " Ann ""#).as_deref(), Some(" ann "));
    assert_eq!(key(r#"externalId eq "Ann""#), None);
    assert_eq!(key("active eq true"), None);
}

#[test]
fn users_who_are_not_said_to_be_inactive_are_active() {
    let silent = document(json!({ "userName": "ann" }));
    for (text, expected) in [
        ("active eq true", true),
        ("active eq false", false),
        (r#"active eq true or userName eq "zz""#, true),
        ("active pr", true),
    ] {
        assert_eq!(matches(&parse(text).unwrap(), &silent), expected, "{text}");
    }
}

#[test]
fn cost_counts_what_has_to_be_evaluated() {
    let cost = |text: &str| parse(text).unwrap().cost();
    assert_eq!(cost("title pr"), 1);
    assert_eq!(
        cost(r#"not (emails[type eq "a" and value pr]) or title pr"#),
        3
    );
    assert_eq!(cost(&vec!["active eq true"; 200].join(" or ")), 200);
}

#[test]
fn decimals_are_read_to_the_last_digit() {
    let badge = json!({ "id": "urn:example:share:1.0", "attributes": [{ "name": "share", "type": "decimal" }] });
    let registry =
        Registry::standard().with_extension(ResourceType::User, Schema::parse(&badge).unwrap());
    let users = registry.of(ResourceType::User);
    let filter =
        Filter::parse("urn:example:share:1.0:share eq 6.666666666666667e44", users).unwrap();
    let shown = filter.to_string();
    assert_eq!(Filter::parse(&shown, users).unwrap(), filter, "{shown}");
    let stored = r#"{ "urn:example:share:1.0": { "share": 6.666666666666667e44 } }"#;
    assert!(matches(&filter, &serde_json::from_str(stored).unwrap()));
}
