"""Runs every rule, plants every fault, and asks the tools of AWS. Prints as `cargo test` does, for ./test to count.

Nothing here talks to AWS: cfn-lint and botocore bring the schemas along.
"""

import re
import sys
import tempfile
import traceback
from pathlib import Path

import botocore.loaders
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from cfnlint.api import lint_file
from cfnlint.config import ManualArgs

import alarms  # noqa: F401  its rules are in RULES then
from commands import undefined_in, unknown_in
from deployment import ROOT, TEMPLATE, Deployment, as_api
from faults import FAULTS
from rules import RULES

RULE_FILES = {rule.__code__.co_filename for rule in RULES}
REGIONS = ["ap-northeast-1", "us-east-1"]


class Objection(AssertionError):
    """A tool of AWS objects."""


def lint(path):
    """cfn-lint's complaints, warnings among them."""
    found = lint_file(Path(path), config=ManualArgs(regions=REGIONS))
    return [f"{one.rule.id} line {one.linenumber}: {one.message}" for one in found]


def api(service, operation, parameters):
    """Whether the service's own description of the call knows all of these parameters."""
    described = botocore.loaders.Loader().load_service_model(service, "service-2")
    shape = ServiceModel(described).operation_model(operation).input_shape
    report = ParamValidator().validate(parameters, shape)
    if report.has_errors():
        raise Objection(report.generate_report())


def cfn_lint_has_no_complaint(_):
    complaints = lint(ROOT / TEMPLATE)
    assert not complaints, "\n".join(complaints)


def cfn_lint_complains_of_a_property_that_does_not_exist(it):
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "template.yaml"
        copy.write_text(it.text.replace("MultiAZEnabled:", "MultiZoneEnabled:"))
        assert any(complaint.startswith("E3002") for complaint in lint(copy))


def ecs_knows_the_raw_task_definition(it):
    api("ecs", "RegisterTaskDefinition", it.task)


def ecs_knows_the_template_s_task_definition(it):
    for rendered in it.rendered():
        api("ecs", "RegisterTaskDefinition", as_api(rendered["TaskDefinition"]))


def ecs_knows_no_misspelt_task_definition(it):
    for change in (
        lambda container: container.update(healthcheck=container.pop("healthCheck")),
        lambda container: container.update(stopTimeout="30"),
        lambda container: container.update(secrets=[{"name": "SESSION_SECRET", "value": "x"}]),
    ):
        broken = it.copy()
        change(broken.task["containerDefinitions"][0])
        try:
            ecs_knows_the_raw_task_definition(broken)
        except Objection:
            continue
        raise AssertionError("botocore takes a task definition that is wrong")


def elasticache_knows_the_replication_group_and_its_users(it):
    rendered = it.new_network()
    api("elasticache", "CreateReplicationGroup", {"ReplicationGroupId": "cloakroom"} | rendered["Redis"])
    api("elasticache", "CreateUserGroup", rendered["RedisUserGroup"])
    for user in rendered.of_type("AWS::ElastiCache::User").values():
        api("elasticache", "CreateUser", user)


def the_commands_of_the_readme_exist(_):
    unknown = list(unknown_in((ROOT / "deploy/aws/README.md").read_text()))
    assert not unknown, "\n".join(unknown)


def a_misspelt_command_is_noticed(_):
    text = "```sh\naws ecs wait service-stable --cluster x\naws ecs update-service --force-deployment\n```"
    assert list(unknown_in(text)) == ["aws ecs wait service-stable", "aws ecs update-service --force-deployment"]


def the_readme_uses_no_variable_before_it_has_a_value(it):
    text = (ROOT / "deploy/aws/README.md").read_text()
    undefined = list(undefined_in(text))
    assert not undefined, "\n".join(undefined)
    outputs = re.findall(r"\$\(output (\w+)\)", text)
    unknown = [name for name in outputs if not re.search(rf"^  {name}:$", it.text.split("\nOutputs:\n")[1], re.M)]
    assert outputs and not unknown, f"the stack has no such outputs: {unknown}"


def a_variable_without_a_value_is_noticed(_):
    text = "```sh\naws logs tail \"$log_group\" --follow\n```\nand\n```sh\na=1\nb=$(output Name) c=$a\n```"
    assert list(undefined_in(text)) == ["log_group", "output"]


def the_readme_says_which_keys_the_application_may_touch(it):
    """That a user reaches `ck:` stands wherever somebody may look for it."""
    readme = (ROOT / "deploy/aws/README.md").read_text()
    assert "~ck:*" in it.new_network()["RedisUser"]["AccessString"]
    assert "below `SessionPrefix` and those below `ck:`" in readme
    described = re.search(r"^  SessionPrefix:\n(?:    .*\n)*?    Description: (.*)$", it.text, re.M)
    assert described and "ck:" in described[1], described


def every_rule_has_a_fault_that_it_objects_to(_):
    without = {rule.__name__ for rule in RULES} - {name for name, _ in FAULTS}
    assert not without, f"nothing shows that these can fail: {without}"


def objects(rule, change):
    """The rule takes the deployment as it is, and not with this fault."""

    def check(it):
        broken = it.copy()
        change(broken)
        try:
            rule(broken)
        except (AssertionError, KeyError) as error:
            where = traceback.extract_tb(error.__traceback__)[-1].filename
            assert where in RULE_FILES, f"something else is wrong with the fault: {error}"
            return
        raise AssertionError("the fault is not noticed")

    return check


def checks():
    rules = {rule.__name__: rule for rule in RULES}
    yield from rules.items()
    for number, (name, change) in enumerate(FAULTS):
        yield f"{name} (fault {number})", objects(rules[name], change)
    for tool in (
        every_rule_has_a_fault_that_it_objects_to,
        cfn_lint_has_no_complaint,
        cfn_lint_complains_of_a_property_that_does_not_exist,
        ecs_knows_the_raw_task_definition,
        ecs_knows_the_template_s_task_definition,
        ecs_knows_no_misspelt_task_definition,
        elasticache_knows_the_replication_group_and_its_users,
        the_commands_of_the_readme_exist,
        a_misspelt_command_is_noticed,
        the_readme_uses_no_variable_before_it_has_a_value,
        a_variable_without_a_value_is_noticed,
        the_readme_says_which_keys_the_application_may_touch,
    ):
        yield tool.__name__, tool


def main():
    deployment = Deployment()
    if deployment.dockerfile is None:
        print("there is no Dockerfile: whether the health check runs the image's program is not known")
    passed, failed = 0, []
    for name, check in checks():
        try:
            check(deployment)
            passed += 1
            print(f"test {name} ... ok")
        except Exception:
            failed.append((name, traceback.format_exc(limit=-1)))
            print(f"test {name} ... FAILED")
    for name, trace in failed:
        print(f"\n---- {name} ----\n{trace}")
    verdict = "FAILED" if failed else "ok"
    print(f"\ntest result: {verdict}. {passed} passed; {len(failed)} failed; 0 ignored; 0 measured; 0 filtered out")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
