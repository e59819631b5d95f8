"""What must hold of the alarms; as rules.py."""

from rules import rule

# The metrics that AWS documents for the services, with the dimensions that they are published under.
TARGETS = {"LoadBalancer", "TargetGroup"}
METRICS = {
    "AWS/ApplicationELB": {
        "HTTPCode_ELB_5XX_Count": [{"LoadBalancer"}],
        "HTTPCode_Target_5XX_Count": [{"LoadBalancer"}, TARGETS],
        "UnHealthyHostCount": [TARGETS],
        "HealthyHostCount": [TARGETS],
        "TargetResponseTime": [{"LoadBalancer"}, TARGETS],
    },
    "AWS/ElastiCache": {
        name: [{"CacheClusterId"}]
        for name in (
            "AuthenticationFailures",
            "CurrConnections",
            "DatabaseMemoryUsagePercentage",
            "EngineCPUUtilization",
            "Evictions",
            "ReplicationLag",
        )
    },
    "AWS/ECS": {name: [{"ClusterName", "ServiceName"}] for name in ("CPUUtilization", "MemoryUtilization")},
}
WATCHED = {
    "HTTPCode_ELB_5XX_Count",
    "HTTPCode_Target_5XX_Count",
    "UnHealthyHostCount",
    "Evictions",
    "EngineCPUUtilization",
    "DatabaseMemoryUsagePercentage",
    "ReplicationLag",
}


def measured(alarm):
    """The metrics of an alarm, as (namespace, name, dimensions)."""
    parts = [part["MetricStat"]["Metric"] for part in alarm.get("Metrics", []) if "MetricStat" in part] or [alarm]
    return [
        (part["Namespace"], part["MetricName"], {it["Name"]: it["Value"] for it in part["Dimensions"]}) for part in parts
    ]


@rule
def alarms_watch_metrics_that_exist(it):
    alarms = it.new_network().of_type("AWS::CloudWatch::Alarm")
    for name, alarm in alarms.items():
        for namespace, metric, dimensions in measured(alarm):
            known = METRICS.get(namespace, {})
            assert metric in known, f"{name}: {namespace} has no {metric}"
            assert set(dimensions) in known[metric], f"{name}: {metric} is not published under {set(dimensions)}"
    watched = {metric for alarm in alarms.values() for _, metric, _ in measured(alarm)}
    assert WATCHED <= watched, f"nobody watches {WATCHED - watched}"


@rule
def alarms_watch_every_node_of_redis(it):
    rendered = it.new_network()
    nodes = {f"Redis-{number:03}" for number in range(1, rendered["Redis"]["NumCacheClusters"] + 1)}
    for name, alarm in rendered.of_type("AWS::CloudWatch::Alarm").items():
        found = {dimensions["CacheClusterId"] for _, _, dimensions in measured(alarm) if "CacheClusterId" in dimensions}
        assert not found or found == nodes, f"{name} watches {found}"
        if found:
            expression, *parts = alarm["Metrics"]
            assert expression["Expression"] == f"MAX([{', '.join(part['Id'] for part in parts)}])"
            assert all(part["ReturnData"] is False for part in parts)


@rule
def alarms_tell_somebody(it):
    rendered = it.new_network()
    for name, alarm in rendered.of_type("AWS::CloudWatch::Alarm").items():
        assert alarm["AlarmActions"] == [rendered.parameters["AlarmTopicArn"]] == alarm["OKActions"], name
