"""What is looked at: the template, the raw task definition, and what the application's own files say."""

import copy
import json
import re
from pathlib import Path

from template import EXISTING_NETWORK, PARAMETERS, Rendered, load

ROOT = Path(__file__).resolve().parents[3]
TEMPLATE = "deploy/aws/cloakroom.yaml"
TASK = "deploy/aws/task-definition.json"
APPLICATION = [
    "apps/login/src/config.rs",
    "apps/login/src/config/cli.rs",
    "apps/login/src/routes/health.rs",
    "apps/login/src/routes/mod.rs",
    "apps/login/src/startup.rs",
]


class Deployment:
    """All of it as plain data, so that a copy can be given a fault."""

    def __init__(self):
        self.text = (ROOT / TEMPLATE).read_text()
        self.template = load(self.text)
        self.task = json.loads((ROOT / TASK).read_text())
        dockerfile = ROOT / "Dockerfile"
        self.dockerfile = dockerfile.read_text() if dockerfile.exists() else None
        self.sources = {path: (ROOT / path).read_text() for path in APPLICATION}

    def copy(self):
        return copy.deepcopy(self)

    def rendered(self):
        """The resources with a new network, and with an existing one."""
        return [Rendered(self.template, PARAMETERS), Rendered(self.template, EXISTING_NETWORK)]

    def new_network(self):
        return self.rendered()[0]

    def set(self, path, value):
        """Puts a value into the template; the path is `Resource.Property.0.Name`, `None` takes it away."""
        *way, last = path.split(".")
        it = self.template["Resources"]
        for step in way:
            it = it[int(step) if isinstance(it, list) else step]
        if isinstance(it, list):
            last = int(last)
        if value is None:
            del it[last]
        else:
            it[last] = value

    # What the application's files say.

    def _found(self, path, pattern, what):
        found = re.search(pattern, self.sources[path])
        assert found, f"{path} does not say {what}; the check must be brought up to date"
        return found

    def stop_deadline(self):
        """Seconds that requests in flight are granted after SIGTERM."""
        pattern = r"const STOP_DEADLINE: Duration = Duration::from_secs\((\d+)\);"
        return int(self._found("apps/login/src/startup.rs", pattern, "how long a stop takes")[1])

    def start_deadline(self):
        """Seconds that a start waits for the Redis server."""
        pattern = r"const SERVER_DEADLINE: Duration = Duration::from_secs\((\d+)\);"
        return int(self._found("apps/login/src/startup.rs", pattern, "how long a start waits")[1])

    def shortest_secret(self):
        pattern = r"pub const MIN_SECRET_BYTES: usize = (\d+);"
        return int(self._found("apps/login/src/config.rs", pattern, "how long a secret must be")[1])

    def settings(self):
        """The environment variables of the application; the value says whether it is secret."""
        arguments = self.sources["apps/login/src/config/cli.rs"].split("#[arg(")[1:]
        attributes = [argument.split(")]")[0] for argument in arguments]
        found = {re.search(r'env = "([A-Z_]+)"', it)[1]: "hide_env_values" in it for it in attributes}
        assert found, "cli.rs declares no settings; the check must be brought up to date"
        return found | {"RUST_LOG": False}


def container(rendered):
    """The one container of the task definition."""
    (it,) = rendered["TaskDefinition"]["ContainerDefinitions"]
    return it


def environment(rendered):
    return {it["Name"]: it["Value"] for it in container(rendered)["Environment"]}


def secrets(rendered):
    return {it["Name"]: it["ValueFrom"] for it in container(rendered)["Secrets"]}


def attributes(properties, name):
    """The attributes of a load balancer or a target group."""
    return {it["Key"]: it["Value"] for it in properties[name]}


def as_api(it, free=False):
    """CloudFormation's names as those of the ECS API; the keys of `Options` are nobody's names."""
    if isinstance(it, list):
        return [as_api(item) for item in it]
    if isinstance(it, dict):
        return {(key if free else key[0].lower() + key[1:]): as_api(value, key == "Options") for key, value in it.items()}
    return it
