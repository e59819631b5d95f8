"""What must hold of the deployment. Each function is one rule; it takes a `Deployment` and asserts."""

import ipaddress
import re

from deployment import as_api, attributes, container, environment, secrets

RULES = []


def rule(function):
    RULES.append(function)
    return function


# The store

@rule
def redis_speaks_tls_alone(it):
    for rendered in it.rendered():
        redis = rendered["Redis"]
        assert redis["TransitEncryptionEnabled"] is True
        assert redis["TransitEncryptionMode"] == "required", "preferred lets clients in without TLS"
        assert environment(rendered)["REDIS_TLS"] == "true"


@rule
def redis_is_encrypted_at_rest(it):
    assert it.new_network()["Redis"]["AtRestEncryptionEnabled"] is True


@rule
def redis_outlives_a_zone(it):
    for rendered in it.rendered():
        redis = rendered["Redis"]
        assert redis["NumCacheClusters"] >= 2
        assert redis["AutomaticFailoverEnabled"] is True and redis["MultiAZEnabled"] is True
        assert len(set(rendered["RedisSubnetGroup"]["SubnetIds"])) >= 2
        assert redis["CacheSubnetGroupName"] == "RedisSubnetGroup"


@rule
def redis_evicts_nothing(it):
    rendered = it.new_network()
    redis, group = rendered["Redis"], rendered["RedisParameterGroup"]
    assert redis["CacheParameterGroupName"] == "RedisParameterGroup"
    assert group["CacheParameterGroupFamily"] == redis["Engine"] + redis["EngineVersion"].split(".")[0]
    assert group["Properties"]["maxmemory-policy"] == "noeviction"


@rule
def redis_lets_nobody_in_without_a_name_and_a_password(it):
    rendered = it.new_network()
    assert rendered["Redis"]["UserGroupIds"] == ["RedisUserGroup"]
    users = {user["UserName"]: user for user in rendered.of_type("AWS::ElastiCache::User").values()}
    assert set(users) == {"default", "cloakroom"}
    assert sorted(rendered["RedisUserGroup"]["UserIds"]) == ["RedisDefaultUser", "RedisUser"]
    assert users["default"]["AccessString"].split() == ["off", "-@all"]
    template = rendered.template["Resources"]["RedisSecret"]["Properties"]["GenerateSecretString"]["SecretStringTemplate"]
    assert '"username": "cloakroom"' in template, "the secret names another user than the one that is made"
    for user in users.values():
        assert "NoPasswordRequired" not in user
        for password in user["Passwords"]:
            assert re.fullmatch(r"\{\{resolve:secretsmanager:arn:[^{}]+:SecretString:password\}\}", password), "in the clear"


@rule
def redis_grants_the_application_its_own_keys_alone(it):
    rendered = it.new_network()
    prefix = environment(rendered)["SESSION_PREFIX"]
    words = rendered["RedisUser"]["AccessString"].split()
    assert words[0] == "on" and "-@all" in words
    assert {word for word in words if word.startswith("~")} == {f"~{prefix}*", "~ck:*"}
    granted = [word[1:] for word in words if word.startswith("+")]
    assert granted and not any(name.startswith("@") for name in granted), "categories grant more than is needed"


@rule
def redis_is_reached_from_the_tasks_alone(it):
    for rendered in it.rendered():
        assert rendered["Redis"]["SecurityGroupIds"] == ["RedisSecurityGroup"]
        assert "SecurityGroupIngress" not in rendered["RedisSecurityGroup"]
        ways = [way for way in rendered.of_type("AWS::EC2::SecurityGroupIngress").values() if way["GroupId"] == "RedisSecurityGroup"]
        (way,) = ways
        assert (way["FromPort"], way["ToPort"]) == (6379, 6379)
        assert way["SourceSecurityGroupId"] == "TaskSecurityGroup" and "CidrIp" not in way


