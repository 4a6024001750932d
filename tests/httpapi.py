"""The HTTP API as its clients use it: a request and its answer, with nothing but the standard library."""

import base64
import http.client
import json
import urllib.parse

import harness


def rabbitmqadmin():
    """The path of RabbitMQ's own client of the API."""
    found = sorted((harness.REPO / ".cache/debian/rabbitmq-server").glob(
        "usr/lib/rabbitmq/lib/*/plugins/rabbitmq_management-*/priv/www/cli/rabbitmqadmin"))
    assert found, "./dev clients unpacks Debian's rabbitmq-server"
    return str(found[-1])


def quote(name):
    return urllib.parse.quote(name, safe="")


class Api:
    def __init__(self, port, user="guest", password="guest", host="127.0.0.1"):
        self.address = (host, port)
        self.authorization = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    def ask(self, method, path, body=None, raw=None):
        """Returns (status, the decoded answer or None, headers)."""
        connection = http.client.HTTPConnection(*self.address, timeout=30)
        try:
            data = raw if raw is not None else None if body is None else json.dumps(body).encode()
            connection.request(method, "/api/" + path, data,
                               {"Authorization": self.authorization, "Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None, dict(answer.getheaders())
        finally:
            connection.close()

    def get(self, path, status=200):
        found, answer, _ = self.ask("GET", path)
        assert found == status, (path, found, answer)
        return answer

    def put(self, path, body, status=201):
        found, answer, _ = self.ask("PUT", path, body)
        assert found == status, (path, found, answer)
        return answer

    def post(self, path, body, status=200):
        found, answer, headers = self.ask("POST", path, body)
        assert found == status, (path, found, answer)
        return answer if answer is not None else headers

    def delete(self, path, status=204):
        found, answer, _ = self.ask("DELETE", path)
        assert found == status, (path, found, answer)
        return answer
