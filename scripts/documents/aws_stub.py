"""AWS, as far as the README's commands ask it: a registry's password, and a CloudFormation stack that comes up at once.

Usage: aws_stub.py TEMPLATE FOLDER

Prints the port that it listens on. What does not fit the template is refused with a ValidationError, as AWS does: another body, a
parameter that the template does not have, one that it needs, a value outside of its pattern, a capability that is not granted.
Each action that was accepted is a line of FOLDER/asked.
"""

import base64
import http.server
import json
import pathlib
import re
import sys
import urllib.parse

import yaml

template_file, folder = map(pathlib.Path, sys.argv[1:])


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short functions, whose meaning does not matter here."""


Loader.add_multi_constructor("!", lambda loader, suffix, node: suffix)
body = template_file.read_text(encoding="utf-8")
template = yaml.load(body, Loader)
stack = None


class Refused(Exception):
    """What AWS answers with status 400."""


def numbered(form, pattern):
    found = {}
    for name, value in form.items():
        if match := re.fullmatch(pattern, name):
            found[match[1]] = value
    return [found[number] for number in sorted(found, key=int)]


def check_parameters(form):
    names = numbered(form, r"Parameters\.member\.(\d+)\.ParameterKey")
    values = numbered(form, r"Parameters\.member\.(\d+)\.ParameterValue")
    given = dict(zip(names, values, strict=True))
    declared = template["Parameters"]
    for name in given:
        if name not in declared:
            raise Refused(f"Parameters: [{name}] do not exist in the template")
    for name, parameter in declared.items():
        value = str(given.get(name, parameter.get("Default", "missing")))
        if name not in given and "Default" not in parameter:
            raise Refused(f"Parameters: [{name}] must have values")
        if not re.search(parameter.get("AllowedPattern", ""), value):
            raise Refused(f"Parameter {name} fails its AllowedPattern")
        if value not in map(str, parameter.get("AllowedValues", [value])):
            raise Refused(f"Parameter {name} is none of its AllowedValues")


def cloudformation(form):
    global stack
    action, name = form["Action"], form.get("StackName", "")
    if action == "CreateChangeSet":
        if form["TemplateBody"] != body:
            raise Refused("the template is another one")
        check_parameters(form)
        roles = any(resource["Type"].startswith("AWS::IAM::") for resource in template["Resources"].values())
        if roles and "CAPABILITY_IAM" not in numbered(form, r"Capabilities\.member\.(\d+)"):
            raise Refused("Requires capabilities : [CAPABILITY_IAM]")
        return f"<Id>arn:aws:cloudformation:x:1:changeSet/{form['ChangeSetName']}/1</Id><StackId>{name}</StackId>"
    if action == "DescribeChangeSet":
        return "<Status>CREATE_COMPLETE</Status>"
    if action == "ExecuteChangeSet":
        stack = name
        return ""
    if action == "DescribeStacks":
        if stack != name:
            raise Refused(f"Stack with id {name} does not exist")
        outputs = "".join(
            f"<member><OutputKey>{key}</OutputKey><OutputValue>value-of-{key}</OutputValue></member>"
            for key in template["Outputs"]
        )
        return (
            f"<Stacks><member><StackName>{name}</StackName><StackStatus>CREATE_COMPLETE</StackStatus>"
            f"<CreationTime>2026-11-26T00:00:00Z</CreationTime><Outputs>{outputs}</Outputs></member></Stacks>"
        )
    raise Refused(f"nothing is known of {action}")


def registry(action, request):
    if action == "GetAuthorizationToken":
        token = base64.b64encode(b"AWS:a-password").decode()
        return {"authorizationData": [{"authorizationToken": token, "proxyEndpoint": "https://registry"}]}
    if action == "CreateRepository":
        repository = request["repositoryName"]
        if repository != template["Parameters"]["ImageRepository"]["Default"]:
            raise Refused(f"the template takes its image from another repository than {repository}")
        return {"repository": {"repositoryName": repository}}
    raise Refused(f"nothing is known of {action}")


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        target = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        form = dict(urllib.parse.parse_qsl(text))
        action = target or form["Action"]
        status = 200
        try:
            if target:
                answer = json.dumps(registry(action, json.loads(text)))
            else:
                answer = f"<R><{action}Result>{cloudformation(form)}</{action}Result></R>"
            with (folder / "asked").open("a", encoding="utf-8") as asked:
                print(action, file=asked)
        except Refused as refused:
            status = 400
            answer = (
                json.dumps({"__type": "ValidationError", "message": str(refused)})
                if target
                else f"<ErrorResponse><Error><Code>ValidationError</Code><Message>{refused}</Message></Error></ErrorResponse>"
            )
        data = answer.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1" if target else "text/xml")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
