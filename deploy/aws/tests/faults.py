"""Faults, and the rule that must object to each. A rule that nothing can break proves nothing."""


def put(path, value):
    """The template with one value changed."""
    return lambda it: it.set(path, value)


def source(path, old, new):
    """The application with one line changed."""

    def change(it):
        assert old in it.sources[path], f"{path} has no {old}"
        it.sources[path] = it.sources[path].replace(old, new)

    return change


CONTAINER = "TaskDefinition.Properties.ContainerDefinitions.0"
STARTUP = "apps/login/src/startup.rs"


def environment(name, value):
    """A further variable, or another value for one that is there."""

    def change(it):
        container = it.template["Resources"]["TaskDefinition"]["Properties"]["ContainerDefinitions"][0]
        others = [one for one in container["Environment"] if one["Name"] != name]
        container["Environment"] = others + [{"Name": name, "Value": value}]

    return change


def secret(name, source_of_it):
    def change(it):
        container = it.template["Resources"]["TaskDefinition"]["Properties"]["ContainerDefinitions"][0]
        others = [one for one in container["Secrets"] if one["Name"] != name]
        container["Secrets"] = others + [{"Name": name, "ValueFrom": source_of_it}]

    return change


def attribute(resource, number, value):
    kind = {"TargetGroup": "TargetGroupAttributes", "LoadBalancer": "LoadBalancerAttributes"}[resource]
    return put(f"{resource}.Properties.{kind}.{number}.Value", value)


def statement(number, name, value):
    return put(f"ExecutionRole.Properties.Policies.0.PolicyDocument.Statement.{number}.{name}", value)


def parameter(name, value):
    return lambda it: it.template["Parameters"][name].update(value)


def dockerfile(it):
    it.dockerfile = 'FROM scratch\nENTRYPOINT ["/usr/local/bin/cloakroom-login"]\n'


def longer(it):
    it.text += "# " + "x" * 51200