@rule
def redis_leaves_a_backup(it):
    redis = it.template["Resources"]["Redis"]
    assert redis["DeletionPolicy"] == "Snapshot" and redis["UpdateReplacePolicy"] == "Snapshot"
    assert redis["Properties"]["SnapshotRetentionLimit"] >= 1


# Secrets and settings

@rule
def no_secret_stands_in_the_environment(it):
    hidden = {name for name, secret in it.settings().items() if secret}
    for rendered in it.rendered():
        for name, value in environment(rendered).items():
            assert name not in hidden, f"{name} belongs into Secrets"
            assert "resolve:" not in value and ":secret:" not in value, f"{name} holds a secret"


@rule
def secrets_come_from_secrets_manager(it):
    for rendered in it.rendered():
        given = secrets(rendered)
        assert {"SESSION_SECRET", "REDIS_PASSWORD"} <= set(given)
        allowed = rendered["ExecutionRole"]["Policies"][0]["PolicyDocument"]["Statement"][-1]["Resource"]
        for name, source in given.items():
            found = re.fullmatch(r"(arn:aws:secretsmanager:[a-z0-9-]+:\d{12}:secret:\w+-\w{6})(?::(\w*):(\w*):(\w*))?", source)
            assert found, f"{name}: {source} is neither a secret nor a key of one; a key is followed by two colons"
            assert found[1] in allowed, f"{name}: the execution role may not read it"
            if name.startswith("REDIS_"):
                assert found[2] == name.removeprefix("REDIS_").lower()


@rule
def secrets_are_made_long_and_without_commas(it):
    rendered = it.new_network()
    for name in ("SessionSecret", "RedisSecret"):
        made = rendered[name]["GenerateSecretString"]
        assert "SecretString" not in rendered[name], f"{name} stands in the template"
        assert made["PasswordLength"] >= it.shortest_secret()
        assert made["ExcludePunctuation"] is True, "a comma would separate secrets, and ElastiCache refuses some signs"


@rule
def the_application_knows_every_setting(it):
    known = set(it.settings())
    for rendered in it.rendered():
        given = list(environment(rendered)) + list(secrets(rendered))
        assert len(given) == len(set(given)), "one is set twice"
        assert set(given) <= known, f"not a setting of the application: {set(given) - known}"


@rule
def the_application_runs_for_production_on_its_port(it):
    for rendered in it.rendered():
        given = environment(rendered)
        assert given["APP_ENV"] == "production" and given["BIND"] == "0.0.0.0"
        (mapping,) = container(rendered)["PortMappings"]
        (balanced,) = rendered["Service"]["LoadBalancers"]
        ports = [given["PORT"], mapping["ContainerPort"], balanced["ContainerPort"], rendered["TargetGroup"]["Port"]]
        ports += [rendered["TaskIngress"]["FromPort"], rendered["LoadBalancerSecurityGroup"]["SecurityGroupEgress"][0]["FromPort"]]
        assert {str(port) for port in ports} == {"3000"}
        assert balanced["ContainerName"] == container(rendered)["Name"]


@rule
def the_load_balancer_is_the_trusted_proxy(it):
    new, existing = it.rendered()
    networks = [new[name]["CidrBlock"] for name in new["LoadBalancer"]["Subnets"]]
    assert environment(new)["TRUSTED_PROXIES"].split(",") == networks
    assert environment(existing)["TRUSTED_PROXIES"] == existing.parameters["TrustedProxies"]
    for network in networks:
        assert ipaddress.ip_network(network).prefixlen >= 22, f"{network} is not the load balancer's alone"


@rule
def an_existing_network_is_given_as_a_whole(it):
    demanded = {
        assertion["Assert"]["Fn::Not"][0]["Fn::Equals"][0]["Ref"]
        for assertion in it.template["Rules"]["ExistingNetworkIsComplete"]["Assertions"]
    }
    needed = {"PublicSubnetA", "PublicSubnetB", "PrivateSubnetA", "PrivateSubnetB", "TrustedProxies"}
    assert demanded == needed


# Health, stopping, connections

