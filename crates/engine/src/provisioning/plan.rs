//! From a SCIM filter to what the store's indexes answer.
//!
//! Names are looked up by the key under which they are unique: a directory that is told "no such user" must be able
//! to create one. Where an index only narrows the search, or answers nothing, the one evaluator has the last word.

use vestibule_core::{Timestamp, name_key};
use vestibule_scim::{Comparison, DateTime, Filter, Operand, Operator, ResourceType};
use vestibule_store::{GroupCondition, MemberId, UserCondition, When};

/// How a filter is answered.
#[derive(Debug, PartialEq)]
pub(super) struct Plan<C> {
    /// What the store looks for; all of it has to hold.
    pub(super) conditions: Vec<C>,
    /// Whether every resource that is found also has to be evaluated.
    pub(super) evaluate: bool,
}

/// What one term of a conjunction comes to.
enum Term<C> {
    /// The conditions say the same.
    Same(Vec<C>),
    /// The conditions hold wherever the term does, and elsewhere too.
    Wider(Vec<C>),
    /// It holds nowhere.
    Never,
    /// No index helps.
    Evaluate,
}

/// The plan for a filter over users; none where nothing can match. `indexed` are the attributes that the directory has
/// indexed beside those that always are.
pub(super) fn users(filter: Option<&Filter>, indexed: &[String]) -> Option<Plan<UserCondition>> {
    plan(filter, |filter| user_term(filter, indexed))
}

/// The plan for a filter over groups; none where nothing can match.
pub(super) fn groups(filter: Option<&Filter>) -> Option<Plan<GroupCondition>> {
    plan(filter, group_term)
}

fn plan<C>(filter: Option<&Filter>, term: impl Fn(&Filter) -> Term<C>) -> Option<Plan<C>> {
    let mut plan = Plan {
        conditions: Vec::new(),
        evaluate: false,
    };
    let terms = match filter {
        None => &[],
        Some(Filter::And(filters)) => filters.as_slice(),
        Some(filter) => std::slice::from_ref(filter),
    };
    for filter in terms {
        match term(filter) {
            Term::Same(conditions) => plan.conditions.extend(conditions),
            Term::Wider(conditions) => {
                plan.conditions.extend(conditions);
                plan.evaluate = true;
            }
            Term::Never => return None,
            Term::Evaluate => plan.evaluate = true,
        }
    }
    Some(plan)
}

/// A condition on one value, or that no value can meet it.
fn only<C>(condition: Option<C>) -> Term<C> {
    condition.map_or(Term::Never, |condition| Term::Same(vec![condition]))
}

/// A text that the databases can hold; PostgreSQL refuses U+0000, and no row has it.
fn storable(text: &str) -> Option<String> {
    (!text.contains('\0')).then(|| text.to_owned())
}

/// One of several filters holds: each is found for itself, where an index finds all of them.
fn any_of(filters: &[Filter], indexed: &[String]) -> Term<UserCondition> {
    let (mut branches, mut evaluate) = (Vec::new(), false);
    for filter in filters {
        // Without a plan nothing meets this one.
        let Some(plan) = users(Some(filter), indexed) else {
            continue;
        };
        if !plan.conditions.iter().any(UserCondition::is_look_up) {
            return Term::Evaluate;
        }
        evaluate |= plan.evaluate;
        branches.push(plan.conditions);
    }
    match (branches.is_empty(), evaluate) {
        (true, _) => Term::Never,
        (false, true) => Term::Wider(vec![UserCondition::Any(branches)]),
        (false, false) => Term::Same(vec![UserCondition::Any(branches)]),
    }
}

