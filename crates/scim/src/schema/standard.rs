//! The schemas of RFC 7643 §4 and §3.1 with the characteristics of §8.7.1.

use super::{
    Attribute, ENTERPRISE_URN, GROUP_URN, Mutability, Returned, Schema, Type, USER_URN, Uniqueness,
};

fn text(name: &str, description: &str) -> Attribute {
    Attribute {
        description: description.to_owned(),
        ..Attribute::new(name, Type::String)
    }
}

fn typed(name: &str, kind: Type, description: &str) -> Attribute {
    Attribute {
        description: description.to_owned(),
        ..Attribute::new(name, kind)
    }
}

fn reference(name: &str, targets: &[&str], description: &str) -> Attribute {
    Attribute {
        reference_types: targets.iter().map(|&target| target.to_owned()).collect(),
        ..typed(name, Type::Reference, description)
    }
}

fn complex(name: &str, description: &str, sub_attributes: Vec<Attribute>) -> Attribute {
    Attribute {
        sub_attributes,
        ..typed(name, Type::Complex, description)
    }
}

fn list(attribute: Attribute) -> Attribute {
    Attribute {
        multi_valued: true,
        ..attribute
    }
}

fn exact(attribute: Attribute) -> Attribute {
    Attribute {
        case_exact: true,
        ..attribute
    }
}

fn required(attribute: Attribute) -> Attribute {
    Attribute {
        required: true,
        ..attribute
    }
}

fn read_only(attribute: Attribute) -> Attribute {
    let sub_attributes = attribute
        .sub_attributes
        .into_iter()
        .map(read_only)
        .collect();
    Attribute {
        mutability: Mutability::ReadOnly,
        sub_attributes,
        ..attribute
    }
}

fn immutable(attribute: Attribute) -> Attribute {
    Attribute {
        mutability: Mutability::Immutable,
        ..attribute
    }
}

fn suggests(attribute: Attribute, values: &[&str]) -> Attribute {
    Attribute {
        canonical_values: values.iter().map(|&value| value.to_owned()).collect(),
        ..attribute
    }
}

/// A list of values with the sub-attributes of RFC 7643 §2.4.
fn values(name: &str, description: &str, value: Attribute, types: &[&str]) -> Attribute {
    list(complex(
        name,
        description,
        vec![
            value,
            text("display", "A name for people."),
            suggests(text("type", "What the value is used for."), types),
            typed(
                "primary",
                Type::Boolean,
                "Whether this is the preferred value.",
            ),
        ],
    ))
}

/// `id`, `externalId`, `meta` and `schemas`, which no schema lists (RFC 7643 §3.1).
pub(super) fn common() -> Vec<Attribute> {
    let id = Attribute {
        returned: Returned::Always,
        uniqueness: Uniqueness::Global,
        ..read_only(exact(text("id", "The id that this server made.")))
    };
    let schemas = Attribute {
        returned: Returned::Always,
        ..list(reference(
            "schemas",
            &["uri"],
            "The URNs of the schemas in use.",
        ))
    };
    let meta = read_only(complex(
        "meta",
        "What the server knows about the resource.",
        vec![
            exact(text("resourceType", "The name of the resource type.")),
            typed("created", Type::DateTime, "When it was created."),
            typed("lastModified", Type::DateTime, "When it was last changed."),
            reference("location", &["uri"], "Its URL."),
            exact(text("version", "Its entity tag.")),
        ],
    ));
    vec![
        id,
        exact(text("externalId", "The id that the client uses.")),
        meta,
        schemas,
    ]
}

pub(super) fn user() -> Schema {
    let mut attributes = person();
    attributes.extend(contacts());
    attributes.extend(rights());
    // The words of RFC 7643 §8.7.1, which Microsoft's test collection looks for.
    Schema::new(USER_URN, "User", "User Account", attributes)
}