FAULTS = [
    ("redis_speaks_tls_alone", put("Redis.Properties.TransitEncryptionMode", "preferred")),
    ("redis_speaks_tls_alone", put("Redis.Properties.TransitEncryptionEnabled", False)),
    ("redis_speaks_tls_alone", environment("REDIS_TLS", "false")),
    ("redis_is_encrypted_at_rest", put("Redis.Properties.AtRestEncryptionEnabled", False)),
    ("redis_outlives_a_zone", put("Redis.Properties.NumCacheClusters", 1)),
    ("redis_outlives_a_zone", put("Redis.Properties.MultiAZEnabled", False)),
    ("redis_outlives_a_zone", put("Redis.Properties.AutomaticFailoverEnabled", False)),
    ("redis_outlives_a_zone", put("RedisSubnetGroup.Properties.SubnetIds.1", None)),
    ("redis_evicts_nothing", put("RedisParameterGroup.Properties.Properties.maxmemory-policy", "allkeys-lru")),
    ("redis_evicts_nothing", put("Redis.Properties.CacheParameterGroupName", "default.valkey8")),
    ("redis_evicts_nothing", put("Redis.Properties.EngineVersion", "7.2")),
    ("redis_lets_nobody_in_without_a_name_and_a_password", put("Redis.Properties.UserGroupIds", [])),
    ("redis_lets_nobody_in_without_a_name_and_a_password", put("RedisUser.Properties.Passwords", ["hunter2hunter2hunter2"])),
    ("redis_lets_nobody_in_without_a_name_and_a_password", put("RedisUser.Properties.UserName", "app")),
    ("redis_lets_nobody_in_without_a_name_and_a_password", put("RedisDefaultUser.Properties.AccessString", "on ~* +@all")),
    ("redis_grants_the_application_its_own_keys_alone", put("RedisUser.Properties.AccessString", "on ~* -@all +get")),
    (
        "redis_grants_the_application_its_own_keys_alone",
        put("RedisUser.Properties.AccessString", "on ~sid:* ~ck:* -@all +@read"),
    ),
    ("redis_grants_the_application_its_own_keys_alone", environment("SESSION_PREFIX", "sess:")),
    ("redis_is_reached_from_the_tasks_alone", put("RedisIngress.Properties.CidrIp", "0.0.0.0/0")),
    ("redis_is_reached_from_the_tasks_alone", put("Redis.Properties.SecurityGroupIds", ["LoadBalancerSecurityGroup"])),
    ("redis_leaves_a_backup", put("Redis.DeletionPolicy", "Delete")),
    ("redis_leaves_a_backup", put("Redis.Properties.SnapshotRetentionLimit", 0)),
    ("no_secret_stands_in_the_environment", environment("REDIS_PASSWORD", "hunter2")),
    ("no_secret_stands_in_the_environment", environment("REDIS_URL", "rediss://cloakroom:hunter2@cache:6379")),
    ("no_secret_stands_in_the_environment", environment("RUST_LOG", "{{resolve:secretsmanager:a:SecretString:b}}")),
    ("secrets_come_from_secrets_manager", secret("REDIS_PASSWORD", {"Fn::Sub": "${RedisSecret}:password"})),
    ("secrets_come_from_secrets_manager", secret("REDIS_PASSWORD", {"Fn::Sub": "${RedisSecret}:username::"})),
    ("secrets_come_from_secrets_manager", statement(3, "Resource", [{"Ref": "SessionSecret"}])),
    ("secrets_are_made_long_and_without_commas", put("SessionSecret.Properties.GenerateSecretString.PasswordLength", 16)),
    ("secrets_are_made_long_and_without_commas", put("SessionSecret.Properties.GenerateSecretString.ExcludePunctuation", False)),
    ("secrets_are_made_long_and_without_commas", put("RedisSecret.Properties.SecretString", "hunter2")),
    (
        "secrets_are_made_long_and_without_commas",
        source("apps/login/src/config.rs", "MIN_SECRET_BYTES: usize = 32", "MIN_SECRET_BYTES: usize = 128"),
    ),
    ("the_application_knows_every_setting", environment("SESSION_TTL", "60")),
    ("the_application_knows_every_setting", source("apps/login/src/config/cli.rs", '"REDIS_TLS"', '"REDIS_SSL"')),
    ("the_application_runs_for_production_on_its_port", environment("APP_ENV", "development")),
    ("the_application_runs_for_production_on_its_port", environment("BIND", "127.0.0.1")),
    ("the_application_runs_for_production_on_its_port", environment("PORT", "8080")),
    ("the_load_balancer_is_the_trusted_proxy", environment("TRUSTED_PROXIES", "0.0.0.0/0")),
    ("the_load_balancer_is_the_trusted_proxy", put("LoadBalancer.Properties.Subnets.0", {"Ref": "NewPrivateSubnetA"})),
    ("an_existing_network_is_given_as_a_whole", lambda it: it.template["Rules"]["ExistingNetworkIsComplete"]["Assertions"].pop()),
    ("health_is_asked_where_redis_does_not_count", put("TargetGroup.Properties.HealthCheckPath", "/readyz")),
    ("health_is_asked_where_redis_does_not_count", put("TargetGroup.Properties.HealthCheckTimeoutSeconds", 10)),
    (
        "health_is_asked_where_redis_does_not_count",
        source("apps/login/src/routes/health.rs", "async fn livez()", "async fn livez(State(state): State<AppState>)"),
    ),
    ("the_container_asks_its_own_program", put(f"{CONTAINER}.HealthCheck.Command", ["CMD-SHELL", "curl localhost:3000", ""])),
    ("the_container_asks_its_own_program", put(f"{CONTAINER}.HealthCheck.StartPeriod", 5)),
    ("the_container_asks_its_own_program", dockerfile),
    ("a_stop_is_granted_more_than_the_application_takes", put(f"{CONTAINER}.StopTimeout", 8)),
    ("a_stop_is_granted_more_than_the_application_takes", put(f"{CONTAINER}.StopTimeout", 300)),
    ("a_stop_is_granted_more_than_the_application_takes", source(STARTUP, "from_secs(8)", "from_secs(30)")),
    ("deregistration_fits_between_drain_and_stop", attribute("TargetGroup", 0, "300")),
    ("deregistration_fits_between_drain_and_stop", attribute("TargetGroup", 0, "5")),
    ("no_visitor_sticks_to_a_task", attribute("TargetGroup", 1, "true")),
    ("the_load_balancer_closes_idle_connections_first", attribute("LoadBalancer", 0, "4000")),
    ("visitors_come_by_tls", put("HttpsListener.Properties.SslPolicy", "ELBSecurityPolicy-2016-08")),
    ("visitors_come_by_tls", put("HttpsListener.Properties.SslPolicy", "ELBSecurityPolicy-TLS13-1-1-2021-06")),
    ("visitors_come_by_tls", put("HttpListener.Properties.DefaultActions.0.Type", "forward")),
    ("the_guard_sees_the_host_that_the_browser_sent", attribute("LoadBalancer", 2, "false")),
    ("everything_stands_in_two_zones", put("LoadBalancer.Properties.Subnets.1", None)),
    ("everything_stands_in_two_zones", put("NewPrivateSubnetB.Properties.AvailabilityZone", {"Fn::Select": ["0", {"Fn::GetAZs": ""}]})),
    ("everything_stands_in_two_zones", parameter("MinTasks", {"MinValue": 1})),
    ("everything_stands_in_two_zones", put("ScalableTarget.Properties.MinCapacity", 1)),
    ("nothing_starts_before_its_ways_are_there", put("Service.Metadata.WaitsFor.Fn::If.1.4", None)),
    ("nothing_starts_before_its_ways_are_there", put("LoadBalancer.Metadata.WaitsFor", [])),
    (
        "a_deployment_that_fails_is_rolled_back",
        put("Service.Properties.DeploymentConfiguration.DeploymentCircuitBreaker.Rollback", False),
    ),
    ("a_deployment_that_fails_is_rolled_back", put("Service.Properties.DeploymentConfiguration.MinimumHealthyPercent", 50)),
    ("a_deployment_that_fails_is_rolled_back", put("Service.Properties.DesiredCount", 2)),
    ("a_task_can_do_little", put(f"{CONTAINER}.ReadonlyRootFilesystem", False)),
    ("a_task_can_do_little", put(f"{CONTAINER}.User", "0:0")),
    ("a_task_can_do_little", put("Service.Properties.EnableExecuteCommand", True)),
    ("a_task_can_do_little", put("TaskDefinition.Properties.TaskRoleArn", {"Fn::GetAtt": ["ExecutionRole", "Arn"]})),
    ("a_task_can_do_little", put("PublicRoute.Properties.RouteTableId", {"Ref": "PrivateRouteTable"})),
    ("policies_name_what_they_allow", statement(3, "Resource", "*")),
    ("policies_name_what_they_allow", statement(1, "Action", "ecr:*")),
    ("policies_name_what_they_allow", statement(1, "Resource", "arn:aws:ecr:us-east-1:123456789012:repository/*")),
    ("policies_name_what_they_allow", put("ExecutionRole.Properties.ManagedPolicyArns", ["arn:aws:iam::aws:policy/AdministratorAccess"])),
    ("the_log_is_kept_for_a_while_and_no_longer", put("LogGroup.Properties.RetentionInDays", None)),
    ("the_log_is_kept_for_a_while_and_no_longer", put(f"{CONTAINER}.LogConfiguration.Options.awslogs-group", "elsewhere")),
    ("alarms_watch_metrics_that_exist", put("RedisEvictionsAlarm.Properties.Metrics.1.MetricStat.Metric.MetricName", "Eviction")),
    ("alarms_watch_metrics_that_exist", put("UnhealthyTargetsAlarm.Properties.Dimensions.1", None)),
    ("alarms_watch_metrics_that_exist", put("RedisMemoryAlarm", None)),
    ("alarms_watch_every_node_of_redis", put("Redis.Properties.NumCacheClusters", 3)),
    ("alarms_watch_every_node_of_redis", put("RedisCpuAlarm.Properties.Metrics.0.Expression", "MAX([a])")),
    ("alarms_tell_somebody", put("RedisCpuAlarm.Properties.AlarmActions", [])),
    ("the_template_can_be_sent_without_a_bucket", longer),
    ("the_raw_task_definition_is_the_template_s", lambda it: it.task["containerDefinitions"][0].update(stopTimeout=60)),
    ("the_raw_task_definition_is_the_template_s", environment("RUST_LOG", "debug")),
]
