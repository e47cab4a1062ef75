"""A second client stack, PyPI authlib, against an OpenID Provider on loopback.

Environment: ISSUER CLIENT_ID CLIENT_SECRET REDIRECT_URI DOMAIN_HINT LOGIN_FIELDS (JSON: what to type into which field).
Prints one line per check; the exit code says whether all hold.
"""

import json
import os
import re
import secrets
import sys
from html import unescape
from urllib.parse import urljoin

import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import JsonWebKey, JsonWebToken

ISSUER, CLIENT_ID, SECRET, REDIRECT_URI = (os.environ[name] for name in ("ISSUER", "CLIENT_ID", "CLIENT_SECRET", "REDIRECT_URI"))
FIELDS = json.loads(os.environ["LOGIN_FIELDS"])
# The library refuses http; this is loopback.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"


def attribute(tag, name):
    found = re.search(rf'\b{name}="([^"]*)"', tag)
    return unescape(found[1]) if found else None


def sign_in(url):
    """Walks pages and forms until the callback, and gives its URL back."""
    browser = requests.Session()
    answer = browser.get(url, allow_redirects=False)
    for _ in range(25):
        if answer.is_redirect:
            target = urljoin(answer.url, answer.headers["location"])
            if target.startswith(REDIRECT_URI + "?"):
                return target
            answer = browser.get(target, allow_redirects=False)
            continue
        form = re.search(r"<form\b([^>]*)>(.*?)</form>", answer.text, re.S | re.I)
        if not form:
            raise AssertionError(f"no form, status {answer.status_code}")
        tags = re.findall(r"<(?:input|button)\b[^>]*>", form[2])
        sent = {attribute(tag, "name"): attribute(tag, "value") or "" for tag in tags if attribute(tag, "name")}
        sent.update({name: value for name, value in FIELDS.items() if name in sent})
        answer = browser.post(urljoin(answer.url, attribute(form[1], "action") or ""), data=sent, allow_redirects=False)
    raise AssertionError("the pages do not end")


class Checks:
    def __init__(self):
        self.metadata = requests.get(f"{ISSUER}/.well-known/openid-configuration", timeout=10).json()
        self.client = OAuth2Session(
            CLIENT_ID,
            SECRET,
            redirect_uri=REDIRECT_URI,
            scope="openid profile email offline_access",
            code_challenge_method="S256",
            token_endpoint_auth_method="client_secret_basic",
        )

    def code_flow(self):
        verifier, self.nonce = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
        url, state = self.client.create_authorization_url(
            self.metadata["authorization_endpoint"], code_verifier=verifier, nonce=self.nonce, domain_hint=os.environ["DOMAIN_HINT"]
        )
        self.tokens = self.client.fetch_token(
            self.metadata["token_endpoint"], authorization_response=sign_in(url), state=state, code_verifier=verifier
        )

    def id_token(self):
        keys = JsonWebKey.import_key_set(requests.get(self.metadata["jwks_uri"], timeout=10).json())
        essential = {name: {"essential": True} for name in ("exp", "iat", "sub")}
        fixed = {"iss": ISSUER, "aud": CLIENT_ID, "nonce": self.nonce}
        options = essential | {name: {"essential": True, "value": value} for name, value in fixed.items()}
        claims = JsonWebToken(["ES256", "RS256", "EdDSA"]).decode(self.tokens["id_token"], keys, claims_options=options)
        claims.validate()
        self.sub = claims["sub"]

    def userinfo(self):
        bearer = {"authorization": "Bearer " + self.tokens["access_token"]}
        assert requests.get(self.metadata["userinfo_endpoint"], headers=bearer, timeout=10).json()["sub"] == self.sub

    def refresh(self):
        before = dict(self.tokens)
        self.tokens = self.client.refresh_token(self.metadata["token_endpoint"], refresh_token=before["refresh_token"])
        assert self.tokens["refresh_token"] != before["refresh_token"]
        assert self.tokens["access_token"] != before["access_token"]

    def introspection(self):
        return self.client.introspect_token(self.metadata["introspection_endpoint"], token=self.tokens["access_token"]).json()["active"]

    def revocation(self):
        assert self.introspection() is True
        self.client.revoke_token(self.metadata["revocation_endpoint"], token=self.tokens["refresh_token"])
        assert self.introspection() is False


def main():
    checks = Checks()
    failed = 0
    for name, run in (
        ("code flow with PKCE and state", checks.code_flow),
        ("ID token: signature and claims", checks.id_token),
        ("userinfo", checks.userinfo),
        ("refresh rotates", checks.refresh),
        ("introspection, revocation, introspection", checks.revocation),
    ):
        try:
            run()
            print(f"ok    {name}")
        except Exception as error:  # A checker reports every check.
            failed += 1
            print(f"FAIL  {name}: {type(error).__name__} {str(error)[:160]}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
