#!/usr/bin/env python3
"""The same random resources, filters and patches at two SCIM servers, and what they answer differently.

Usage: differential.py OURS OUR_TOKEN THEIRS THEIR_TOKEN [SEED] [ROUNDS]
Prints each difference without a reason in REASONS, and a last line with the counts; exits 1 when there is one.
A reason is believed only where THEIRS, told the same in other words, comes to the same resource.
"""
import json
import random
import re
import sys
import urllib.error
import urllib.parse
import urllib.request

CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
REASONS = {
    "created": "a path that matches no element of emails or addresses makes one from its filter, as Entra wants (RFC 7644 §3.5.2.3 says noTarget; a strict directory does)",
    "replaced": "an element is replaced whole, so that a sub-attribute which the value lacks goes (RFC 7644 §3.5.2.3: all matching record values SHALL be replaced); theirs stays",
    "merged": "two elements that came to the same value and type are one (RFC 7643 §2.4)",
    "preferred": "of several elements that a path prefers at once the last one is primary (RFC 7643 §2.4: no more than once); theirs refuses",
    "repaired": "a text where a list of complex values belongs is the value of one of them; a strict directory refuses it",
    "nameless": "a user name is not empty (RFC 7643 §4.1.1)",
}
TEXTS = ["a", "ab", "Ab", "AB", "b c", "é", "Ωmega", "10", 'qu"ote', "back\\slash"]

