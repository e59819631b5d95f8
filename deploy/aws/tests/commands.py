"""The commands of AWS in the runbook, held to what the services know."""

import re

import botocore.loaders
from botocore.model import ServiceModel

# What the command line has beside the calls of the services, with the options that README.md uses.
OWN_COMMANDS = {
    ("cloudformation", "deploy"): {"stack-name", "template-file", "capabilities", "parameter-overrides"},
    ("ecr", "get-login-password"): set(),
    ("logs", "tail"): {"follow"},
}
EVERYWHERE = {"query", "output", "cli-input-json"}


def undefined_in(text):
    """The shell variables and functions of the stack's outputs that a document uses before it says what they are."""
    known = set()
    for line in "\n".join(re.findall(r"```sh\n(.*?)```", text, re.S)).splitlines():
        defined = set(re.findall(r"^\s*([a-z_]+)(?:=|\(\))", line))
        used = set(re.findall(r"\$\{?([A-Za-z_]+)", line)) | set(re.findall(r"\$\((output)\b", line))
        yield from sorted(used - known)
        known |= defined


def kebab(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()


def unknown_in(text):
    """The commands of AWS in a document's blocks of code that do not exist, or have options that do not."""
    loader = botocore.loaders.Loader()
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.S)).replace("\\\n", " ")
    commands = re.findall(r"\baws ([a-z0-9]+) ([a-z-]+)( [a-z][a-z-]*)?([^|\n]*)", blocks)
    assert commands, "README.md has no commands"
    for service, operation, third, rest in commands:
        options = set(re.findall(r"(?<= )--([a-z0-9-]+)", rest)) - EVERYWHERE
        if (service, operation) in OWN_COMMANDS:
            known = OWN_COMMANDS[service, operation]
        else:
            if operation == "wait":
                waiters = loader.load_service_model(service, "waiters-2")["waiters"]
                found = [it["operation"] for name, it in waiters.items() if kebab(name) == third.strip()]
            else:
                described = loader.load_service_model(service, "service-2")["operations"]
                found = [name for name in described if kebab(name) == operation]
            if not found:
                yield f"aws {service} {operation}{third}"
                continue
            model = ServiceModel(loader.load_service_model(service, "service-2"))
            known = {kebab(name) for name in model.operation_model(found[0]).input_shape.members}
        yield from (f"aws {service} {operation} --{option}" for option in sorted(options - known))
