"""One change to a line, and what the fault has to say of it."""

from collections.abc import Callable

from tests.kuberay.changes import (
    Objects,
    cluster,
    deployment,
    every_container,
    group,
    head,
    job,
    pod,
    rename,
    serve,
    service,
    tag,
    upgrade,
)
from tests.kuberay.render import one

Break = Callable[[Objects], object]

BROKEN: dict[str, tuple[Break, str]] = {
    # what a schema says
    "an unknown field of a RayService": (lambda o: service(o).update(serveConfig="x"), "'serveConfig' was unexpected"),
    "an unknown field of a pod in it": (lambda o: pod(o).update(tolerance=[]), "'tolerance' was unexpected"),
    "an unknown field of a Deployment": (
        lambda o: one(o, "Deployment", "nginx")["spec"].update(replica=2),
        "'replica' was unexpected",
    ),
    "an unknown field of a PodMonitor": (
        lambda o: one(o, "PodMonitor", "ray")["spec"].update(endpoints=[]),
        "'endpoints' was unexpected",
    ),
    "a number as start parameter": (
        lambda o: head(o)["rayStartParams"].update({"num-cpus": 0}),
        "is not of type 'string'",
    ),
    "null where a value is required": (lambda o: pod(o).update(containers=None), "'containers' is a required property"),
    "a port twice": (
        lambda o: pod(o)["containers"][0]["ports"].append({"containerPort": 8000, "protocol": "TCP"}),
        "two entries have the same containerPort",
    ),
    "an unknown mode of authentication": (
        lambda o: cluster(o)["authOptions"].update(mode="tokens"),
        "is not one of ['disabled', 'token']",
    ),
    "a quantity that is none": (
        lambda o: pod(o)["containers"][0]["resources"]["limits"].update(memory="10 GB"),
        "10 GB",
    ),
    "a kind without a schema": (
        lambda o: o.append({"apiVersion": "example.com/v1", "kind": "Surprise", "metadata": {"name": "x"}}),
        "there is no schema for example.com/v1 Surprise",
    ),
    "an API that newer clusters have not": (
        lambda o: one(o, "PodDisruptionBudget", "router").update(apiVersion="policy/v1beta1"),
        "there is no schema for policy/v1beta1",
    ),
    "a label that is a number": (
        lambda o: one(o, "RayJob", "tune")["metadata"].update(labels={"version": 1}),
        "is not of type",
    ),
    # what KubeRay's operator says
    "a name that leaves no room": (
        lambda o: rename(o, "RayService", "llm-router", "llm-router-" + "x" * 40),
        "more than 47",
    ),
    "a name that begins with a digit": (lambda o: rename(o, "RayJob", "retrain", "7-retrain"), "is no DNS label"),
    "an unknown upgrade type": (lambda o: upgrade(o).update(type="Rolling"), "upgradeStrategy.type Rolling is none of"),
    "an incremental upgrade without a gateway class": (
        lambda o: upgrade(o)["clusterUpgradeOptions"].update(gatewayClassName=""),
        "needs gatewayClassName",
    ),
    "an incremental upgrade without options": (
        lambda o: upgrade(o).pop("clusterUpgradeOptions"),
        "needs clusterUpgradeOptions",
    ),
    "an incremental upgrade without the autoscaler": (
        lambda o: cluster(o).update(enableInTreeAutoscaling=False),
        "needs enableInTreeAutoscaling",
    ),
    "more than all of the traffic in a step": (
        lambda o: upgrade(o)["clusterUpgradeOptions"].update(stepSizePercent=101),
        "stepSizePercent has to be from 0 to 100",
    ),
    "a minimum above the maximum": (lambda o: group(o).update(minReplicas=9), "minReplicas <= replicas <= maxReplicas"),
    "a restart policy that autoscaler v2 refuses": (
        lambda o: pod(o).update(restartPolicy="Always"),
        "group router: restartPolicy has to be Never",
    ),
    "the Redis password as a start parameter": (
        lambda o: head(o)["rayStartParams"].update({"redis-password": "x"}),
        "redis-password belongs into gcsFaultToleranceOptions",
    ),
    "the Redis address as a variable": (
        lambda o: head(o)["template"]["spec"]["containers"][0]["env"].append(
            {"name": "RAY_REDIS_ADDRESS", "value": "x"}
        ),
        "RAY_REDIS_ADDRESS belongs into gcsFaultToleranceOptions",
    ),
    "the autoscaler's version twice": (
        lambda o: head(o)["template"]["spec"]["containers"][0]["env"].append(
            {"name": "RAY_enable_autoscaler_v2", "value": "1"}
        ),
        "both autoscalerOptions.version and RAY_enable_autoscaler_v2",
    ),
    "tokens with an old Ray": (lambda o: cluster(o).update(rayVersion="2.51.0"), "needs rayVersion 2.52.0 or later"),
    "CPUs said twice": (
        lambda o: group(o)["rayStartParams"].update({"num-cpus": "4"}),
        "group router: resources are in",
    ),
    "a suspended job that stays": (
        lambda o: job(o).update(shutdownAfterJobFinishes=False),
        "suspended without shutdown",
    ),
    "a job without a cluster": (lambda o: job(o).pop("rayClusterSpec"), "neither rayClusterSpec nor clusterSelector"),
    "a head without the serving port": (
        lambda o: head(o)["template"]["spec"]["containers"][0]["ports"].pop(),
        "has no port named serve",
    ),
    # what Serve and this project say of serveConfigV2
    "an unknown key for Serve": (
        lambda o: serve(o, lambda c: c["applications"][0].update(deployment=[])),
        "deployment: unknown key",
    ),
    "an unknown argument": (
        lambda o: serve(o, lambda c: c["applications"][0]["args"].update(rule="x")),
        "rule: unknown key",
    ),
    "a proxy on the head only": (
        lambda o: serve(o, lambda c: c.update(proxy_location="HeadOnly")),
        "has to be EveryNode",
    ),
    "another port": (
        lambda o: serve(o, lambda c: c["http_options"].update(port=9000)),
        "is not the containerPort serve",
    ),
    "a replica that fits into no pod": (
        lambda o: serve(o, lambda c: deployment(c, "Ingress")["ray_actor_options"].update(num_cpus=2)),
        "books 4.9 CPUs, a pod of the group router has 4",
    ),
    "more replicas than pods": (
        lambda o: serve(o, lambda c: deployment(c, "Ingress")["autoscaling_config"].update(max_replicas=9)),
        "Ingress may have 9 replicas and 1 to come",
    ),
    "a router that takes the CPUs of GPU machines": (
        lambda o: serve(o, lambda c: deployment(c, "Classifier")["ray_actor_options"].pop("resources")),
        "Classifier does not ask for the resource router",
    ),
    "more GPUs than a pod has": (
        lambda o: serve(o, lambda c: c["applications"][1]["args"]["gpu"].update(tensor_parallel_size=2)),
        "llama takes 2 GPUs, a pod of its group has 1",
    ),
    "a GPU that Ray is not told of": (lambda o: group(o, "llama")["resources"].pop("GPU"), "llama takes 1 GPUs"),
    "several Retrievers without a Chroma server": (
        lambda o: one(o, "ConfigMap", "router-")["data"].pop("CHROMA_URL"),
        "more than one replica needs a Chroma server",
    ),
    "production without trusted hosts": (
        lambda o: one(o, "ConfigMap", "router-")["data"].pop("TRUSTED_HOSTS"),
        "TRUSTED_HOSTS is not set",
    ),
    # what the objects say of each other
    "a Secret that nobody makes": (
        lambda o: pod(o)["containers"][0]["env"][0]["valueFrom"]["secretKeyRef"].update(name="router-secret"),
        "Secret router-secret with DATABASE_URL is not one",
    ),
    "a ConfigMap that is not there": (
        lambda o: pod(o)["containers"][0]["envFrom"][0]["configMapRef"].update(name="router"),
        "ConfigMap router does not exist",
    ),
    "an account that is not there": (
        lambda o: pod(o).update(serviceAccountName="router"),
        "ServiceAccount router does not",
    ),
    "a claim that is not there": (
        lambda o: rename(o, "PersistentVolumeClaim", "llm-router-artifacts", "artifacts"),
        "PersistentVolumeClaim llm-router-artifacts does not exist",
    ),
    "a Service that finds no pod": (
        lambda o: one(o, "Service", "nginx")["spec"]["selector"].update(part="proxy"),
        "its selector matches no pod",
    ),
    "a Service with another port": (
        lambda o: one(o, "Service", "chroma")["spec"]["ports"][0].update(targetPort="chroma"),
        "its pods have no port chroma",
    ),
    "a budget that protects nobody": (
        lambda o: one(o, "PodDisruptionBudget", "router")["spec"]["selector"]["matchLabels"].update(part="ingress"),
        "its selector matches no pod",
    ),
    "a policy that opens the wrong port": (
        lambda o: one(o, "NetworkPolicy", "postgres")["spec"]["ingress"][0]["ports"][0].update(port=5433),
        "opens 5433, which no pod of it listens on",
    ),
    "a policy for nobody": (
        lambda o: one(o, "NetworkPolicy", "providers")["spec"]["podSelector"]["matchLabels"].update(part="ingress"),
        "its podSelector matches no pod",
    ),
    "a probe of a port that is not there": (
        lambda o: pod(o)["containers"][0]["readinessProbe"]["httpGet"].update(port="http"),
        "asks a port http that the container has not",
    ),
    # what every pod has to have
    "a pod as root": (lambda o: pod(o)["securityContext"].update(runAsUser=0), "runs as root"),
    "a container that may gain privileges": (
        lambda o: pod(o, "llama")["containers"][0]["securityContext"].update(allowPrivilegeEscalation=True),
        "may gain privileges",
    ),
    "a pod without requests": (
        lambda o: pod(o)["containers"][0]["resources"].pop("requests"),
        "has no requests of cpu",
    ),
    "an image without a tag": (
        lambda o: one(o, "StatefulSet", "redis-gcs")["spec"]["template"]["spec"]["containers"][0].update(image="redis"),
        "image redis has no tag",
    ),
    "a tag without the hardware": (
        lambda o: every_container(o, lambda c: tag(c, "llm-router:0.1.0")),
        "have to be llm-router:gpu-",
    ),
    "the image of the other overlay": (
        lambda o: every_container(o, lambda c: tag(c, "registry.example.com/llm-router:cpu-0.1.0")),
        "have to be llm-router:gpu-",
    ),
    "an image of two versions": (
        lambda o: pod(o)["containers"][0].update(image="llm-router:gpu-0.0.9"),
        "have to be llm-router:gpu-",
    ),
}
