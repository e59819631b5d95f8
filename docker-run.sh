#!/usr/bin/env bash
# Runs the production image on this machine.
set -euo pipefail
cd "$(dirname "$0")"

usage() {
    cat <<'END'
Usage: ./docker-run.sh [OPTION...]

Runs the image of ./docker-build.sh in the background, and says when it answers.

  --image NAME       name of the image [$IMAGE, or cloakroom-login]
  --name NAME        name of the container [cloakroom-login]
  --port PORT        port on this machine [$PORT, or 3000]
  --redis-host HOST  host of the Redis server [$REDIS_HOST, or host.docker.internal, which is this machine]
  --redis-port PORT  port of the Redis server [$REDIS_PORT, or 6379]
  --no-redis         keep the sessions in the volume NAME-data instead
  --network NETWORK  Docker network to join, such as that of a Redis container
  --replace          remove a container of that name first
  --help             show this

SESSION_SECRET in the environment signs the cookies: 32 random bytes or more. Without it, a secret is made and kept in
data/docker-run.secret. SESSION_MAX_AGE, SESSION_COOKIE_NAME, TRUSTED_PROXIES and RUST_LOG are passed on if they are set, and so are
REDIS_TLS, REDIS_USERNAME and REDIS_PASSWORD beside host and port. REDIS_URL replaces all of these.
END
}

die() {
    printf '%s: %s\n' "$0" "$*" >&2
    exit 1
}

wrong() {
    printf '%s: %s\nTry: %s --help\n' "$0" "$*" "$0" >&2
    exit 2
}

check_port() {
    if [[ ! $2 =~ ^[0-9]{1,5}$ ]] || ((10#$2 < 1 || 10#$2 > 65535)); then
        wrong "$1 is \"$2\"; it must be a number from 1 to 65535"
    fi
}

image=${IMAGE:-cloakroom-login} name=cloakroom-login
port=${PORT:-3000}
redis_host=${REDIS_HOST:-host.docker.internal} redis_port=${REDIS_PORT:-6379}
redis=yes replace='' options=()
while (($#)); do
    case $1 in
    --image | --name | --port | --redis-host | --redis-port | --network)
        [[ -n ${2:-} ]] || wrong "$1 needs a value"
        case $1 in
        --image) image=$2 ;;
        --name) name=$2 ;;
        --port) port=$2 ;;
        --redis-host) redis_host=$2 ;;
        --redis-port) redis_port=$2 ;;
        --network) options+=(--network "$2") ;;
        esac
        shift
        ;;
    --no-redis) redis='' ;;
    --replace) replace=yes ;;
    --help | -h)
        usage
        exit
        ;;
    *) wrong "unknown option: $1" ;;
    esac
    shift
done
check_port --port "$port"
check_port --redis-port "$redis_port"

command -v docker >/dev/null || die "there is no \`docker\`; install Docker: https://docs.docker.com/get-docker/"
docker info >/dev/null 2>&1 ||
    die "the Docker daemon does not answer; start Docker, and see \`docker info\` for what is wrong"
docker image inspect "$image" >/dev/null 2>&1 || die "there is no image $image; build it with: ./docker-build.sh"
if docker container inspect "$name" >/dev/null 2>&1; then
    [[ -n $replace ]] || die "a container $name exists already; replace it with --replace, or choose another --name"
    docker rm --force "$name" >/dev/null
fi

# Kept, so that visitors stay signed in when the container is replaced.
if [[ -z ${SESSION_SECRET:-} ]]; then
    file=data/docker-run.secret
    if [[ ! -s $file ]]; then
        mkdir -p data
        (umask 077 && od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$file")
        echo "A secret was made and is kept in $file"
    fi
    SESSION_SECRET=$(<"$file")
fi
export SESSION_SECRET

# Variables are passed by name: a value on the command line could be read by this machine's other users.
pass_on() {
    local variable
    for variable; do
        [[ -z ${!variable:-} ]] || options+=(--env "$variable")
    done
}
pass_on SESSION_SECRET SESSION_MAX_AGE SESSION_COOKIE_NAME TRUSTED_PROXIES RUST_LOG
if [[ -z $redis ]]; then
    options+=(--volume "$name-data:/data")
elif [[ -n ${REDIS_URL:-} ]]; then
    pass_on REDIS_URL
else
    options+=(--env "REDIS_HOST=$redis_host" --env "REDIS_PORT=$redis_port")
    pass_on REDIS_TLS REDIS_USERNAME REDIS_PASSWORD
fi

# Docker Desktop knows the name of the machine by itself, Linux does not.
if ! problem=$(docker run --detach --name "$name" --publish "$port:3000" --add-host host.docker.internal:host-gateway \
    --read-only --cap-drop ALL --security-opt no-new-privileges "${options[@]}" "$image" 2>&1 >/dev/null); then
    docker rm --force "$name" >/dev/null 2>&1 || true
    case $problem in
    *"already allocated"* | *"already in use"* | *"ports are not available"*)
        die "port $port of this machine is taken; choose another with --port" ;;
    esac
    die "the container did not start: $problem"
fi

# A start waits ten seconds for Redis.
for ((tries = 0; tries < 240; tries++)); do
    state=$(docker container inspect --format '{{.State.Status}} {{with .State.Health}}{{.Status}}{{end}}' "$name") || break
    case $state in
    *" healthy")
        echo "$name runs: http://localhost:$port"
        echo "Stop it with: docker rm --force $name"
        exit
        ;;
    running* | created*) sleep 0.5 ;;
    *) break ;;
    esac
done
docker logs --tail 20 "$name" >&2 || true
docker rm --force "$name" >/dev/null 2>&1 || true
[[ -z $redis || -n ${REDIS_URL:-} ]] ||
    echo "Does Redis run at $redis_host:$redis_port, and may a container connect to it? Without Redis: --no-redis" >&2
die "the application in $name did not come to answer; its last words are above"
