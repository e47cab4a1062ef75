#!/usr/bin/env python3
"""Runs Okta's SCIM 2.0 SPEC suite, a Runscope/BlazeMeter export, against one server.

Usage: okta_suite.py SUITE.json BASE_URL        (the bearer token is in SCIM_TOKEN)

The suite is Okta's and not part of this repository:
okta/okta-developer-docs, packages/@okta/vuepress-site/.vuepress/public/standards/SCIM/SCIMFiles/Okta-SCIM-20-SPEC-Test.json
It wants at least one user to exist. Pauses and scripts of steps are not run; one step has a script.
Prints a line per step and closes with `steps P/T, assertions P/T`.
"""

import json
import os
import random
import re
import string
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

SCIM_JSON = "application/scim+json"
USER_SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:User"


def letters(count=8):
    return "".join(random.choices(string.ascii_lowercase, k=count))


def ask(method, url, headers, body=None):
    """One exchange: the status, the JSON body or None, the milliseconds."""
    place, mark, query = url.partition("?")
    if mark:
        # The suite writes filters as people type them.
        url = place + "?" + urllib.parse.quote(query, safe="=&%")
    request = urllib.request.Request(url, method=method, data=body.encode() if body else None, headers=headers)
    began = time.monotonic()
    try:
        answer = urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    text = answer.read().decode("utf-8", "replace")
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    return answer.status, document, (time.monotonic() - began) * 1000


def at(document, path):
    """The value at a path such as `Resources[0].name.givenName`; None where there is nothing."""
    for name, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path or ""):
        if index:
            inside = isinstance(document, list) and int(index) < len(document)
            document = document[int(index)] if inside else None
        else:
            document = document.get(name) if isinstance(document, dict) else None
    return document


def written(value):
    """A value as the suite writes it in its assertions."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) or isinstance(value, str) and value.isdigit()


NOTHING = (None, "", [], {})
COMPARISONS = {
    "equal": lambda got, wanted: written(got) == wanted,
    "not_equal": lambda got, wanted: written(got) != wanted,
    "equal_number": lambda got, wanted: float(got) == float(wanted),
    "is_less_than": lambda got, wanted: float(got) < float(wanted),
    "is_a_number": lambda got, wanted: is_number(got),
    "empty": lambda got, wanted: got in NOTHING,
    "not_empty": lambda got, wanted: got not in NOTHING,
    "contains": lambda got, wanted: wanted in (got if isinstance(got, list) else written(got)),
    "has_value": lambda got, wanted: isinstance(got, list) and wanted in [written(each) for each in got],
}


class Suite:
    def __init__(self, suite, base_url, token):
        user = f"okta.{letters()}@atko.com"
        self.steps = suite["steps"]
        self.base_url = base_url.rstrip("/")
        self.variables = {
            "SCIMBaseURL": self.base_url,
            "auth": f"Bearer {token}",
            "InvalidUserEmail": f"{letters()}@atko.com",
            "UserIdThatDoesNotExist": "010101001010101011001010101011",
            "randomEmail": user,
            "randomUsername": user,
            "randomUsernameCaps": user.upper(),
            "randomGivenName": "Given" + letters(4),
            "randomFamilyName": "Family" + letters(4),
        }

    def fill(self, text):
        return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: str(self.variables.get(found[1], found[0])), text)

    def add_first_user(self):
        name = f"first.{letters()}@atko.com"
        headers = {"Authorization": self.variables["auth"], "Content-Type": SCIM_JSON}
        body = {
            "schemas": [USER_SCHEMA],
            "userName": name,
            "name": {"givenName": "First", "familyName": "User"},
            "displayName": "First User",
            "active": True,
            "emails": [{"value": name, "type": "work", "primary": True}],
        }
        status, _, _ = ask("POST", self.base_url + "/Users", headers, json.dumps(body))
        if status != 201:
            sys.exit(f"the first user was answered with {status}")

    def judge(self, assertion, status, document, milliseconds):
        """None where the assertion holds, else what was wanted and what came."""
        source = assertion["source"]
        if source == "response_json":
            got = at(document, assertion.get("property"))
        else:
            got = {"response_status": status, "response_time": milliseconds}[source]
        wanted = None if assertion.get("value") is None else self.fill(str(assertion["value"]))
        try:
            holds = COMPARISONS[assertion["comparison"]](got, wanted)
        except (TypeError, ValueError):
            holds = False
        if holds:
            return None
        return f"{assertion.get('property') or source}: {assertion['comparison']} {wanted!r}, got {str(got)[:80]!r}"

    def run(self):
        steps = [step for step in self.steps if step.get("step_type") == "request" and not step.get("skipped")]
        good_steps = good = asserted = 0
        for step in steps:
            headers = {
                name: self.fill(value if isinstance(value, str) else value[0])
                for name, value in (step.get("headers") or {}).items()
            }
            body = self.fill(step["body"]) if step.get("body") else None
            status, document, milliseconds = ask(step["method"], self.fill(step["url"]), headers, body)
            assertions = step.get("assertions") or []
            wrong = [found for found in (self.judge(each, status, document, milliseconds) for each in assertions) if found]
            for variable in step.get("variables") or []:
                if variable.get("name"):
                    self.variables[variable["name"]] = at(document, variable.get("property"))
            good_steps += not wrong
            asserted += len(assertions)
            good += len(assertions) - len(wrong)
            print(f"{'FAIL' if wrong else 'ok  '}  {step.get('note') or step['method']} [{status}]")
            for found in wrong:
                print(f"      {found}")
        print(f"steps {good_steps}/{len(steps)}, assertions {good}/{asserted}")
        return good_steps == len(steps)


def main():
    path, base_url = sys.argv[1:3]
    with open(path, encoding="utf-8") as file:
        suite = Suite(json.load(file), base_url, os.environ["SCIM_TOKEN"])
    suite.add_first_user()
    sys.exit(0 if suite.run() else 1)


if __name__ == "__main__":
    main()