@rule
def health_is_asked_where_redis_does_not_count(it):
    for rendered in it.rendered():
        group = rendered["TargetGroup"]
        assert group["HealthCheckPath"] == "/livez", "only /livez answers while Valkey is away"
        assert group["Matcher"]["HttpCode"] == "200"
        assert group["HealthCheckTimeoutSeconds"] < group["HealthCheckIntervalSeconds"]
    assert '.route("/livez", get(health::livez))' in it.sources["apps/login/src/routes/mod.rs"]
    # Without an argument it has neither the store nor a request to find one in.
    assert "async fn livez() -> Response {" in it.sources["apps/login/src/routes/health.rs"]


@rule
def the_container_asks_its_own_program(it):
    assert re.search(r"enum Command \{[^}]*\bHealthcheck,", it.sources["apps/login/src/config/cli.rs"])
    check = container(it.new_network())["HealthCheck"]
    kind, program, command = check["Command"]
    assert kind == "CMD", "there is no shell in the image"
    assert program.startswith("/") and command == "healthcheck"
    if it.dockerfile is not None:
        assert f'\nENTRYPOINT ["{program}"]' in it.dockerfile, "the image's program stands elsewhere"
    assert check["StartPeriod"] >= it.start_deadline(), "a start may wait that long for Valkey"


@rule
def a_stop_is_granted_more_than_the_application_takes(it):
    timeout = container(it.new_network())["StopTimeout"]
    # Beside the requests in flight: the signal's way, and the end of the process.
    assert timeout >= it.stop_deadline() + 5
    assert timeout <= 120, "Fargate grants no more"


@rule
def deregistration_fits_between_drain_and_stop(it):
    rendered = it.new_network()
    delay = int(attributes(rendered["TargetGroup"], "TargetGroupAttributes")["deregistration_delay.timeout_seconds"])
    assert it.stop_deadline() <= delay <= container(rendered)["StopTimeout"]


@rule
def no_visitor_sticks_to_a_task(it):
    assert attributes(it.new_network()["TargetGroup"], "TargetGroupAttributes")["stickiness.enabled"] == "false"


@rule
def the_load_balancer_closes_idle_connections_first(it):
    """The application closes none, which `an_idle_connection_stays_open` of apps/login/tests/aws shows for an hour."""
    given = attributes(it.new_network()["LoadBalancer"], "LoadBalancerAttributes")
    assert 1 <= int(given["idle_timeout.timeout_seconds"]) < 3600


@rule
def visitors_come_by_tls(it):
    for rendered in it.rendered():
        https, http = rendered["HttpsListener"], rendered["HttpListener"]
        assert (https["Port"], https["Protocol"]) == (443, "HTTPS")
        assert https["SslPolicy"].startswith("ELBSecurityPolicy-TLS13-1-")
        assert not re.search(r"-1-[01]-|-Ext", https["SslPolicy"]), "old versions or ciphers without forward secrecy"
        (action,) = http["DefaultActions"]
        assert action["Type"] == "redirect" and action["RedirectConfig"]["Protocol"] == "HTTPS"
        assert action["RedirectConfig"]["Port"] == "443"
        assert len(rendered.of_type("AWS::ElasticLoadBalancingV2::Listener")) == 2


@rule
def the_guard_sees_the_host_that_the_browser_sent(it):
    given = attributes(it.new_network()["LoadBalancer"], "LoadBalancerAttributes")
    assert given["routing.http.preserve_host_header.enabled"] == "true"
    assert given["routing.http.drop_invalid_header_fields.enabled"] == "true"


# The service

@rule
def everything_stands_in_two_zones(it):
    for rendered in it.rendered():
        service = rendered["Service"]["NetworkConfiguration"]["AwsvpcConfiguration"]
        for subnets in (rendered["LoadBalancer"]["Subnets"], service["Subnets"]):
            assert len(set(subnets)) >= 2
            made = [rendered[name]["AvailabilityZone"] for name in subnets if name in rendered.resources]
            assert len(set(made)) == len(made), "two subnets in one zone"
        assert int(rendered["ScalableTarget"]["MinCapacity"]) >= 2
    assert it.template["Parameters"]["MinTasks"]["MinValue"] >= 2