class Server:
    def __init__(self, base, token):
        self.base, self.token, self.ids = base.rstrip("/"), token, {}

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/scim+json"}
        request = urllib.request.Request(self.base + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        try:
            return status, json.loads(text) if text else None
        except ValueError:
            return status, None


def person(chance, number):
    user = {"schemas": [CORE], "userName": f"user{number}", "active": chance.random() < 0.7}
    if chance.random() < 0.5:
        user["externalId"] = chance.choice(["x1", "X1", "x2"])
    for name in ("displayName", "title", "nickName"):
        if chance.random() < 0.6:
            user[name] = chance.choice(TEXTS)
    if chance.random() < 0.6:
        user["name"] = {part: chance.choice(TEXTS) for part in ("givenName", "familyName") if chance.random() < 0.8}
        if not user["name"]:
            del user["name"]
    if chance.random() < 0.7:
        kinds = chance.sample(["work", "home", "other"], chance.randint(1, 3))
        user["emails"] = [{"value": f"{chance.choice('abc')}{number}@example.test", "type": kind} for kind in kinds]
        if chance.random() < 0.4:
            user["emails"][0]["primary"] = True
    if chance.random() < 0.3:
        user["phoneNumbers"] = [{"value": f"tel:+4930{number}", "type": chance.choice(["work", "mobile"])}]
    if chance.random() < 0.3:
        user["addresses"] = [{"type": "work", "locality": chance.choice(TEXTS), "country": chance.choice(["DE", "us"])}]
    if chance.random() < 0.4:
        user["schemas"].append(ENTERPRISE)
        user[ENTERPRISE] = {"department": chance.choice(TEXTS)}
    return user


def disguised(chance, text):
    """A name, an operator or a keyword in a letter case of its own: none of them counts letter case."""
    return text if chance.random() < 0.7 else chance.choice([text.upper(), text.lower(), text.swapcase()])


def term(chance):
    text = lambda: json.dumps(chance.choice(TEXTS), ensure_ascii=chance.random() < 0.3)
    name = lambda *names: disguised(chance, chance.choice(names))
    operator = lambda *operators: disguised(chance, chance.choice(operators))
    compared = lambda: operator("eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le")
    simple = lambda: name("userName", "displayName", "title", "nickName", "name.givenName", "name.familyName", f"{ENTERPRISE}:department", f"{CORE}:title")
    kind = lambda: json.dumps(chance.choice(["work", "Work", "home", "other"]))
    letter = lambda: json.dumps(chance.choice(["a", "B", "c", "1", "@example.test"]))
    return chance.choice([
        lambda: f"{simple()} {operator('pr')}",
        lambda: f"{name('emails', 'name', 'addresses', 'emails.type', 'phoneNumbers', 'name.familyName')} {operator('pr')}",
        lambda: f"active {operator('eq', 'ne')} {chance.choice(['true', 'false'])}",
        lambda: f"emails[type {operator('eq', 'ne')} {kind()}]",
        lambda: f"emails[type eq {kind()} and value {operator('co', 'sw', 'ew')} {letter()}]",
        lambda: f"emails[type eq {kind()} or not (value co {letter()})]",
        lambda: f"emails[primary eq true and value sw {letter()}]",
        lambda: f"{name('emails.value', 'emails.type', 'phoneNumbers.value', 'addresses.locality')} {operator('eq', 'co', 'sw', 'ew')} {chance.choice([letter, kind, text])()}",
        lambda: f"emails.type eq {kind()} and emails.value sw {letter()}",
        lambda: f"{name('externalId')} {operator('eq', 'ne', 'sw')} {json.dumps(chance.choice(['x1', 'X1', 'X']))}",
        lambda: f"{name('userName')} {operator('eq', 'ne', 'sw')} {json.dumps(disguised(chance, 'user' + str(chance.randrange(12))))}",
        lambda: f'meta.created {operator("gt", "ge", "lt", "le")} {json.dumps(chance.choice(["2001-01-01T00:00:00Z", "2101-12-31T23:59:59.5+02:00"]))}',
        lambda: f"{simple()} {compared()} {text()}",
        lambda: f"{simple()} {compared()} {text()}",
        lambda: f"{simple()} {compared()} {text()}",
        lambda: f"{simple()} {operator('eq', 'ne')} null",
        lambda: chance.choice(WRONG),
    ])()


# What no server may take for a filter.
WRONG = [
    "title", "title eq", 'title is "a"', 'title eq "a', '(title eq "a"', 'title eq "a")', 'emails[type eq "work"', "active gt true",
    'title eq "a" and', 'not title pr', 'title pr "a"', '"a" eq title', 'name.givenName.x eq "a"', "emails[]", 'title eq "a" title eq "b"',
]


def question(chance, depth=0):
    shape = chance.random()
    if depth == 3 or shape < 0.45:
        return term(chance)
    if shape < 0.6:
        return f"{disguised(chance, 'not')} ({question(chance, depth + 1)})"
    if shape < 0.7:
        return f"({question(chance, depth + 1)})"
    return f"{question(chance, depth + 1)} {disguised(chance, chance.choice(['and', 'or']))} {question(chance, depth + 1)}"


def operation(chance):
    text = lambda: chance.choice(TEXTS)
    kind = chance.choice(["work", "home", "other"])
    path = lambda name: disguised(chance, name)
    good = [
        lambda: {"op": "replace", "path": path("title"), "value": text()},
        lambda: {"op": "add", "path": path("nickName"), "value": text()},
        lambda: {"op": "remove", "path": path(chance.choice(["title", "nickName", "emails", "name", "name.givenName", "phoneNumbers", "externalId"]))},
        lambda: {"op": "replace", "path": path("name.familyName"), "value": text()},
        lambda: {"op": "add", "path": "name", "value": {"familyName": text()}},
        lambda: {"op": "replace", "path": "name", "value": {"givenName": text()}},
        lambda: {"op": "add", "value": {"displayName": text(), "active": chance.random() < 0.5}},
        lambda: {"op": "replace", "value": {"title": text(), "name": {"givenName": text()}}},
        lambda: {"op": "replace", "path": "active", "value": chance.random() < 0.5},
        lambda: {"op": "replace", "path": f"{CORE}:title", "value": text()},
        lambda: {"op": "add", "path": "emails", "value": [{"value": f"new{chance.randrange(4)}@example.test", "type": kind}]},
        lambda: {"op": "add", "path": "emails", "value": [{"value": f"new{chance.randrange(4)}@example.test", "type": kind, "primary": True}]},
        lambda: {"op": "replace", "path": "emails", "value": [{"value": "only@example.test", "type": kind}]},
        lambda: {"op": "add", "path": "phoneNumbers", "value": [{"value": "tel:+1", "type": "fax"}, {"value": "tel:+2", "type": "mobile"}]},
        lambda: {"op": "remove", "path": f'emails[type eq "{kind}"]'},
        lambda: {"op": "remove", "path": f'emails[type eq "{kind}" and value sw "new"]'},
        lambda: {"op": "remove", "path": f'emails[type eq "{kind}"].primary'},
        lambda: {"op": "replace", "path": f'emails[type eq "{kind}"].value', "value": f"set{chance.randrange(3)}@example.test"},
        lambda: {"op": "replace", "path": f'emails[type eq "{kind}"].primary', "value": True},
        lambda: {"op": "replace", "path": f'emails[value sw "new"]', "value": {"value": "other@example.test", "type": kind}},
        lambda: {"op": "add", "path": 'addresses[type eq "work"].region', "value": text()},
        lambda: {"op": "replace", "path": path(f"{ENTERPRISE}:department"), "value": text()},
        lambda: {"op": "add", "path": f"{ENTERPRISE}:costCenter", "value": text()},
        lambda: {"op": "remove", "path": f"{ENTERPRISE}:department"},
        lambda: {"op": "add", "value": {ENTERPRISE: {"division": text()}}},
    ]
    wrong = [
        {"op": "replace", "path": "no such", "value": "x"},
        {"op": "replace", "path": "emails[type eq", "value": "x"},
        {"op": "replace", "path": "noSuchAttribute", "value": "x"},
        {"op": "remove"},
        {"op": "remove", "path": "userName"},
        {"op": "replace", "path": "id", "value": "x"},
        {"op": "replace", "path": "meta.created", "value": "2001-01-01T00:00:00Z"},
        {"op": "replace", "path": "groups", "value": [{"value": "x"}]},
        {"op": "replace", "path": "active", "value": "perhaps"},
        {"op": "replace", "path": "title", "value": {"a": 1}},
        {"op": "replace", "path": "emails", "value": "x"},
        {"op": "add", "path": "title"},
        {"op": "move", "path": "title", "value": "x"},
        {"op": "replace", "path": "userName", "value": ""},
    ]
    return chance.choice(good)() if chance.random() < 0.85 else chance.choice(wrong)


def plain(user):
    """What clients wrote, without what each server makes."""
    kept = {name: value for name, value in user.items() if name not in ("id", "meta", "groups", "schemas")}
    for name in ("emails", "phoneNumbers", "addresses"):
        if name in kept:
            # Not preferred and not said to be preferred are the same (RFC 7643 §2.4).
            elements = [{part: held for part, held in element.items() if (part, held) != ("primary", False)} for element in kept[name]]
            kept[name] = sorted(json.dumps(element, sort_keys=True) for element in elements)
    return {name: value for name, value in kept.items() if value not in (None, [], {})}


def without_repetition(user):
    """The same with elements of one value and type merged into the first."""
    merged = dict(user)
    for name in ("emails", "phoneNumbers"):
        known = {}
        for element in map(json.loads, merged.get(name, [])):
            into = known.setdefault((element.get("value"), element.get("type")), {})
            for part, value in element.items():
                into[part] = (into.get(part) or value) if part == "primary" else into.get(part, value)
        if known:
            merged[name] = sorted(json.dumps(element, sort_keys=True) for element in known.values())
    return merged


def in_other_words(operation, user):
    """What a server has to be told that reads a path as the standard's letter says; with the reason, or None."""
    path, value = operation.get("path") or "", operation.get("value")
    if path == "emails" and isinstance(value, str):
        return "repaired", [{**operation, "value": [{"value": value}]}]
    chosen = re.fullmatch(r'(\w+)\[(type|value) (eq|sw) "(\w+)"\](?:\.(\w+))?', path)
    if operation["op"] == "remove" or not chosen:
        return None, [operation]
    name, part, operator, text, sub = chosen.groups()
    elements = [element for element in user.get(name, []) if element.get(part, "").startswith(text)]
    if not elements and operator == "eq":
        made = {part: text, sub: value} if sub else {part: text, **value}
        return "created", [{"op": "add", "path": name, "value": [made]}]
    if len(elements) > 1 and sub == "primary" and value is True:
        last = f'{path.partition("]")[0]} and value eq "{elements[-1]["value"]}"].primary'
        return "preferred", [{**operation, "path": last}]
    if elements and not sub:
        return "replaced", [{"op": "remove", "path": f"{path}.primary"}, operation]
    return None, [operation]


class Comparison:
    """One person, the same change at both servers, and why the answers differ."""

    def __init__(self, ours, theirs, number):
        self.ours, self.theirs, self.number = ours, theirs, number

    def whole(self, server):
        return server.call("GET", f"/Users/{server.ids[self.number]}")[1]

    def patch(self, server, operations):
        body = {"schemas": [PATCH], "Operations": operations}
        return server.call("PATCH", f"/Users/{server.ids[self.number]}", body)[0] // 100

    def put(self, server, user):
        body = {name: value for name, value in user.items() if name not in ("id", "meta", "groups")}
        status, said = server.call("PUT", f"/Users/{server.ids[self.number]}", body)
        assert status == 200, (status, said)

    def run(self, operations):
        self.before = [self.whole(server) for server in (self.ours, self.theirs)]
        self.statuses = [self.patch(server, operations) for server in (self.ours, self.theirs)]
        self.after = [self.whole(server) for server in (self.ours, self.theirs)]
        return self.statuses[0] == self.statuses[1] and plain(self.after[0]) == plain(self.after[1])

    def reasons(self, operations):
        """Why they differ; empty where nothing that is known explains it."""
        mine = plain(self.after[0])
        if self.statuses == [4, 2]:
            nameless = any(operation.get("path") == "userName" and operation.get("value") == "" for operation in operations)
            return {"nameless"} if nameless and mine == plain(self.before[0]) else set()
        reasons = set()
        self.put(self.theirs, self.before[1])
        for operation in operations:
            reason, told = in_other_words(operation, self.whole(self.theirs))
            reasons.update({reason} - {None})
            for each in told:
                if self.patch(self.theirs, [each]) != 2:
                    return set()
        other = plain(self.whole(self.theirs))
        if other == mine:
            return reasons
        return reasons | {"merged"} if without_repetition(other) == without_repetition(mine) else set()


def main():
    ours, theirs = Server(*sys.argv[1:3]), Server(*sys.argv[3:5])
    seed = int(sys.argv[5]) if len(sys.argv) > 5 else 1
    rounds = int(sys.argv[6]) if len(sys.argv) > 6 else 400
    chance = random.Random(seed)
    counts = {"users": 0, "filters": 0, "of which found somebody": 0, "patches": 0, "of which were refused": 0, "unexplained differences": 0}
    explained = {}

    def differ(kind, asked, mine, other):
        counts["unexplained differences"] += 1
        print(f"{kind} {json.dumps(asked, ensure_ascii=False)}\n  ours   {mine}\n  theirs {other}")

    for number in range(12):
        body = person(chance, number)
        made = [server.call("POST", "/Users", body) for server in (ours, theirs)]
        for server, (status, user) in zip((ours, theirs), made):
            assert status == 201, (server.base, status, user)
            server.ids[number] = user["id"]
        counts["users"] += 1
        if plain(made[0][1]) != plain(made[1][1]):
            differ("create", body, plain(made[0][1]), plain(made[1][1]))

    def found(server, text):
        status, page = server.call("GET", "/Users?" + urllib.parse.urlencode({"filter": text, "count": 100}))
        names = sorted(user["userName"] for user in (page or {}).get("Resources", [])) if status == 200 else None
        return status, names

    for _ in range(rounds):
        text = question(chance)
        mine, other = found(ours, text), found(theirs, text)
        counts["filters"] += 1
        counts["of which found somebody"] += bool(mine[1])
        if mine != other:
            differ("filter", text, mine, other)
        one = Comparison(ours, theirs, chance.randrange(12))
        operations = [operation(chance) for _ in range(chance.randint(1, 3))]
        counts["patches"] += 1
        alike = one.run(operations)
        counts["of which were refused"] += one.statuses[0] != 2
        if alike:
            continue
        reasons = one.reasons(operations)
        for reason in reasons:
            explained[reason] = explained.get(reason, 0) + 1
        if not reasons:
            told = {"before": plain(one.before[0]), "operations": operations}
            differ("patch", told, *[(status, plain(after)) for status, after in zip(one.statuses, one.after)])
        # Both go on from what ours holds, so that one difference is told once.
        one.put(theirs, one.after[0])
    for reason, times in sorted(explained.items()):
        print(f"{times} times {REASONS[reason]}")
    print(", ".join(f"{value} {name}" for name, value in counts.items()))
    sys.exit(1 if counts["unexplained differences"] else 0)


if __name__ == "__main__":
    main()
