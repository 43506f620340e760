"""A load balancer in front of a service, as a caller of the API makes it."""

from support import web
from support.gantry import Not, eventually

DELAY = 2  # seconds of draining
ROLE = "arn:aws:iam::000000000000:role/ecs"


class Balanced:
    """A load balancer, a target group of a kind, a service of two tasks."""

    def __init__(self, gantry, kind, name, cluster="default"):
        self.gantry, self.kind, self.name, self.cluster = gantry, kind, name, cluster
        ec2, self.elb = gantry.client("ec2"), gantry.client("elbv2")
        vpc = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])
        self.vpc = vpc["Vpcs"][0]["VpcId"]
        self.subnets = [s["SubnetId"] for s in ec2.describe_subnets()["Subnets"]]
        self.sg = ec2.create_security_group(GroupName=name, Description="all",
                                            VpcId=self.vpc)["GroupId"]
        ec2.authorize_security_group_ingress(GroupId=self.sg, IpProtocol="tcp", FromPort=0,
                                             ToPort=65535, CidrIp="0.0.0.0/0")
        b = self.elb.create_load_balancer(Name=name, Subnets=self.subnets,
                                          SecurityGroups=[self.sg])["LoadBalancers"][0]
        self.balancer, self.dns = b["LoadBalancerArn"], b["DNSName"]
        self.groups = [self.group(f"{name}-{n}") for n in "ab"]
        self.listener = self.elb.create_listener(
            LoadBalancerArn=self.balancer, Protocol="HTTP", Port=80, DefaultActions=[{
                "Type": "forward", "ForwardConfig": {"TargetGroups": [
                    {"TargetGroupArn": self.groups[0], "Weight": 100},
                    {"TargetGroupArn": self.groups[1], "Weight": 0}]}}]
        )["Listeners"][0]["ListenerArn"]
        eventually(lambda: self.elb.describe_load_balancers(LoadBalancerArns=[self.balancer])[
            "LoadBalancers"][0]["State"]["Code"] == "active", 20, "an active load balancer")
        self.address = eventually(self.resolve, 10, "the balancer's name in the hosts file")

    def resolve(self):
        for line in self.gantry.hosts.read_text().splitlines():
            if self.dns in line.split()[1:]:
                return line.split()[0]
        return Not(self.gantry.hosts.read_text())

    def group(self, name):
        arn = self.elb.create_target_group(
            Name=name, Protocol="HTTP", Port=80, VpcId=self.vpc, TargetType=self.kind,
            HealthCheckPath="/health", HealthCheckIntervalSeconds=5,
            HealthCheckTimeoutSeconds=2, HealthyThresholdCount=2,
        )["TargetGroups"][0]["TargetGroupArn"]
        self.elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=[
            {"Key": "deregistration_delay.timeout_seconds", "Value": str(DELAY)}])
        return arn

    def define(self, n):
        mode = "awsvpc" if self.kind == "ip" else "bridge"
        return self.gantry.define(
            self.name, {"name": "web", "image": self.image, "memory": 32, "stopTimeout": 2,
                        "environment": [{"name": "N", "value": str(n)}],
                        "portMappings": [{"containerPort": 8080}]}, networkMode=mode)

    def create(self, **more):
        self.image = self.gantry.push("web", web.image())
        if self.kind == "ip":
            more["networkConfiguration"] = self.gantry.awsvpc(self.sg)
        balancer = {"targetGroupArn": self.groups[0], "containerName": "web",
                    "containerPort": 8080, **more.pop("balancer", {})}
        self.gantry.ecs.create_service(cluster=self.cluster, serviceName=self.name,
                                       taskDefinition=self.define(0), desiredCount=2,
                                       loadBalancers=[balancer], **more)
        self.rest()

    def update(self, n, **more):
        self.gantry.ecs.update_service(cluster=self.cluster, service=self.name,
                                       taskDefinition=self.define(n), **more)

    def service(self):
        return self.gantry.ecs.describe_services(cluster=self.cluster,
                                                 services=[self.name])["services"][0]

    def rest(self, timeout=60):
        def look():
            s = self.service()
            primary = s["deployments"][0]
            done = (len(s["deployments"]) == 1 and s["runningCount"] == 2 and
                    s["pendingCount"] == 0 and primary["rolloutState"] == "COMPLETED")
            return done or Not([e["message"] for e in s["events"][:6]])
        eventually(look, timeout, f"rest of {self.name}")

    def health(self):
        states = []
        for g in self.groups:
            states += [d["TargetHealth"]["State"] for d in self.elb.describe_target_health(
                TargetGroupArn=g)["TargetHealthDescriptions"]]
        return sorted(states)

    @property
    def url(self):
        return f"http://{self.address}/"