@rule
def nothing_starts_before_its_ways_are_there(it):
    new, existing = it.rendered()
    service, balancer = new.resources["Service"], new.resources["LoadBalancer"]
    ways = {"PrivateRouteTableOfA", "PrivateRouteTableOfB"} | set(new.of_type("AWS::EC2::VPCEndpoint"))
    assert ways == set(service["Metadata"]["WaitsFor"])
    assert {"HttpsListener", "TaskIngress", "RedisIngress"} == set(service["DependsOn"])
    assert {"PublicRoute", "PublicRouteTableOfA", "PublicRouteTableOfB"} == set(balancer["Metadata"]["WaitsFor"])
    assert existing.resources["Service"]["Metadata"]["WaitsFor"] == []


@rule
def a_deployment_that_fails_is_rolled_back(it):
    given = it.new_network()["Service"]["DeploymentConfiguration"]
    assert given["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
    assert given["MinimumHealthyPercent"] == 100 and given["MaximumPercent"] >= 150
    assert "DesiredCount" not in it.new_network()["Service"], "an update would undo what the scaling decided"


@rule
def a_task_can_do_little(it):
    for rendered in it.rendered():
        one = container(rendered)
        assert one["ReadonlyRootFilesystem"] is True
        user, _, group = one["User"].partition(":")
        assert int(user) > 0 and int(group) > 0, "root"
        assert one["LinuxParameters"] == {"InitProcessEnabled": True, "Capabilities": {"Drop": ["ALL"]}}
        assert "TaskRoleArn" not in rendered["TaskDefinition"], "the application calls nothing of AWS"
        assert rendered["Service"]["EnableExecuteCommand"] is False
        assert rendered["Service"]["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"] == "DISABLED"
    # Where the network is ours, the tasks' subnets have no route to the internet.
    ways = it.new_network().of_type("AWS::EC2::Route").values()
    assert {way["RouteTableId"] for way in ways} == {"PublicRouteTable"}


@rule
def policies_name_what_they_allow(it):
    for rendered in it.rendered():
        (role,) = rendered.of_type("AWS::IAM::Role").values()
        assert "ManagedPolicyArns" not in role
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
        assert "aws:SourceAccount" in trust["Condition"]["StringEquals"]
        statements = [it for policy in role["Policies"] for it in policy["PolicyDocument"]["Statement"]]
        for endpoint in rendered.of_type("AWS::EC2::VPCEndpoint").values():
            statements += endpoint.get("PolicyDocument", {}).get("Statement", [])
        for statement in statements:
            actions, resources = (
                it if isinstance(it, list) else [it] for it in (statement["Action"], statement["Resource"])
            )
            assert not any("*" in action for action in actions), f"{actions}"
            # AWS demands it for this action: the token is the account's.
            if actions != ["ecr:GetAuthorizationToken"]:
                assert all(resource.startswith("arn:") and not resource.endswith(":*:*") for resource in resources)
                for resource in resources:
                    assert resource.count("*") == 0 or resource.endswith((":log-stream:*", "-layer-bucket/*")), resource


@rule
def the_log_is_kept_for_a_while_and_no_longer(it):
    rendered = it.new_network()
    assert int(rendered["LogGroup"]["RetentionInDays"]) > 0
    options = container(rendered)["LogConfiguration"]["Options"]
    assert options["awslogs-group"] == rendered["LogGroup"]["LogGroupName"]
    assert options["mode"] == "non-blocking"


# The files

@rule
def the_template_can_be_sent_without_a_bucket(it):
    assert len(it.text.encode()) <= 51200


@rule
def the_raw_task_definition_is_the_template_s(it):
    made = as_api(it.new_network()["TaskDefinition"])
    assert it.task == made, "task-definition.json differs from what the template makes of its example values"
