#!/usr/bin/env python3
"""The same random resources, filters and patches at two SCIM servers, and what they answer differently.

Usage: differential.py OURS OUR_TOKEN THEIRS THEIR_TOKEN [SEED] [ROUNDS]
Prints each difference, and a last line with the counts; exits 1 when there is one.
"""
import json
import random
import sys
import urllib.error
import urllib.parse
import urllib.request

CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
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
        user["schemas"].append(ENTERPRISE)
        user[ENTERPRISE] = {"department": chance.choice(TEXTS)}
    return user


def term(chance):
    text = lambda: json.dumps(chance.choice(TEXTS), ensure_ascii=False)
    name = chance.choice(["userName", "displayName", "title", "nickName", "name.givenName", "name.familyName", f"{ENTERPRISE}:department"])
    shape = chance.randrange(6)
    if shape == 0:
        return f"{name} pr"
    if shape == 1:
        return f"active eq {chance.choice(['true', 'false'])}"
    if shape == 2:
        return f'emails[type eq "{chance.choice(["work", "home"])}"]'
    if shape == 3:
        return f'emails[type eq "{chance.choice(["work", "home"])}" and value sw "{chance.choice("abc")}"]'
    if shape == 4:
        return f'emails.value sw "{chance.choice("abc")}"'
    operator = chance.choice(["eq", "co", "sw", "ew"])
    return f'{name} {operator} {json.dumps("user" + str(chance.randrange(12))) if name == "userName" else text()}'


def question(chance, depth=0):
    shape = chance.random()
    if depth == 3 or shape < 0.45:
        return term(chance)
    if shape < 0.6:
        return f"not ({question(chance, depth + 1)})"
    if shape < 0.7:
        return f"({question(chance, depth + 1)})"
    return f"{question(chance, depth + 1)} {chance.choice(['and', 'or'])} {question(chance, depth + 1)}"


def operation(chance):
    text = lambda: chance.choice(TEXTS)
    kind = chance.choice(["work", "home", "other"])
    return chance.choice([
        lambda: {"op": "replace", "path": "title", "value": text()},
        lambda: {"op": "add", "path": "nickName", "value": text()},
        lambda: {"op": "remove", "path": chance.choice(["title", "nickName", "emails", "name", "name.givenName"])},
        lambda: {"op": "replace", "path": "name.familyName", "value": text()},
        lambda: {"op": "replace", "path": "name", "value": {"givenName": text()}},
        lambda: {"op": "add", "value": {"displayName": text(), "active": chance.random() < 0.5}},
        lambda: {"op": "replace", "path": "active", "value": chance.random() < 0.5},
        lambda: {"op": "add", "path": "emails", "value": [{"value": f"new{chance.randrange(4)}@example.test", "type": kind}]},
        lambda: {"op": "replace", "path": "emails", "value": [{"value": "only@example.test", "type": kind}]},
        lambda: {"op": "remove", "path": f'emails[type eq "{kind}"]'},
        lambda: {"op": "replace", "path": f"{ENTERPRISE}:department", "value": text()},
        lambda: {"op": "add", "path": f"{ENTERPRISE}:costCenter", "value": text()},
        lambda: {"op": "replace", "path": "no such", "value": "x"},
        lambda: {"op": "remove"},
        lambda: {"op": "replace", "path": "id", "value": "x"},
    ])()


def plain(user):
    """What clients wrote, without what each server makes."""
    kept = {name: value for name, value in user.items() if name not in ("id", "meta", "groups", "schemas")}
    if "emails" in kept:
        kept["emails"] = sorted(json.dumps(email, sort_keys=True) for email in kept["emails"])
    return {name: value for name, value in kept.items() if value not in (None, [], {})}


def main():
    ours, theirs = Server(*sys.argv[1:3]), Server(*sys.argv[3:5])
    seed = int(sys.argv[5]) if len(sys.argv) > 5 else 1
    rounds = int(sys.argv[6]) if len(sys.argv) > 6 else 400
    chance = random.Random(seed)
    counts = {"users": 0, "filters": 0, "of which found somebody": 0, "patches": 0, "of which were refused": 0, "differences": 0}

    def differ(kind, asked, mine, other):
        counts["differences"] += 1
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
        number = chance.randrange(12)
        body = {"schemas": [PATCH], "Operations": [operation(chance) for _ in range(chance.randint(1, 3))]}
        before = [plain(server.call("GET", f"/Users/{server.ids[number]}")[1]) for server in (ours, theirs)]
        statuses = [server.call("PATCH", f"/Users/{server.ids[number]}", body)[0] // 100 for server in (ours, theirs)]
        after = [plain(server.call("GET", f"/Users/{server.ids[number]}")[1]) for server in (ours, theirs)]
        counts["patches"] += 1
        counts["of which were refused"] += statuses[0] != 2
        if statuses[0] != statuses[1] or after[0] != after[1]:
            differ("patch", {"before": before[0], "operations": body["Operations"]}, (statuses[0], after[0]), (statuses[1], after[1]))
            # Both go on from what ours holds, so that one difference is told once.
            whole = ours.call("GET", f"/Users/{ours.ids[number]}")[1]
            body = {name: value for name, value in whole.items() if name not in ("id", "meta", "groups")}
            status, said = theirs.call("PUT", f"/Users/{theirs.ids[number]}", body)
            assert status == 200, (status, said)
    print(", ".join(f"{value} {name}" for name, value in counts.items()))
    sys.exit(1 if counts["differences"] else 0)


if __name__ == "__main__":
    main()
