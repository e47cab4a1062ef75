"""Judges SAML responses with python3-saml, for the comparison with `vestibule saml verify`.

`python3_saml.py --context CTX.json FILE...` takes the context that `vestibule saml verify` takes and prints one JSON
line for each file: {"file", "decision", "name_id", "reason"}.
The settings are those of an application that cares: strict, a certificate, no SHA-1 unless the context allows it.
"""

import argparse
import calendar
import json
import re
from datetime import datetime, timezone
from urllib.parse import urlsplit

from onelogin.saml2.constants import OneLogin_Saml2_Constants
from onelogin.saml2.response import OneLogin_Saml2_Response
from onelogin.saml2.settings import OneLogin_Saml2_Settings
from onelogin.saml2.utils import OneLogin_Saml2_Utils
from onelogin.saml2.xml_utils import OneLogin_Saml2_XML

# The window that we allow too; theirs is 300 seconds.
OneLogin_Saml2_Constants.ALLOWED_CLOCK_DRIFT = 60


class Schema(OneLogin_Saml2_XML._schema_class):
    """Keeps what the schema demands; python3-saml says only that a message does not match it."""

    complaint = None

    def validate(self, tree):
        valid = super().validate(tree)
        Schema.complaint = None if valid else re.sub(r"\{[^}]*\}", "", self.error_log[0].message)
        return valid


OneLogin_Saml2_XML._schema_class = Schema


class Refused(Exception):
    """What the application has to look at itself, because python3-saml does not."""


def settings(context, private_key):
    """The settings with one decryption key: python3-saml knows of one only."""
    certificates = [body(pem) for pem in context.get("idp_certificates") or []]
    if not certificates:
        raise Refused("no certificate")
    security = {
        "rejectDeprecatedAlgorithm": not context.get("allow_sha1"),
        # An identity provider may send no attributes, and either signature will do.
        "wantAttributeStatement": False,
        "wantAssertionsSigned": False,
        "wantMessagesSigned": False,
        "wantNameId": True,
        "requestedAuthnContext": False,
        "allowSingleLabelDomains": True,
    }
    data = {
        "strict": True,
        "debug": False,
        "security": security,
        "sp": {
            "entityId": context["sp_entity_id"],
            "assertionConsumerService": {"url": context["acs_url"]},
            "privateKey": private_key or "",
        },
        "idp": {
            "entityId": context["idp_entity_id"],
            "singleSignOnService": {"url": "https://idp.example/sso"},
            "x509cert": certificates[0],
            "x509certMulti": {"signing": certificates},
        },
    }
    return OneLogin_Saml2_Settings(data, sp_validation_only=True)


def body(pem):
    """What stands between the lines BEGIN and END."""
    return "".join(line.strip() for line in pem.splitlines() if "-----" not in line)


def request(acs_url):
    """The form post as a web framework would describe it."""
    parts = urlsplit(acs_url)
    data = {"https": "on" if parts.scheme == "https" else "off", "http_host": parts.netloc, "script_name": parts.path}
    return {**data, "get_data": {}, "post_data": {}, "query_string": parts.query}


def judge(context, text):
    expected = context.get("in_response_to")
    if expected is None and not context.get("allow_unsolicited"):
        raise Refused("no request is pending")
    failure = None
    for key in context.get("sp_private_keys") or [None]:
        try:
            response = OneLogin_Saml2_Response(settings(context, key), text)
            # python3-saml compares only what is there.
            if expected is not None and not context.get("allow_unsolicited") and response.get_in_response_to() is None:
                raise Refused("the response names no request")
            response.is_valid(request(context["acs_url"]), expected, raise_exceptions=True)
            return response.get_nameid()
        except Exception as error:  # noqa: BLE001 - whatever it raises is a refusal
            failure = error
    raise failure


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--context", required=True)
    parser.add_argument("files", nargs="+", metavar="FILE")
    arguments = parser.parse_args()
    with open(arguments.context, encoding="utf-8") as file:
        context = json.load(file)
    if context.get("now"):
        now = datetime.fromisoformat(context["now"].replace("Z", "+00:00")).astimezone(timezone.utc)
        OneLogin_Saml2_Utils.now = staticmethod(lambda: calendar.timegm(now.utctimetuple()))
    for name in arguments.files:
        line = {"file": name, "decision": "reject", "name_id": None, "reason": None}
        try:
            with open(name, encoding="ascii", errors="replace") as file:
                line["name_id"] = judge(context, re.sub("[ \\t\\r\\n]", "", file.read()))
            line["decision"] = "accept"
        except Exception as error:  # noqa: BLE001
            line["reason"] = " ".join(f"{type(error).__name__}: {error}".split())
            if "Not match the" in line["reason"]:
                line["reason"] += f": {Schema.complaint}"
        print(json.dumps(line, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