fn user_term(filter: &Filter, indexed: &[String]) -> Term<UserCondition> {
    let comparison = match filter {
        Filter::Compare(comparison) => comparison,
        Filter::Or(filters) => return any_of(filters, indexed),
        Filter::Element(list, inner) => {
            let wanted = match list.to_string().as_str() {
                "emails" => "emails.value",
                "groups" => "groups.value",
                _ => return Term::Evaluate,
            };
            return inside(inner, wanted, |filter| user_term(filter, indexed));
        }
        Filter::And(_) | Filter::Not(_) | Filter::Present(_) => return Term::Evaluate,
    };
    let path = comparison.path.to_string();
    if let (true, Operator::Equal, Operand::Text(text)) = (
        indexed.contains(&path),
        comparison.operator,
        &comparison.value,
    ) {
        // The key forgets the case, which the attribute may not.
        let key = name_key(text);
        return storable(&key).map_or(Term::Never, |key| {
            Term::Wider(vec![UserCondition::Indexed(path, key)])
        });
    }
    match (
        comparison.path.to_string().as_str(),
        comparison.operator,
        &comparison.value,
    ) {
        ("id", Operator::Equal, Operand::Text(id)) => only(id.parse().ok().map(UserCondition::Id)),
        ("userName", Operator::Equal, Operand::Text(name)) => {
            only(storable(name).map(UserCondition::UserName))
        }
        ("userName", Operator::StartsWith, Operand::Text(prefix)) => {
            match storable(prefix) {
                None => Term::Never,
                Some(prefix) if prefix.trim() == prefix => {
                    Term::Same(vec![UserCondition::UserNamePrefix(prefix)])
                }
                // Keys of names have no spaces around them.
                Some(prefix) => Term::Wider(vec![UserCondition::UserNamePrefix(
                    prefix.trim().to_owned(),
                )]),
            }
        }
        ("externalId", Operator::Equal, Operand::Text(id)) => {
            only(storable(id).map(UserCondition::ExternalId))
        }
        ("emails.value", Operator::Equal, Operand::Text(address)) => {
            only(storable(address).map(UserCondition::Email))
        }
        ("displayName", Operator::Equal, Operand::Text(name)) => {
            only(storable(name).map(UserCondition::DisplayName))
        }
        ("groups.value", Operator::Equal, Operand::Text(id)) => {
            only(id.parse().ok().map(UserCondition::Group))
        }
        ("active", Operator::Equal, Operand::Boolean(active)) => {
            Term::Same(vec![UserCondition::Active(*active)])
        }
        ("active", Operator::NotEqual, Operand::Boolean(active)) => {
            Term::Same(vec![UserCondition::Active(!*active)])
        }
        ("meta.lastModified", _, _) => modified(comparison, UserCondition::Updated),
        _ => Term::Evaluate,
    }
}

fn group_term(filter: &Filter) -> Term<GroupCondition> {
    let comparison = match filter {
        Filter::Compare(comparison) => comparison,
        Filter::Element(list, inner) if list.to_string() == "members" => {
            return inside(inner, "members.value", group_term);
        }
        _ => return Term::Evaluate,
    };
    match (
        comparison.path.to_string().as_str(),
        comparison.operator,
        &comparison.value,
    ) {
        ("id", Operator::Equal, Operand::Text(id)) => only(id.parse().ok().map(GroupCondition::Id)),
        ("displayName", Operator::Equal, Operand::Text(name)) => {
            only(storable(name).map(GroupCondition::DisplayName))
        }
        ("externalId", Operator::Equal, Operand::Text(id)) => {
            only(storable(id).map(GroupCondition::ExternalId))
        }
        ("members.value", Operator::Equal, Operand::Text(id)) => {
            only(MemberId::parse(id).map(|id| match id {
                MemberId::User(id) => GroupCondition::User(id),
                MemberId::Group(id) => GroupCondition::Group(id),
            }))
        }
        ("meta.lastModified", _, _) => modified(comparison, GroupCondition::Updated),
        _ => Term::Evaluate,
    }
}

/// One element has to meet the whole filter, so the index on one sub-attribute narrows the search.
fn inside<C>(filter: &Filter, wanted: &str, term: impl Fn(&Filter) -> Term<C>) -> Term<C> {
    let terms = match filter {
        Filter::And(filters) => filters.as_slice(),
        filter => std::slice::from_ref(filter),
    };
    let indexed = terms.iter().find(|filter| {
        matches!(filter, Filter::Compare(comparison)
            if comparison.operator == Operator::Equal && comparison.path.to_string() == wanted)
    });
    match (indexed.map(term), terms.len()) {
        (Some(term), 1) => term,
        (Some(Term::Same(conditions)), _) => Term::Wider(conditions),
        (Some(Term::Never), _) => Term::Never,
        _ => Term::Evaluate,
    }
}

/// Times are stored in microseconds; a finer one lies between two of them.
fn modified<C>(comparison: &Comparison, condition: impl Fn(When) -> C) -> Term<C> {
    let Operand::DateTime(moment) = &comparison.value else {
        return Term::Evaluate;
    };
    let micros = moment.unix_micros();
    let exact = DateTime::from_unix_micros(micros) == Some(*moment);
    let instant = Timestamp::from_micros(micros);
    let spans = match comparison.operator {
        Operator::GreaterOrEqual if exact => vec![When::From(instant)],
        Operator::Greater | Operator::GreaterOrEqual => vec![When::After(instant)],
        Operator::Less if exact => vec![When::Before(instant)],
        Operator::Less | Operator::LessOrEqual => vec![When::Until(instant)],
        Operator::Equal if exact => vec![When::From(instant), When::Until(instant)],
        Operator::Equal => return Term::Never,
        Operator::NotEqual | Operator::Contains | Operator::StartsWith | Operator::EndsWith => {
            return Term::Evaluate;
        }
    };
    Term::Same(spans.into_iter().map(condition).collect())
}

/// The attribute by which resources of a kind are named.
pub(super) const fn name_of(kind: ResourceType) -> &'static str {
    match kind {
        ResourceType::User => "userName",
        ResourceType::Group => "displayName",
    }
}
