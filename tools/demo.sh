#!/bin/bash
# demo.sh [--down]: gantry's first five minutes, `sudo make demo`. Installs what is missing,
# builds, starts gantry, builds an image, pushes it, runs it three times as a service behind
# a load balancer and replaces all of them under load, with the ordinary AWS CLI. Can be run
# again; --down ends and removes all.
#   GANTRY_DEMO_DIR      where it keeps everything (/var/lib/gantry-demo), apart from the
#                        default /var/lib/gantry, so a real installation is not touched
#   GANTRY_DEMO_LISTEN   127.0.0.1:4566
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
. tools/lib.sh

DIR=${GANTRY_DEMO_DIR:-/var/lib/gantry-demo}
LISTEN=${GANTRY_DEMO_LISTEN:-127.0.0.1:4566}
BUILD=${BUILD:-build}
GANTRY=$PWD/$BUILD/gantry
PLACE=(--data-dir "$DIR/data" --run-dir "$DIR/run")
REGISTRY=localhost:${LISTEN##*:}
IMAGE=$REGISTRY/demo/web:1
LOG=$DIR/demo.log
STEPS=10
TASKS=3

[ "$(id -u)" = 0 ] || die "containers and networks need root: sudo make demo"

if [ "${1-}" = --down ]; then
    [ -x "$GANTRY" ] || die "there is no $GANTRY"
    "$GANTRY" down --purge "${PLACE[@]}" || exit 1
    rm -rf --one-file-system "$DIR"
    exit 0
fi

n=0 title=start at=$SECONDS
step() {
    [ "$n" = 0 ] || say "done in $((SECONDS - at))s"
    n=$((n + 1)) title=$1 at=$SECONDS
    heading "[$n/$STEPS] $title"
}
failed() {
    echo
    echo "demo: step $n of $STEPS failed: $title" >&2
    [ -z "${1-}" ] || echo "  $1" >&2
    if [ -s "$LOG" ]; then
        echo "  the end of $LOG:" >&2
        tail -15 "$LOG" | sed 's/^/    /' >&2
    fi
    echo "  gantry's own log: $DIR/run/up.log" >&2
    echo "  what this machine may lack: sudo $BUILD/gantry doctor" >&2
    echo "  remove everything the demo made: sudo tools/demo.sh --down" >&2
    exit 1
}
# Runs quietly; the output goes to the log, which failed() shows.
quiet() {
    echo "\$ $*" >>"$LOG"
    "$@" >>"$LOG" 2>&1 </dev/null
}
# The CLI reads AWS_ENDPOINT_URL only since 2.13, Debian 12 has 2.9.
cli() { aws --endpoint-url "$AWS_ENDPOINT_URL" "$@" 2>>"$LOG" </dev/null; }
# Waits for a command to succeed, as long as $1 seconds.
await() {
    local until=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$until" ] || return 1
        sleep 0.1
    done
}

# Open to enter: gantry's server runs without root's rights. What is secret inside is 0600.
mkdir -p "$DIR" && chmod 755 "$DIR" || die "can't write $DIR"
: >"$LOG"

step "Debian packages (tools/deps.txt)"
tools/deps.sh build run demo || failed "as root: tools/deps.sh build run demo"

step "build ($BUILD/gantry)"
# As the owner of the checkout, so that a later `make` without root still can write.
owner=$(stat -c %U .)
as_owner=
if [ "$owner" != root ] && [ "$owner" != UNKNOWN ] && command -v sudo >/dev/null; then
    [ -e "$BUILD" ] && [ "$(stat -c %U "$BUILD")" = root ] || as_owner="sudo -u $owner"
fi
$as_owner make --no-print-directory all || failed "make ended with an error, see above"
[ -x "$GANTRY" ] || failed "the build made no $GANTRY"
say "$("$GANTRY" version 2>&1 | head -1)"

step "gantry up on $LISTEN"
if curl -fsS -m 2 "http://$LISTEN/health" >/dev/null 2>&1 &&
    "$GANTRY" env "${PLACE[@]}" --listen "$LISTEN" >/dev/null 2>&1; then
    say "it runs already"
else
    if curl -sS -m 2 -o /dev/null "http://$LISTEN/" 2>/dev/null; then
        failed "something else answers on $LISTEN; choose another: \
sudo make demo GANTRY_DEMO_LISTEN=127.0.0.1:14566"
    fi
    "$GANTRY" up --detach "${PLACE[@]}" --listen "$LISTEN" 2>>"$LOG" </dev/null | tee -a "$LOG"
    [ "${PIPESTATUS[0]}" = 0 ] || failed "gantry up did not get ready"
fi
exports=$("$GANTRY" env "${PLACE[@]}" --listen "$LISTEN") || failed "gantry env"
eval "$exports"
export AWS_PAGER='' AWS_EC2_METADATA_DISABLED=true AWS_DATA_PATH="$PWD/api"
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_DEFAULT_OUTPUT=json
: "${AWS_ENDPOINT_URL:?gantry env did not say where gantry is}"
instances() {
    [ "$(cli ecs describe-clusters --clusters default --output text \
        --query 'clusters[0].registeredContainerInstancesCount')" -ge 1 ] 2>/dev/null
}
await 30 instances || failed "this machine did not register in the cluster 'default'"
say "this machine is an instance of the cluster 'default'"

step "image: a static web server, built by buildah from examples/web/Dockerfile"
# Storage and logins of its own: nobody else's images or passwords are touched.
context=$DIR/web
export REGISTRY_AUTH_FILE=$DIR/auth.json
storage=(--root "$DIR/containers" --runroot "$DIR/containers-run" --storage-driver vfs)
rm -rf "$context" && cp -r examples/web "$context" &&
    quiet gcc -O2 -D_GNU_SOURCE -static -o "$context/web" "$context/server.c" ||
    failed "the example does not compile"
quiet buildah "${storage[@]}" bud --isolation chroot --tag "$IMAGE" "$context" ||
    failed "buildah bud"
say "$IMAGE, $(stat -c %s "$context/web" | awk '{printf "%.1f MB", $1 / 1e6}')"

step "push to gantry's registry at $REGISTRY"
if ! cli ecr describe-repositories --repository-names demo/web >/dev/null; then
    cli ecr create-repository --repository-name demo/web \
        --query repository.repositoryUri --output text | sed 's/^/  repository /'
    [ "${PIPESTATUS[0]}" = 0 ] || failed "aws ecr create-repository"
fi
cli ecr get-login-password |
    buildah login --tls-verify=false --username AWS --password-stdin "$REGISTRY" >>"$LOG" 2>&1 ||
    failed "buildah login"
quiet buildah "${storage[@]}" push --tls-verify=false "$IMAGE" || failed "buildah push"
say "digest $(cli ecr describe-images --repository-name demo/web --output text \
    --image-ids imageTag=1 --query 'imageDetails[0].imageDigest')"

step "task definition (examples/web/task-definition.json)"
sed "s,localhost:4566/,$REGISTRY/," examples/web/task-definition.json >"$DIR/task-definition.json"
revision=$(cli ecs register-task-definition --cli-input-json "file://$DIR/task-definition.json" \
    --query taskDefinition.taskDefinitionArn --output text) || failed "register-task-definition"
say "${revision##*/}"

step "load balancer: subnets, security group, target group, listener"
# Each of these is asked for before it is made, so that the demo can be run again.
vpc=$(cli ec2 describe-vpcs --filters Name=is-default,Values=true --output text \
    --query 'Vpcs[0].VpcId') || failed "describe-vpcs"
subnets=$(cli ec2 describe-subnets --filters "Name=vpc-id,Values=$vpc" --output text \
    --query 'Subnets[].SubnetId') || failed "describe-subnets"
group=$(cli ec2 describe-security-groups --output text \
    --filters Name=group-name,Values=demo-web "Name=vpc-id,Values=$vpc" \
    --query 'SecurityGroups[0].GroupId') || failed "describe-security-groups"
if [ "$group" = None ]; then
    group=$(cli ec2 create-security-group --group-name demo-web --vpc-id "$vpc" \
        --description "demo: HTTP from everywhere" --query GroupId --output text) &&
        cli ec2 authorize-security-group-ingress --group-id "$group" --protocol tcp \
            --port 80 --cidr 0.0.0.0/0 >/dev/null || failed "security group"
fi
balancer=$(cli elbv2 create-load-balancer --name demo-web --subnets $subnets \
    --security-groups "$group" --query 'LoadBalancers[0].LoadBalancerArn' --output text) ||
    failed "create-load-balancer"
targets=$(cli elbv2 create-target-group --name demo-web --protocol HTTP --port 80 \
    --vpc-id "$vpc" --target-type instance --health-check-path /health \
    --health-check-interval-seconds 5 --health-check-timeout-seconds 2 \
    --query 'TargetGroups[0].TargetGroupArn' --output text) || failed "create-target-group"
# AWS's 300 s are for other people's slow requests.
cli elbv2 modify-target-group-attributes --target-group-arn "$targets" >/dev/null \
    --attributes Key=deregistration_delay.timeout_seconds,Value=3 || failed "target group"
if [ "$(cli elbv2 describe-listeners --load-balancer-arn "$balancer" --output text \
    --query 'length(Listeners)')" = 0 ]; then
    cli elbv2 create-listener --load-balancer-arn "$balancer" --protocol HTTP --port 80 \
        --default-actions "Type=forward,TargetGroupArn=$targets" >/dev/null ||
        failed "create-listener"
fi
active() {
    [ "$(cli elbv2 describe-load-balancers --load-balancer-arns "$balancer" --output text \
        --query 'LoadBalancers[0].State.Code')" = active ]
}
await 30 active || failed "the load balancer is not active"
name=$(cli elbv2 describe-load-balancers --load-balancer-arns "$balancer" --output text \
    --query 'LoadBalancers[0].DNSName')
await 10 getent hosts "$name" >/dev/null || failed "the name $name is not known here"
URL=http://$name/
say "$URL, $(getent ahostsv4 "$name" | awk '$2 == "STREAM" {print $1}' | xargs)"

step "service of $TASKS tasks on dynamic host ports, behind the load balancer"
status=$(cli ecs describe-services --services web --query 'services[0].status' --output text)
if [ "$status" = ACTIVE ]; then
    cli ecs update-service --service web --task-definition "$revision" \
        --desired-count "$TASKS" >/dev/null || failed "update-service"
else
    cli ecs create-service --service-name web --task-definition "$revision" \
        --desired-count "$TASKS" --load-balancers \
        "targetGroupArn=$targets,containerName=web,containerPort=8080" >/dev/null ||
        failed "create-service"
fi
# The CLI's waiter looks every 15 seconds; looking more often first shows progress.
stable() {
    local seen
    seen=$(cli ecs describe-services --services web --output text --query \
        'services[0].[runningCount, pendingCount, desiredCount, length(deployments),
        deployments[0].rolloutState]') || return 1
    set -- $seen
    [ "$1 $2" = "${shown-}" ] || say "$1 running, $2 pending, $3 wanted"
    shown="$1 $2"
    [ "$1" = "$3" ] && [ "$2" = 0 ] && [ "$4" = 1 ] && [ "$5" = COMPLETED ]
}
rest() {
    await "$1" stable && return
    cli ecs describe-services --services web --query 'services[0].events[:5].message' \
        --output text >>"$LOG"
    failed "the service did not come to rest"
}
rest 60
quiet aws --endpoint-url "$AWS_ENDPOINT_URL" ecs wait services-stable --services web ||
    failed "aws ecs wait services-stable"

step "call the load balancer: each task answers"
echo "  curl $URL"
answers=$(for i in $(seq $((TASKS * 4))); do
    curl -fsS -m 5 "$URL" 2>>"$LOG" | head -1
done | sort | uniq -c)
printf '%s\n' "$answers" | sed 's/^/  /'
answered=$(printf '%s\n' "$answers" | grep -c .)
[ "$answered" = "$TASKS" ] || failed "$answered tasks answered, not $TASKS"
last=$(cli ecs list-tasks --service-name web --query 'taskArns[0]' --output text)
last=${last##*/}

step "rolling update under load"
rm -f "$DIR/load.stop" && mkfifo "$DIR/load.stop" || failed "mkfifo"
/usr/bin/python3 examples/web/load.py "$URL" 4 <"$DIR/load.stop" >"$DIR/load.said" 2>>"$LOG" &
loader=$!
exec {hold}>"$DIR/load.stop"
cli ecs update-service --service web --force-new-deployment >/dev/null || failed "update-service"
rest 120
exec {hold}>&-
wait "$loader"
loaded=$?
rm -f "$DIR/load.stop"
said=$(cat "$DIR/load.said")
say "every task is a new one; requests meanwhile: $said"
[ "$loaded" = 0 ] || failed "requests failed during the update"
say "done in $((SECONDS - at))s"

heading "demo: $said; all of it took ${SECONDS}s"
cat <<NEXT

What to try next (as root, in this folder):
  eval "\$($BUILD/gantry env --cli ${PLACE[*]} --listen $LISTEN)"
  aws ecs list-tasks --service-name web
  $BUILD/gantry status ${PLACE[*]}
  $BUILD/gantry logs -f ${PLACE[*]} $last
  aws ecs update-service --service web --desired-count 10
  kill a container and watch it come back:  aws ecs stop-task --task $last
  the end of it all:  sudo tools/demo.sh --down
NEXT
