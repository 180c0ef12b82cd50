"""A real SMTP server (aiosmtpd) that writes each mail it takes as a line of JSON.

Arguments: the port for STARTTLS with a login, the port for TLS with a login, the port for neither, a certificate, its
key, and the file for the mails. The one login is modelwatch / hush.
"""

import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

start_tls, tls, plain, certificate, key, out = sys.argv[1:]


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address == "nobody@a.example":
            return "550 no such mailbox"
        if address == "later@a.example":
            return "451 come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        parts = [
            {
                "type": part.get_content_type(),
                "file": part.get_filename(),
                "id": part["Content-ID"],
                "text": part.get_content() if part.get_content_maintype() == "text" else None,
                "bytes": len(part.get_payload(decode=True) or b""),
            }
            for part in mail.walk()
            if not part.is_multipart()
        ]
        said = {
            "to": envelope.rcpt_tos,
            "from": envelope.mail_from,
            "subject": mail["Subject"],
            "id": mail["Message-ID"],
            "parts": parts,
            "tls": session.ssl is not None,
            "login": session.authenticated,
        }
        with open(out, "a", encoding="utf-8") as file:
            file.write(json.dumps(said, ensure_ascii=False) + "\n")
        return "250 taken"


def login(server, session, envelope, mechanism, data):
    is_known = isinstance(data, LoginPassword) and (data.login, data.password) == (b"modelwatch", b"hush")
    # What is not handled is answered by the server: 535.
    return AuthResult(success=is_known, handled=False)


def serve():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    secure = {"authenticator": login, "auth_required": True}
    controllers = [
        Controller(Handler(), "127.0.0.1", int(start_tls), tls_context=context, require_starttls=True, **secure),
        Controller(Handler(), "127.0.0.1", int(tls), ssl_context=context, auth_require_tls=False, **secure),
        Controller(Handler(), "127.0.0.1", int(plain)),
    ]
    for controller in controllers:
        controller.start()
    print("ready", flush=True)
    asyncio.new_event_loop().run_forever()


serve()