fn person() -> Vec<Attribute> {
    let user_name = Attribute {
        uniqueness: Uniqueness::Server,
        ..required(text(
            "userName",
            "The name a person signs in with; unique in the directory.",
        ))
    };
    let password = Attribute {
        mutability: Mutability::WriteOnly,
        returned: Returned::Never,
        ..exact(text(
            "password",
            "A new password in clear text; never read back.",
        ))
    };
    vec![
        user_name,
        complex(
            "name",
            "The parts of the person's name.",
            vec![
                text("formatted", "The whole name as it is shown."),
                text("familyName", "The family name."),
                text("givenName", "The given name."),
                text("middleName", "The middle names."),
                text("honorificPrefix", "A title before the name."),
                text("honorificSuffix", "A suffix after the name."),
            ],
        ),
        text("displayName", "The name that is shown to others."),
        text("nickName", "A casual name."),
        reference("profileUrl", &["external"], "A page about the person."),
        text("title", "The position, such as Vice President."),
        text(
            "userType",
            "The relation to the organization, such as Contractor.",
        ),
        text(
            "preferredLanguage",
            "Languages in the form of Accept-Language.",
        ),
        text("locale", "The language tag for dates and numbers."),
        text("timezone", "The time zone, such as Europe/Berlin."),
        typed("active", Type::Boolean, "Whether the person may sign in."),
        password,
    ]
}

fn contacts() -> Vec<Attribute> {
    vec![
        values(
            "emails",
            "E-mail addresses.",
            text("value", "The address."),
            &["work", "home", "other"],
        ),
        values(
            "phoneNumbers",
            "Telephone numbers.",
            text("value", "The number."),
            &["work", "home", "mobile", "fax", "pager", "other"],
        ),
        values(
            "ims",
            "Instant messaging addresses.",
            text("value", "The address."),
            &["aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"],
        ),
        values(
            "photos",
            "Pictures of the person.",
            reference("value", &["external"], "The URL of the picture."),
            &["photo", "thumbnail"],
        ),
        list(complex(
            "addresses",
            "Postal addresses.",
            vec![
                text("formatted", "The whole address as it is shown."),
                text("streetAddress", "Street and number."),
                text("locality", "The city."),
                text("region", "The state or region."),
                text("postalCode", "The postal code."),
                text("country", "The country."),
                suggests(
                    text("type", "What the address is used for."),
                    &["work", "home", "other"],
                ),
                typed(
                    "primary",
                    Type::Boolean,
                    "Whether this is the preferred address.",
                ),
            ],
        )),
    ]
}

fn rights() -> Vec<Attribute> {
    let groups = read_only(list(complex(
        "groups",
        "The groups that the person is in.",
        vec![
            exact(text("value", "The id of the group.")),
            reference("$ref", &["Group"], "The URL of the group."),
            text("display", "The name of the group."),
            suggests(
                text("type", "Whether the membership is direct."),
                &["direct", "indirect"],
            ),
        ],
    )));
    vec![
        groups,
        values(
            "entitlements",
            "Things the person is entitled to.",
            text("value", "The entitlement."),
            &[],
        ),
        values(
            "roles",
            "Roles of the person.",
            text("value", "The role."),
            &[],
        ),
        values(
            "x509Certificates",
            "Certificates of the person.",
            typed("value", Type::Binary, "The DER certificate in base64."),
            &[],
        ),
    ]
}

pub(super) fn group() -> Schema {
    let display_name = Attribute {
        uniqueness: Uniqueness::Server,
        ..required(text(
            "displayName",
            "The name of the group; unique in the directory.",
        ))
    };
    Schema::new(
        GROUP_URN,
        "Group",
        "A set of users and groups.",
        vec![
            display_name,
            list(complex(
                "members",
                "The members of the group.",
                vec![
                    immutable(exact(text("value", "The id of the member."))),
                    immutable(reference(
                        "$ref",
                        &["User", "Group"],
                        "The URL of the member.",
                    )),
                    immutable(suggests(
                        text("type", "What the member is."),
                        &["User", "Group"],
                    )),
                    // Only on request: clients compare what they read with what they sent.
                    Attribute {
                        returned: Returned::Request,
                        ..read_only(text("display", "The name of the member."))
                    },
                ],
            )),
        ],
    )
}

pub(super) fn enterprise() -> Schema {
    Schema::new(
        ENTERPRISE_URN,
        "EnterpriseUser",
        "What a company knows about a person who works there.",
        vec![
            text("employeeNumber", "The number of the employee."),
            text("costCenter", "The cost center."),
            text("organization", "The name of the organization."),
            text("division", "The division."),
            text("department", "The department."),
            complex(
                "manager",
                "The person's manager.",
                vec![
                    exact(text("value", "The id of the manager.")),
                    reference("$ref", &["User"], "The URL of the manager."),
                    read_only(text("displayName", "The name of the manager.")),
                ],
            ),
        ],
    )
}
