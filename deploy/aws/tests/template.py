"""Reads the CloudFormation template and works out what CloudFormation would make of it."""

import copy
import ipaddress
import re

import yaml

ACCOUNT = "123456789012"
REGION = "ap-northeast-1"
STACK_ID = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/cloakroom/0f6d5a30-1c2b-11f0-9d5c-0242ac120002"

PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackId": STACK_ID,
    "AWS::StackName": "cloakroom",
    "AWS::URLSuffix": "amazonaws.com",
}

# What AWS makes up, as it looks like. What is not listed stands for itself: `Redis` or `Service.Name`.
MADE_UP = {
    "SessionSecret": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:SessionSecret-AbCdEf",
    "RedisSecret": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:RedisSecret-GhIjKl",
    "ExecutionRole.Arn": f"arn:aws:iam::{ACCOUNT}:role/cloakroom-execution",
    "LogGroup": "/cloakroom/cloakroom",
    "Redis.PrimaryEndPoint.Address": "master.cloakroom.abcdef.apne1.cache.amazonaws.com",
    "Redis.PrimaryEndPoint.Port": "6379",
}

PARAMETERS = {
    "CertificateArn": f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/0f6d5a30-1c2b-11f0-9d5c-0242ac120002",
    "ImageVersion": ":0.1.0",
    "AlarmTopicArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:operators",
}

EXISTING_NETWORK = PARAMETERS | {
    "VpcId": "vpc-0123456789abcdef0",
    "PublicSubnetA": "subnet-0a",
    "PublicSubnetB": "subnet-0b",
    "PrivateSubnetA": "subnet-0c",
    "PrivateSubnetB": "subnet-0d",
    "TrustedProxies": "10.1.0.0/24,10.1.1.0/24",
}

NO_VALUE = object()


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms, which become the long ones."""


def _short_form(loader, suffix, node):
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        return {name: value.split(".", 1) if suffix == "GetAtt" else value}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_mapping(node, deep=True)}


Loader.add_multi_constructor("!", _short_form)
# CloudFormation reads no dates and no clock times out of YAML.
Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":int"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^(0|[1-9][0-9]*)$"), list("0123456789"))


def load(text):
    """The template as CloudFormation reads it."""
    return yaml.load(text, Loader)


class Rendered:
    """The resources with all functions worked out, for the given parameters."""

    def __init__(self, template, parameters):
        self.template = template
        known = template["Parameters"]
        unknown = set(parameters) - set(known)
        assert not unknown, f"no such parameter: {unknown}"
        missing = [name for name, it in known.items() if "Default" not in it and name not in parameters]
        assert not missing, f"parameters without a value: {missing}"
        self.parameters = {name: str(parameters.get(name, it.get("Default"))) for name, it in known.items()}
        self.conditions = {name: self._condition(it) for name, it in template["Conditions"].items()}
        self.resources = {
            name: self._value(copy.deepcopy(it))
            for name, it in template["Resources"].items()
            if self.conditions.get(it.get("Condition"), True)
        }

    def of_type(self, kind):
        """The properties of all resources of one type, by name."""
        return {name: it.get("Properties", {}) for name, it in self.resources.items() if it["Type"] == kind}

    def __getitem__(self, name):
        return self.resources[name]["Properties"]

    def _condition(self, it):
        (function, value), = it.items()
        if function == "Fn::Equals":
            left, right = (self._value(side) for side in value)
            return left == right
        if function == "Fn::Not":
            return not self._condition(value[0])
        raise ValueError(f"{function} in a condition is not worked out here")

    def _value(self, it):
        if isinstance(it, list):
            items = [self._value(item) for item in it]
            return [item for item in items if item is not NO_VALUE]
        if not isinstance(it, dict):
            return it
        if len(it) == 1:
            (name, value), = it.items()
            if name == "Ref" or name.startswith("Fn::"):
                return self._function(name, value)
        values = {name: self._value(value) for name, value in it.items()}
        return {name: value for name, value in values.items() if value is not NO_VALUE}

    def _function(self, name, value):
        if name == "Ref":
            return self._named(value)
        if name == "Fn::GetAtt":
            return self._attribute(*value)
        if name == "Fn::If":
            condition, yes, no = value
            return self._value(yes if self.conditions[condition] else no)
        if name == "Fn::Sub":
            text, own = value if isinstance(value, list) else (value, {})
            own = {key: self._value(it) for key, it in own.items()}
            return re.sub(r"\$\{([^}!]+)\}", lambda found: own.get(found[1]) or str(self._named(found[1])), text)
        if name == "Fn::GetAZs":
            return [f"{REGION}a", f"{REGION}c", f"{REGION}d"]
        value = self._value(value)
        if name == "Fn::Select":
            return value[1][int(value[0])]
        if name == "Fn::Split":
            return value[1].split(value[0])
        if name == "Fn::FindInMap":
            table, row, column = value
            return self.template["Mappings"][table][row][column]
        if name == "Fn::Cidr":
            network, count, bits = value
            subnets = ipaddress.ip_network(network).subnets(new_prefix=32 - int(bits))
            return [str(subnet) for subnet, _ in zip(subnets, range(int(count)))]
        raise ValueError(f"{name} is not worked out here")

    def _named(self, name):
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in PSEUDO:
            return PSEUDO[name]
        if name in self.parameters:
            return self.parameters[name]
        resource, _, attribute = name.partition(".")
        if attribute:
            return self._attribute(resource, attribute)
        assert resource in self.template["Resources"], f"there is no {name}"
        return MADE_UP.get(name, name)

    def _attribute(self, resource, attribute):
        assert resource in self.template["Resources"], f"there is no {resource}"
        if attribute == "CidrBlock":
            return self._value(self.template["Resources"][resource]["Properties"]["CidrBlock"])
        name = f"{resource}.{attribute}"
        return MADE_UP.get(name, name)
