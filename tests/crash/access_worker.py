"""The client of the crash campaign for what is administered over the HTTP API: users with their passwords, what they may
do, and policies. What was answered is there after the crash, whole, and in its newest form.
"""

import contextlib
import http.client
import random

import histcheck
from httpapi import Api

POLICIES = 4
USERS_KEPT_MAX = 40


class Versions:
    """Things that are put again and again, as version 1, 2, 3, ..., by their names."""

    def __init__(self, name):
        self.name = name
        self.registers = {}

    def next(self, name):
        register = self.registers.setdefault(name, histcheck.Register(f"{self.name} {name}"))
        register.sent = (register.sent or 0) + 1
        return register.sent

    def answered(self, name, version):
        self.registers[name].acknowledged = version

    def check_content(self, versions):
        faults = []
        for name, register in self.registers.items():
            faults += register.check_content(versions.get(name))
            if versions.get(name) is not None:
                register.acknowledged = versions[name]
        return faults


class AccessWorker:
    tolerant = False  # The broker may refuse work; what it refused is unknown then.

    def __init__(self, number, seed):
        self.random = random.Random(seed)
        self.name = f"crash-access-{number}"
        self.users = histcheck.Names(f"{self.name} users")
        self.logins = Versions(f"{self.name} password of")
        self.rights = Versions(f"{self.name} rights of")
        self.policies = Versions(f"{self.name} policy")
        self.changes = 0
        self.began = False
        self.faults = []

    def counts(self):
        return {"management users": len(self.users.made | self.users.removed), "management changes": self.changes}

    def load(self, ports, stopped):
        api = Api(ports["management"])
        self.began = True
        with contextlib.suppress(OSError, http.client.HTTPException):
            while not stopped():
                self._change(api)

    def _change(self, api):
        dice = self.random.random()
        if dice < 0.25 and len(self.users.made) < USERS_KEPT_MAX or not self.users.made:
            self._put_user(api, f"{self.name}-{self.random.getrandbits(48):x}")
        elif dice < 0.45:
            self._put_user(api, self._some_user())
        elif dice < 0.65:
            self._put_rights(api, self._some_user())
        elif dice < 0.9:
            self._put_policy(api)
        else:
            self._delete_user(api)

    def _some_user(self):
        return self.random.choice(sorted(self.users.made))

    def _ask(self, api, method, path, body=None):
        """True when it was answered with success."""
        status, answer, _ = api.ask(method, path, body)
        if status < 300:
            self.changes += 1
            return True
        if not self.tolerant:
            self.faults.append(f"{self.name}: {method} {path}: {status} {answer}")
        return False

    def _put_user(self, api, name):
        version = self.logins.next(name)
        body = {"password": f"secret{version}", "tags": f"management,v{version}"}
        if self._ask(api, "PUT", "users/" + name, body):
            self.users.made.add(name)
            self.logins.answered(name, version)

    def _put_rights(self, api, name):
        version = self.rights.next(name)
        body = {"configure": f"^{version}$", "write": f"^{version}$", "read": f"^{version}$"}
        if self._ask(api, "PUT", "permissions/%2F/" + name, body):
            self.rights.answered(name, version)

    def _put_policy(self, api):
        name = f"{self.name}.{self.random.randrange(POLICIES)}"
        version = self.policies.next(name)
        body = {"pattern": f"^{name}", "definition": {"max-length": version}, "apply-to": "queues"}
        if self._ask(api, "PUT", "policies/%2F/" + name, body):
            self.policies.answered(name, version)

    def _delete_user(self, api):
        name = self._some_user()
        self.users.remove_sent.add(name)
        self.users.made.discard(name)
        self.logins.registers.pop(name)
        self.rights.registers.pop(name, None)
        if self._ask(api, "DELETE", "users/" + name):
            self.users.removed.add(name)

    def check(self, ports, final):
        faults, self.faults = self.faults, []
        if not self.began:
            return faults
        api = Api(ports["management"])
        users = {one["name"]: one["tags"] for one in api.get("users") if one["name"].startswith(self.name)}
        faults += self.users.check_content({name: name in users for name in self.users.made | self.users.removed})
        versions = {name: int(tags[1].removeprefix("v")) for name, tags in users.items()}
        faults += self.logins.check_content({name: versions.get(name) for name in self.logins.registers})
        faults += self._check_rights(api, users) + self._check_policies(api)
        for name in sorted(users) if final else self.random.sample(sorted(users), min(3, len(users))):
            status, _, _ = Api(ports["management"], name, f"secret{versions[name]}").ask("GET", "whoami")
            if status != 200:
                faults.append(f"Q8 {self.name}: {name} has the tags of version {versions[name]}, not its password: {status}")
        # One whose deletion was not answered, and that is there, is left alone.
        self.users.made = set(users) - self.users.remove_sent
        self.logins.registers = {name: one for name, one in self.logins.registers.items() if name in self.users.made}
        self.rights.registers = {name: one for name, one in self.rights.registers.items() if name in self.users.made}
        return faults

    def _check_rights(self, api, users):
        found = {}
        faults = []
        for one in api.get("permissions"):
            if not one["user"].startswith(self.name):
                continue
            if one["user"] not in users:
                faults.append(f"Q6 {self.name}: rights of {one['user']}, who is not there")
            if len({one[right] for right in ("configure", "write", "read")}) != 1:
                faults.append(f"Q8 {self.name}: rights of different versions: {one}")
            found[one["user"]] = int(one["configure"].strip("^$"))
        return faults + self.rights.check_content({name: found.get(name) for name in self.rights.registers})

    def _check_policies(self, api):
        found = {one["name"]: one["definition"]["max-length"] for one in api.get("policies/%2F")}
        return self.policies.check_content({name: found.get(name) for name in self.policies.registers})
